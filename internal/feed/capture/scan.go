// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// scan compares the index with the disk, directory by directory from the root. What
// is new or elsewhere becomes a record where it is found, parents before children;
// what is missing waits for the end, since it may be found elsewhere.
type scan struct {
	id          uint64
	silent      bool            // the first: it makes the index, and no records
	dirs        []changelog.FID // still to be visited; the last is next
	missing     []missing
	entries     uint64
	differences uint64
	begun       time.Time
	done        []chan<- error
}

// missing is a name of the index that the disk has not got.
type missing struct {
	at name
	f  changelog.FID
}

// scanStep is how long events wait for a scan at most.
const scanStep = 20 * time.Millisecond

// manyEntries is how many entries leave so much memory behind that it is given back at
// once.
const manyEntries = 100_000

// beginScan begins to compare, from anew if a scan is under way.
func (w *worker) beginScan(silent bool, done chan<- error) error {
	s := &scan{silent: silent, dirs: []changelog.FID{w.index.root}, begun: w.now}
	if done != nil {
		s.done = append(s.done, done)
	}
	if old := w.scan; old != nil {
		s.done = append(s.done, old.done...)
		s.silent = s.silent && old.silent
	}
	w.scan = s
	w.scans++
	s.id = w.scans
	if silent {
		return nil
	}
	w.batch.SetMeta(metaScanning, []byte{1})
	w.mark(changelog.Marker{Kind: changelog.MarkScanBegin, Scan: s.id})
	return w.commit(0)
}

// stepScan goes on with a scan for a while.
func (w *worker) stepScan() error {
	w.disk.refresh()
	for until := time.Now().Add(scanStep); len(w.scan.dirs) > 0; {
		last := len(w.scan.dirs) - 1
		dir := w.scan.dirs[last]
		w.scan.dirs = w.scan.dirs[:last]
		if err := w.visit(dir); err != nil {
			return err
		}
		if time.Now().After(until) {
			return w.commit(0)
		}
	}
	return w.endScan()
}

// endScan removes what was not found and says so.
func (w *worker) endScan() error {
	s := w.scan
	w.silent = s.silent
	defer func() { w.silent = false }()
	for i := len(s.missing) - 1; i >= 0; i-- {
		if err := w.removeMissing(s.missing[i]); err != nil {
			return err
		}
	}
	w.scan, w.silent = nil, false
	if !s.silent {
		w.mark(changelog.Marker{
			Kind: changelog.MarkScanEnd, Scan: s.id, Entries: s.entries, Differences: s.differences,
		})
	}
	w.batch.SetMeta(metaIndexed, []byte{1})
	w.batch.SetMeta(metaScanning, nil)
	err := w.commit(0)
	if errors.Is(err, errStore) {
		w.scan = s // who waits for it waits for the next
		return err
	}
	took := time.Since(s.begun)
	w.count.scanned += s.entries
	w.count.scanTime += took
	if err == nil {
		w.count.lastScan = &ScanResult{ID: s.id, Entries: s.entries, Differences: s.differences, Time: took, Ended: time.Now()}
	}
	w.publish() // who waits for the scan asks what it has found
	for _, done := range s.done {
		done <- err
	}
	if s.entries >= manyEntries {
		go debug.FreeOSMemory() // ends by itself; the scan's memory is not needed again soon
	}
	w.log.Info("scan ended", "scan", s.id, "entries", s.entries, "differences", s.differences, "seconds", took.Seconds())
	return err
}

// removeMissing takes a name away if it still is where it was, and nobody made it
// anew.
func (w *worker) removeMissing(m missing) error {
	if now, err := w.index.dirent(m.at); err != nil || now != m.f {
		return err
	}
	is, err := w.resolve(m.at)
	if err != nil || is == m.f {
		return err
	}
	w.scan.differences++
	if err := w.takeTree(m.at, m.f, addition{by: nobody(0), flags: changelog.FlagSynth}, 0); err != nil {
		return err
	}
	return w.commitIfLarge()
}

// visit compares one directory with the disk. Outside a scan it adds what no event
// told of, and leaves the rest alone.
func (w *worker) visit(dir changelog.FID) error {
	if w.scan != nil {
		w.silent = w.scan.silent
		defer func() { w.silent = false }()
	}
	if dir == w.skip {
		return nil
	}
	fd, err := w.disk.openFID(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	known, err := w.index.children(dir)
	if err != nil {
		return err
	}
	for {
		names, err := f.Readdirnames(1024)
		if err := w.meet(fd, dir, names, known); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if isGone(err) {
			return nil // removed, and still open somewhere: an event tells
		}
		if err != nil {
			return fmt.Errorf("directory %v: %w", dir, err)
		}
	}
	if w.scan == nil {
		return nil
	}
	for n, f := range known {
		if o, err := w.index.object(f); !w.full && (err != nil || !o.isDir()) {
			continue // remembered for a while only
		}
		if at := (name{dir, n}); !w.quiet.pending(at) {
			w.scan.missing = append(w.scan.missing, missing{at, f})
		}
	}
	return nil
}
