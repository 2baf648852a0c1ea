// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// retryRoom is how often a change is tried again that found no room.
const retryRoom = 200 * time.Millisecond

// disk stands between the database and the file system, because the database ends
// the process, or panics with its locks held, when a change is refused. It never
// gets to see that: a change that finds no room waits until there is some, and after
// any other refusal every change waits for ever (the database is frozen, and whoever
// has it open abandons it). Reading goes on in either case.
//
// A refused sync is final even for want of room: the kernel may have dropped what it
// could not write, and says so once.
type disk struct {
	vfs.FS
	dir string
	log *slog.Logger

	// gate is held shared by each change, and exclusively to freeze: when freeze has
	// returned, no change is under way.
	gate   sync.RWMutex
	frozen bool // guarded by gate

	mu      sync.Mutex
	err     error // what is wrong; nil: nothing
	final   bool  // the error stays
	waiting int   // changes that wait for room
	trouble chan struct{}
	broken  chan struct{} // closed when the error is final
	files   map[*file]struct{}
	stalls  atomic.Uint64 // times that there was no room
	// abandoned says that nobody reads any more but the database itself, which is not to
	// get anything.
	abandoned atomic.Bool
}

func newDisk(under vfs.FS, dir string, log *slog.Logger) *disk {
	return &disk{FS: under, dir: dir, log: log, trouble: make(chan struct{}), broken: make(chan struct{}), files: make(map[*file]struct{})}
}

// health returns what is wrong, and a channel that is closed as soon as something is.
func (d *disk) health() (<-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trouble, d.err
}

// failed returns the error that stays, nil if there is none.
func (d *disk) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.final {
		return d.err
	}
	return nil
}

// change does what alters the file system, and does not return while it cannot.
func (d *disk) change(sync bool, f func() error) error {
	waited := false
	for {
		err := d.try(f)
		switch {
		case err == nil || !isDeviceError(err):
			if waited {
				d.resume()
			}
			return err
		case sync || !isNoRoom(err):
			d.fail(err)
			continue // and never come back
		}
		if !waited {
			waited = true
			d.stall(err)
		}
		<-time.After(retryRoom)
	}
}

// try does a change, or blocks for ever if the disk is frozen.
func (d *disk) try(f func() error) error {
	d.gate.RLock()
	if d.frozen {
		d.gate.RUnlock()
		select {}
	}
	defer d.gate.RUnlock()
	return f()
}

// stall notes that a change waits for room.
func (d *disk) stall(err error) {
	d.stalls.Add(1)
	d.mu.Lock()
	d.waiting++
	first := d.err == nil
	if first {
		d.err = fmt.Errorf("feed store %s: stalled: %w", d.dir, err)
		close(d.trouble)
	}
	d.mu.Unlock()
	if first {
		d.log.Error("feed store stalled", "dir", d.dir, "err", err)
	}
}

// resume notes that a change has found room.
func (d *disk) resume() {
	d.mu.Lock()
	d.waiting--
	last := d.waiting == 0 && !d.final
	if last {
		d.err, d.trouble = nil, make(chan struct{})
	}
	d.mu.Unlock()
	if last {
		d.log.Info("feed store goes on", "dir", d.dir)
	}
}

// fail freezes the disk for good.
func (d *disk) fail(err error) {
	d.mu.Lock()
	first := !d.final
	if first {
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			err = fmt.Errorf("feed store %s: failed: %w", d.dir, err)
		}
		if d.err == nil {
			close(d.trouble)
		}
		d.err, d.final = err, true
		close(d.broken)
	}
	d.mu.Unlock()
	if first {
		d.log.Error("feed store failed", "dir", d.dir, "err", err)
	}
	d.freeze()
}

// freeze lets no change happen any more.
func (d *disk) freeze() {
	d.gate.Lock()
	d.frozen = true
	d.gate.Unlock()
}

// abandon freezes the disk and closes what the database has open, which will not.
func (d *disk) abandon() {
	d.abandoned.Store(true)
	d.freeze()
	d.mu.Lock()
	files := d.files
	d.files = nil
	d.mu.Unlock()
	for f := range files {
		f.close()
	}
}

// isDeviceError tells refusals of the system from what the database expects to hear
// of, such as files that do not exist.
func isDeviceError(err error) bool {
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrExist):
		return false
	}
	return errno != syscall.EOPNOTSUPP && errno != syscall.ENOSYS && errno != syscall.EINVAL
}

func isNoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// listener tells the disk of what the database finds wrong.
func (d *disk) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			switch {
			case pebble.IsCorruptionError(err):
				d.fail(readFault(d.dir, nil, err))
			case isDeviceError(err):
				d.fail(err)
			default:
				d.log.Warn("feed store", "dir", d.dir, "err", err)
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			d.fail(&CorruptError{Path: info.Path, Key: keyText(info.Bounds.Start), Err: info.Details})
		},
	}
}

// Create and the others are those of vfs.FS.
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.change(false, func() error { f, err = d.FS.Create(name, category); return err })
	return d.wrap(f, err)
}

func (d *disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.wrap(d.FS.Open(name, opts...))
}

func (d *disk) OpenDir(name string) (vfs.File, error) { return d.wrap(d.FS.OpenDir(name)) }

// upperCase has the names of the database's files that have capital letters, for file
// systems that list all names in small ones.
var upperCase = strings.NewReplacer("manifest-", "MANIFEST-", "options-", "OPTIONS-", "remote-obj-catalog-", "REMOTE-OBJ-CATALOG-")

// List lists the database's files by the names that it knows them by.
func (d *disk) List(dir string) ([]string, error) {
	names, err := d.FS.List(dir)
	for i, n := range names {
		names[i] = upperCase.Replace(n)
	}
	return names, err
}

func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (f vfs.File, err error) {
	err = d.change(false, func() error { f, err = d.FS.OpenReadWrite(name, category, opts...); return err })
	return d.wrap(f, err)
}

func (d *disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = d.change(false, func() error { f, err = d.FS.ReuseForWrite(oldname, newname, category); return err })
	return d.wrap(f, err)
}

func (d *disk) Link(oldname, newname string) error {
	return d.change(false, func() error { return d.FS.Link(oldname, newname) })
}

func (d *disk) Remove(name string) error {
	return d.change(false, func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.change(false, func() error { return d.FS.RemoveAll(name) })
}

func (d *disk) Rename(oldname, newname string) error {
	return d.change(false, func() error { return d.FS.Rename(oldname, newname) })
}

func (d *disk) MkdirAll(dir string, perm os.FileMode) error {
	return d.change(false, func() error { return d.FS.MkdirAll(dir, perm) })
}

// Lock does nothing: the store has its own lock, which outlives a database that is
// abandoned.
func (d *disk) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Unwrap returns the file system below.
func (d *disk) Unwrap() vfs.FS { return d.FS }

func (d *disk) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	w := &file{File: f, disk: d, fd: f.Fd()}
	d.mu.Lock()
	if d.files != nil {
		d.files[w] = struct{}{}
	}
	d.mu.Unlock()
	return w, nil
}

// logger hands on what the database logs. It does not end the process.
type logger struct {
	log  *slog.Logger
	disk *disk
}

// Infof is about every flush and compaction: nobody reads that.
func (logger) Infof(string, ...any) {}

// Errorf logs.
func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("feed store", "dir", l.disk.dir, "err", fmt.Sprintf(format, args...))
}

// Fatalf fails the store instead.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("%s", fmt.Sprintf(format, args...))
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), cause)
		}
	}
	l.disk.fail(err)
}
