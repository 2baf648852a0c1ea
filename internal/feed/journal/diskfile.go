// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is an open file of a disk.
type file struct {
	vfs.File
	disk   *disk
	fd     uintptr
	use    sync.RWMutex // held shared while it is read, and exclusively to close it
	closed sync.Once    // the database closes it, or who abandons that
}

// read does what only looks at the file.
func (f *file) read(do func()) {
	f.use.RLock()
	if f.disk.abandoned.Load() {
		f.use.RUnlock()
		select {}
	}
	defer f.use.RUnlock()
	do()
}

// Read reads.
func (f *file) Read(p []byte) (n int, err error) {
	f.read(func() { n, err = f.File.Read(p) })
	return n, err
}

// ReadAt reads.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	f.read(func() { n, err = f.File.ReadAt(p, off) })
	return n, err
}

// Fd is the descriptor, or what stands for none.
func (f *file) Fd() uintptr { return f.fd }

// Prefetch begins to read.
func (f *file) Prefetch(offset, length int64) (err error) {
	f.read(func() { err = f.File.Prefetch(offset, length) })
	return err
}

// Stat describes the file.
func (f *file) Stat() (info vfs.FileInfo, err error) {
	f.read(func() { info, err = f.File.Stat() })
	return info, err
}

// Write goes on where a write without room has ended.
func (f *file) Write(p []byte) (done int, err error) {
	err = f.disk.change(false, func() error {
		n, err := f.File.Write(p[done:])
		done += n
		return err
	})
	return done, err
}

// WriteAt is as Write.
func (f *file) WriteAt(p []byte, off int64) (done int, err error) {
	err = f.disk.change(false, func() error {
		n, err := f.File.WriteAt(p[done:], off+int64(done))
		done += n
		return err
	})
	return done, err
}

// Preallocate is a favour: without it there may still be room for what is written.
func (f *file) Preallocate(offset, length int64) error {
	return f.disk.change(false, func() error {
		if err := f.File.Preallocate(offset, length); !isNoRoom(err) {
			return err
		}
		return nil
	})
}

// Sync forces the file to the disk.
func (f *file) Sync() error { return f.disk.change(true, f.File.Sync) }

// SyncData is Sync without times.
func (f *file) SyncData() error { return f.disk.change(true, f.File.SyncData) }

// SyncTo begins to write out the file.
func (f *file) SyncTo(length int64) (full bool, err error) {
	err = f.disk.change(true, func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Close closes the file.
func (f *file) Close() error {
	f.disk.mu.Lock()
	delete(f.disk.files, f)
	f.disk.mu.Unlock()
	return f.close()
}

func (f *file) close() (err error) {
	f.use.Lock()
	defer f.use.Unlock()
	f.closed.Do(func() { err = f.File.Close() })
	return err
}
