// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// finder looks for tracefs, and mounts it.
type finder struct {
	places   []string // in the order in which they are tried; the first is where to mount
	lockdown string   // the file that tells of lockdown
	system   system
	mount    func(dir string) error
	isMount  func(dir string) bool // whether a tracefs is mounted there
}

// Find opens tracefs where it is mounted, at /sys/kernel/tracing or
// /sys/kernel/debug/tracing, and mounts it there if it is not. The error is an
// UnavailableError.
func Find() (*FS, error) {
	return finder{
		places:   []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"},
		lockdown: "/sys/kernel/security/lockdown",
		system:   kernel{},
		mount: func(dir string) error {
			return unix.Mount("tracefs", dir, "tracefs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		},
		isMount: func(dir string) bool {
			var st unix.Statfs_t
			return unix.Statfs(dir, &st) == nil && int64(st.Type) == unix.TRACEFS_MAGIC
		},
	}.find()
}

func (f finder) find() (*FS, error) {
	var tried []error
	for _, place := range f.places {
		fs, err := open(place, f.system)
		if err == nil {
			return fs, nil
		}
		tried = append(tried, err)
	}
	unmounted := ""
	for i, place := range f.places {
		switch err := tried[i]; {
		case f.isMount(place), refused(err) && i == 0:
			return nil, f.closed(tried)
		case unmounted == "" && isDir(place):
			unmounted = place
		}
	}
	if unmounted == "" {
		return nil, f.absent(tried)
	}
	switch err := f.mount(unmounted); {
	case errors.Is(err, unix.ENODEV):
		return nil, f.because(ErrNoTracing, fmt.Errorf("mount %s: %w", unmounted, err))
	case err != nil:
		return nil, f.because(ErrNotMounted, fmt.Errorf("mount %s: %w", unmounted, err))
	}
	fs, err := open(unmounted, f.system)
	if err != nil {
		return nil, f.closed([]error{err})
	}
	return fs, nil
}

// closed explains a tracefs that is mounted and gives nothing.
func (f finder) closed(tried []error) error {
	err := tried[0]
	for _, e := range tried {
		if refused(e) {
			err = e
			break
		}
	}
	switch {
	// Lockdown at boot leaves an empty file system, later it refuses opening.
	case f.lockedDown() && !errors.Is(err, unix.EACCES):
		return f.because(ErrLockdown, err)
	case refused(err):
		return f.because(ErrPermission, err)
	}
	return f.because(ErrNoTracing, err)
}

// absent explains why not even the directories are there.
func (f finder) absent(tried []error) error {
	for _, err := range tried {
		if refused(err) {
			return f.because(ErrPermission, err)
		}
	}
	// A kernel with tracing makes the directory in sysfs.
	if isDir(path.Dir(f.places[0])) {
		return f.because(ErrNoTracing, tried[0])
	}
	return f.because(ErrNotMounted, tried[0])
}

func (f finder) because(reason, err error) error {
	return &UnavailableError{Reason: reason, Places: f.places, Err: err}
}

// lockedDown reports whether the kernel keeps its secrets, tracing among them.
func (f finder) lockedDown() bool {
	b, err := os.ReadFile(f.lockdown)
	return err == nil && strings.Contains(string(b), "[confidentiality]")
}

func refused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
