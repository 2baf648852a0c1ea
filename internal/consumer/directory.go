// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// fileMode is that of trace files: readable by the group.
const fileMode = 0o640

// directory is a trace of files, as LTTng lays them out:
//
//	metadata
//	CHANNEL_CPU[_FILE]
//	index/CHANNEL_CPU[_FILE].idx
//
// A packet counts once its index entry is written: what a crash leaves behind
// that is cut off by who repairs the trace.
type directory struct {
	// Owned by the engine.
	dir     *os.File
	memory  bool // its files are; changed while no stream gives packets
	writers []*fileWriter

	own *hang // what the engine does

	onFailure func(error)          // is told when writing begins to fail, and with nil when it does no more; nil: nobody
	onHang    func(handover.Stuck) // is told when a call does not come back; nil: nobody
	onBack    func()               // is told when one that was told has; nil: nobody
	most      time.Duration        // that a call may take before it is told

	metaMu  sync.Mutex // held while metadata are written; guards what follows
	meta    *os.File
	text    []byte // all metadata, for the next chunk
	written int    // of it, in the file: the rest found no room

	mu      sync.Mutex // guards what follows
	failing int        // writers whose last packet was not written
	failure string     // what is wrong with the disk
	hangs   []*hang    // that were told
}

// newDirectory begins to write in a directory, which it takes over. Calls that take
// longer than most are told; 0: 5 s.
func newDirectory(dir *os.File, most time.Duration) (*directory, error) {
	d := &directory{most: most}
	d.own = newHang(most, d.hung)
	m, err := d.prepare(dir)
	if err != nil {
		return nil, err
	}
	m.commit()
	return d, nil
}

// create makes a file that is not there yet.
func create(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d *directory) metadata(text []byte) error {
	d.own.begin("metadata")
	defer d.own.end()
	d.metaMu.Lock()
	defer d.metaMu.Unlock()
	d.text = append(d.text, text...)
	if err := d.writeMetadataLocked(); !noRoom(err) {
		return err
	}
	return nil // no packet is written before it is
}

// writeMetadataLocked writes what the file has not got, all of it or nothing.
func (d *directory) writeMetadataLocked() error {
	if d.written == len(d.text) {
		return nil
	}
	if _, err := d.meta.WriteAt(d.text[d.written:], int64(d.written)); err != nil {
		return errors.Join(fmt.Errorf("metadata of %d bytes: %w", len(d.text), err), d.meta.Truncate(int64(d.written)))
	}
	d.written = len(d.text)
	return nil
}

func (d *directory) completeMetadata() error {
	d.metaMu.Lock()
	defer d.metaMu.Unlock()
	return d.writeMetadataLocked()
}

func (d *directory) writer(s *stream) (packetWriter, error) {
	w := &fileWriter{d: d, s: s}
	w.title = "packet of " + w.name()
	w.hang = newHang(d.most, func(h *hang, on bool) {
		s.setHung(on)
		d.hung(h, on)
	})
	d.own.begin("files of " + w.name())
	defer d.own.end()
	if err := w.open(); err != nil {
		return nil, err
	}
	d.writers = append(d.writers, w)
	return w, nil
}

// regenerate puts other text into the place of that there is: a reader finds one
// of the two.
func (d *directory) regenerate(text []byte) error {
	d.own.begin("metadata")
	defer d.own.end()
	const temporary = ".metadata"
	_ = unix.Unlinkat(int(d.dir.Fd()), temporary, 0)
	meta, err := create(d.dir, temporary)
	if err != nil {
		return err
	}
	_, err = meta.Write(text)
	if err == nil {
		err = unix.Renameat(int(d.dir.Fd()), temporary, int(d.dir.Fd()), "metadata")
	}
	if err != nil {
		meta.Close()
		_ = unix.Unlinkat(int(d.dir.Fd()), temporary, 0)
		return fmt.Errorf("metadata of %d bytes: %w", len(text), err)
	}
	d.metaMu.Lock()
	defer d.metaMu.Unlock()
	d.meta.Close()
	d.meta, d.text, d.written = meta, append([]byte(nil), text...), len(text)
	return nil
}

// close ends the output. Where the file system does not answer the files stay open
// until the process ends: somebody's goroutine is in one of them.
func (d *directory) close(context.Context) (unsent, error) {
	if stuck := d.stuck(); len(stuck) > 0 {
		return unsent{}, stuckError(stuck[0])
	}
	d.own.begin("end of the files")
	defer d.own.end()
	var first error
	for _, w := range d.writers {
		if err := w.close(); err != nil && first == nil {
			first = err
		}
	}
	d.writers = nil
	for _, f := range []*os.File{d.meta, d.dir} {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return unsent{}, first
}

func (d *directory) status(to *handover.Status) {
	to.Stuck = append(to.Stuck, d.stuck()...)
	d.mu.Lock()
	defer d.mu.Unlock()
	to.LastError = d.failure
}

// stuck is what does not come back, as far as that was told.
func (d *directory) stuck() (all []handover.Stuck) {
	d.mu.Lock()
	hangs := slices.Clone(d.hangs)
	d.mu.Unlock()
	for _, h := range hangs {
		if s := h.describe(); s.What != "" {
			all = append(all, s)
		}
	}
	return all
}

// hung takes note that a call does not come back, or has.
func (d *directory) hung(h *hang, on bool) {
	d.mu.Lock()
	before := len(d.hangs)
	d.hangs = slices.DeleteFunc(d.hangs, func(o *hang) bool { return o == h })
	if on {
		d.hangs = append(d.hangs, h)
	}
	after, failing := len(d.hangs), d.failing
	d.mu.Unlock()
	if !on && d.onBack != nil {
		d.onBack()
	}
	switch {
	case before == 0 && after > 0 && d.onHang != nil:
		d.onHang(h.describe())
	case before > 0 && after == 0 && failing == 0 && d.onFailure != nil:
		d.onFailure(nil)
	}
}

// failed takes note that a stream's packet was not written, or, with nil, that one
// is.
func (d *directory) failed(w *fileWriter, err error) {
	d.mu.Lock()
	before := d.failing
	if w.failing != (err != nil) {
		w.failing = err != nil
		if w.failing {
			d.failing++
		} else {
			d.failing--
		}
	}
	after := d.failing
	switch {
	case err != nil:
		d.failure = err.Error()
	case after == 0:
		d.failure = ""
	}
	d.mu.Unlock()
	if (before == 0) != (after == 0) && d.onFailure != nil {
		d.onFailure(err)
	}
}
