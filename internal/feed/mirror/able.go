// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// know finds out how objects of the target are told apart: by their handles, or, where
// those do not outlast a mount, by their numbers.
func (t *target) know() error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(t.root, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: t.dir, Err: err}
	}
	switch fs.Type {
	case unix.MSDOS_SUPER_MAGIC: // its numbers are made up, too
		return fmt.Errorf("target %s: FAT has nothing to know files by after it was mounted anew: %w", t.dir, unix.EOPNOTSUPP)
	case unix.FUSE_SUPER_MAGIC:
		t.numbers = true
	}
	t.xattrs = xattrRules{fs.Type}
	if _, err := t.handleAt(t.root, ""); err != nil {
		return fmt.Errorf("target %s: its file system has no file handles: %w", t.dir, err)
	}
	return nil
}

// checkAble refuses a target that has none of what is to be copied. What it refuses of
// single objects later on does not end the mirror.
func (t *target) checkAble(o *Options) error {
	const probe = "able"
	fd, err := unix.Openat(t.stage, "../"+probe, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("target %s: %w", t.dir, err)
	}
	defer unix.Close(fd)
	if !o.NoXattr {
		err = unix.Fsetxattr(fd, "user.weir", []byte("able"), 0)
		if err = ifUnable(err); err != nil {
			err = fmt.Errorf("target %s: it has no extended attributes (--no-xattr leaves them out): %w", t.dir, err)
		}
	}
	if !o.NoOwner && os.Geteuid() == 0 && err == nil {
		if err = ifUnable(unix.Fchown(fd, 1, 1)); err != nil {
			err = fmt.Errorf("target %s: it has no owners (--no-owner leaves them out): %w", t.dir, err)
		}
	}
	return errors.Join(err, unix.Unlinkat(t.stage, "../"+probe, 0))
}

// ifUnable returns errors that say that there is nothing of a kind. Others tell nothing
// of that.
func ifUnable(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		return err
	}
	return nil
}

// tick finds out how exact the times of the target's files are, by a file of the mirror's
// own.
func (t *target) tick() error {
	const probe = "../tick"
	fd, err := unix.Openat(t.stage, probe, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("target %s: %w", t.dir, err)
	}
	defer unix.Close(fd)
	set := unix.Timespec{Sec: 1_000_000_001, Nsec: 123_456_789}
	var st unix.Stat_t
	err = errors.Join(
		unix.UtimesNanoAt(t.stage, probe, []unix.Timespec{set, set}, unix.AT_SYMLINK_NOFOLLOW),
		unix.Fstat(fd, &st),
		unix.Unlinkat(t.stage, probe, 0),
	)
	lost := set.Nano() - st.Mtim.Nano()
	for t.unit = 1; t.unit <= lost && t.unit < 1e9; t.unit *= 10 {
	}
	if t.unit <= lost {
		t.unit = 2e9 // FAT's
	}
	return err
}

// sameTime reports whether a time of the target is one of the source, as exactly as the
// target has times.
func (t *target) sameTime(has, want unix.Timespec) bool {
	return isSameTime(has, want, time.Duration(t.unit))
}

// isSameTime reports whether a time is another one as a file system has it that counts in
// units.
func isSameTime(has, want unix.Timespec, unit time.Duration) bool {
	late := want.Nano() - has.Nano()
	return 0 <= late && late < int64(unit)
}
