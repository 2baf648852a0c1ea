// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// Tree looks at objects of the source by their file handles. One goroutine uses it.
type Tree struct {
	root *fanotify.Root
	kind changelog.FSKind
	top  changelog.FID // of the directory
}

// kinds are the file systems whose handles are FIDs.
var kinds = map[fanotify.Kind]changelog.FSKind{
	fanotify.Ext4: changelog.FSExt4, fanotify.XFS: changelog.FSXFS,
	fanotify.Btrfs: changelog.FSBtrfs, fanotify.Tmpfs: changelog.FSTmpfs,
}

// OpenTree opens a directory of the source. Objects are opened by handle, for which
// the kernel wants CAP_DAC_READ_SEARCH.
func OpenTree(dir string) (*Tree, error) {
	root, err := fanotify.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &Tree{root: root}
	if err := t.identify(dir); err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tree) identify(dir string) error {
	kind, err := t.root.Kind()
	if err != nil {
		return err
	}
	var ok bool
	if t.kind, ok = kinds[kind]; !ok {
		return &fanotify.UnsupportedError{Feature: "the kind of file system at " + dir, Err: errors.ErrUnsupported}
	}
	if t.top, err = fidAt(t.root.FD(), ""); err != nil {
		return err
	}
	fd, err := t.open(t.top, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("open %s by its file handle (needs CAP_DAC_READ_SEARCH): %w", dir, err)
	}
	return unix.Close(fd)
}

// Top is the directory that the tree begins with.
func (t *Tree) Top() changelog.FID { return t.top }

// Close lets go of the file system.
func (t *Tree) Close() error { return t.root.Close() }

// errNoFID is of objects that lie on another file system than their name.
var errNoFID = errors.New("file handle of a kind that has no FID")

// fidAt returns the FID of a name in an open directory, or of that itself.
func fidAt(dirfd int, name string) (changelog.FID, error) {
	h, err := fanotify.HandleAt(dirfd, name)
	if err != nil {
		return changelog.FID{}, err
	}
	f, ok := changelog.FIDOfHandle(h.Type, h.Bytes)
	if !ok {
		return f, errNoFID
	}
	return f, nil
}

// open opens an object.
func (t *Tree) open(f changelog.FID, flags int) (int, error) {
	h, ok := changelog.HandleOf(f, t.kind)
	if !ok {
		return -1, unix.ESTALE
	}
	return t.root.Open(fanotify.Handle{Type: h.Type, Bytes: h.Bytes()}, flags)
}

// isGone reports whether an object or a name is there no more.
func isGone(err error) bool {
	return errors.Is(err, unix.ESTALE) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// Look looks at an object; ok is false when it is there no more.
func (t *Tree) Look(f changelog.FID) (o Object, ok bool, err error) {
	fd, err := t.open(f, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return o, false, err
	}
	defer unix.Close(fd)
	o, _, err = statAt(fd, "", unix.AT_EMPTY_PATH)
	if err != nil || o.Links == 0 {
		return o, false, err
	}
	o.FID = f
	return o, true, nil
}

// statAt looks at a name in an open directory. mount is set where another file system
// is mounted on it.
func statAt(dirfd int, name string, flags int) (o Object, mount bool, err error) {
	var st unix.Statx_t
	if err := unix.Statx(dirfd, name, flags|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st); err != nil {
		return o, false, err
	}
	o = Object{
		Mode: uint32(st.Mode), Links: st.Nlink, UID: st.Uid, GID: st.Gid, Size: st.Size, Blocks: st.Blocks,
		Atime: nanoseconds(st.Atime), Mtime: nanoseconds(st.Mtime), Ctime: nanoseconds(st.Ctime),
		Rdev: unix.Mkdev(st.Rdev_major, st.Rdev_minor),
	}
	if o.Mode&unix.S_IFMT == unix.S_IFLNK {
		buf := make([]byte, st.Size+1)
		if n, err := unix.Readlinkat(dirfd, name, buf); err == nil {
			o.Link = buf[:n]
		}
	}
	return o, st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// List hands out what is in a directory. What vanishes meanwhile is left out: a record
// will tell.
func (t *Tree) List(dir changelog.FID, each func(name string, o *Object) error) error {
	fd, err := t.open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return err
	}
	f := os.NewFile(uintptr(fd), dir.String())
	defer f.Close()
	for {
		names, err := f.Readdirnames(1024)
		for _, n := range names {
			if err := t.entry(fd, n, each); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || isGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("directory %v: %w", dir, err)
		}
	}
}

// entry hands out one name of an open directory.
func (t *Tree) entry(dirfd int, n string, each func(name string, o *Object) error) error {
	f, err := fidAt(dirfd, n)
	if err != nil {
		if isGone(err) || errors.Is(err, errNoFID) || errors.Is(err, unix.EOPNOTSUPP) {
			err = nil // gone, or another file system is mounted there
		}
		return err
	}
	o, mount, err := statAt(dirfd, n, 0)
	if err != nil || mount {
		if isGone(err) {
			err = nil
		}
		return err
	}
	o.FID = f
	return each(n, &o)
}
