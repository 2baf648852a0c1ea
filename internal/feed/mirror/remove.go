// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lostFound is a directory that belongs to a file system, as its check does; mkfs makes
// it at the root.
const lostFound = "lost+found"

// isLeftOut reports whether a name directly below the root is none of the mirror's, in
// source and target.
func isLeftOut(name string) bool { return name == ownDir || name == lostFound }

// MountedError tells that another file system is mounted where something was to be
// removed: what is in it is not the mirror's.
type MountedError struct{ Path string }

func (e *MountedError) Error() string {
	return fmt.Sprintf("target %s: it is on another mount, and is not removed", e.Path)
}

// removeAll removes what is at a path of the target with all that is below it. It removes
// nothing where another file system is mounted on any of that. For people the path is
// called shown.
func removeAll(path, shown string) error {
	var top unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, unix.STATX_TYPE, &top)
	if err == nil {
		err = refuseMounts(unix.AT_FDCWD, path, shown, &top)
	}
	if err == nil {
		err = os.RemoveAll(path)
	}
	var mounted *MountedError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &mounted):
		return err
	}
	return fmt.Errorf("target %s: %w", shown, err)
}

// refuseMounts looks for mounts at a name and below it.
func refuseMounts(dirfd int, name, shown string, top *unix.Statx_t) error {
	var st unix.Statx_t
	if err := statx(dirfd, name, &st); err != nil {
		return err
	}
	if isMounted(&st) || st.Dev_major != top.Dev_major || st.Dev_minor != top.Dev_minor {
		return &MountedError{shown}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), shown)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := refuseMounts(fd, n, filepath.Join(shown, n), top); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func statx(dirfd int, name string, st *unix.Statx_t) error {
	return unix.Statx(dirfd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, st)
}

// isMounted reports whether an object is what a mount has at its root.
func isMounted(st *unix.Statx_t) bool { return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 }
