// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// FS is a mounted tracefs.
type FS struct {
	// Immutable after Open.
	path   string
	dir    int // handle of the mount point, O_PATH
	system system

	closed atomic.Bool

	mu       sync.Mutex
	features map[string]bool // guarded by mu; conclusive results of probes
}

// Open opens the tracefs that is mounted at a directory. Find looks for it.
func Open(dir string) (*FS, error) { return open(dir, kernel{}) }

func open(dir string, s system) (*FS, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &FileError{Op: "open", Path: dir, Err: err}
	}
	fs := &FS{path: dir, dir: fd, system: s, features: make(map[string]bool)}
	// The file is opened rather than looked for: lockdown refuses the opening.
	clock, err := fs.open(clockFile, unix.O_RDONLY)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	unix.Close(clock)
	return fs, nil
}

// Close gives the handle back. Instances and rings stay as they are.
func (fs *FS) Close() error {
	if fs.closed.Swap(true) {
		return nil
	}
	return unix.Close(fs.dir)
}

// Path returns the mount point.
func (fs *FS) Path() string { return fs.path }
