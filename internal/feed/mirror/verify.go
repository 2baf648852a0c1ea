// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Difference is a path that is not the same in source and target.
type Difference struct {
	Path string `json:"path"` // from the root
	What string `json:"what"` // as in "mode: source 0644, target 0600"

	contents bool // have to be copied, whatever times say
}

// comparison compares two trees. Directories are opened one in another: their paths may be
// longer than the kernel takes.
type comparison struct {
	opts  *Options
	links linkPairs
	found func(Difference)
	x, y  []byte // what is read of two files
	rules xattrRules
	unit  time.Duration
}

// Compare compares a source and its target completely: names, types, owners, modes,
// sizes, contents, times but those of access, link targets, devices, extended
// attributes, and which names are of one object. Times are compared as exactly as the target
// has them, see [TimeUnit]. What is mounted in the source it leaves
// out, as the mirror does. It calls found with each difference.
func Compare(ctx context.Context, o Options, found func(Difference)) error {
	c := &comparison{opts: &o, found: found, x: make([]byte, 256<<10), y: make([]byte, 256<<10), unit: TimeUnit(o.Target)}
	c.links = linkPairs{source: map[inode]*linked{}, target: map[inode]*linked{}}
	d := pair{a: -1, b: -1}
	defer d.close()
	var err error
	if d.a, err = openDirAt(unix.AT_FDCWD, o.Source); err != nil {
		return &os.PathError{Op: "open", Path: o.Source, Err: err}
	}
	if d.b, err = openDirAt(unix.AT_FDCWD, o.Target); err != nil {
		return &os.PathError{Op: "open", Path: o.Target, Err: err}
	}
	if c.rules, err = rulesAt(o.Target); err != nil {
		return err
	}
	if _, err := c.object(d, "."); err != nil {
		return err
	}
	return c.dir(ctx, d)
}

// pair is a directory in the source, and that in the target, open.
type pair struct {
	a, b int
	path string // from the root; empty: it is that
}

func (d *pair) close() {
	for _, fd := range []int{d.a, d.b} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// openDirAt opens a directory, to open what is in it.
func openDirAt(dirfd int, name string) (int, error) {
	return unix.Openat(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

func (c *comparison) differ(path, format string, args ...any) {
	c.found(Difference{Path: path, What: fmt.Sprintf(format, args...)})
}

// dir compares what is in a directory.
func (c *comparison) dir(ctx context.Context, d pair) error {
	a, b := sortedNames{dirfd: d.a, most: mostNames}, sortedNames{dirfd: d.b, most: mostNames}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := errors.Join(a.load(), b.load()); err != nil {
			c.failed(d.path, err)
			return nil
		}
		n, inA, inB := firstOf(&a, &b)
		path := filepath.Join(d.path, n)
		switch {
		case !inA && !inB:
			return nil
		case d.path == "" && isLeftOut(n):
		case !inA:
			c.differ(path, "in the target only")
		default:
			if err := c.name(ctx, d, n, inB); err != nil {
				return err
			}
		}
	}
}

// name compares what a name of the source stands for, if the target has it.
func (c *comparison) name(ctx context.Context, d pair, n string, inTarget bool) error {
	path := filepath.Join(d.path, n)
	switch covered, err := isCovered(d.a, n); {
	case err != nil:
		c.failed(path, err)
		return nil
	case covered:
		return nil
	case !inTarget:
		c.differ(path, "missing in the target")
		return nil
	}
	isDir, err := c.object(d, n)
	if err != nil || !isDir {
		return err
	}
	below := pair{a: -1, b: -1, path: path}
	defer below.close()
	below.a, err = openDirAt(d.a, n)
	if err == nil {
		below.b, err = openDirAt(d.b, n)
	}
	if err != nil {
		c.failed(path, err)
		return nil
	}
	return c.dir(ctx, below)
}

// failed tells what cannot be compared: the rest goes on. What an object has none of is of one
// that went away.
func (c *comparison) failed(path string, err error) {
	if isGone(err) {
		c.differ(path, "went away while it was compared")
		return
	}
	c.differ(path, "cannot be compared: %v", err)
}

// isCovered reports whether something is mounted on a name of the source: what is under
// it cannot be seen, and the mirror leaves it as it was.
func isCovered(dirfd int, n string) (bool, error) {
	var st unix.Statx_t
	err := statx(dirfd, n, &st)
	if isGone(err) {
		return false, nil
	}
	return err == nil && isMounted(&st), err
}

// object compares what a name stands for in source and target, and reports whether that is a
// directory in both.
func (c *comparison) object(d pair, n string) (isDir bool, err error) {
	path := filepath.Join(d.path, n)
	var a, b unix.Stat_t
	err = errors.Join(
		unix.Fstatat(d.a, n, &a, unix.AT_SYMLINK_NOFOLLOW),
		unix.Fstatat(d.b, n, &b, unix.AT_SYMLINK_NOFOLLOW),
	)
	if err != nil {
		c.failed(path, err)
		return false, nil
	}
	if x, y := a.Mode&unix.S_IFMT, b.Mode&unix.S_IFMT; x != y {
		c.differ(path, "type: source %s, target %s", kindText(x), kindText(y))
		return false, nil
	}
	c.stat(path, &a, &b)
	if !c.opts.NoXattr {
		if err := c.xattrs(d, n, path); err != nil {
			c.failed(path, err)
		}
	}
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return true, nil
	case unix.S_IFREG:
		err = c.contents(d, n, path)
	case unix.S_IFLNK:
		err = c.link(d, n, path)
	}
	if err != nil {
		c.failed(path, err)
	}
	return false, nil
}

// kindText is how people call a kind of objects.
func kindText(kind uint32) string {
	switch kind {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFREG:
		return "file"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	}
	return fmt.Sprintf("%#o", kind)
}

func (c *comparison) stat(path string, a, b *unix.Stat_t) {
	if a.Mode != b.Mode {
		c.differ(path, "mode: source %#o, target %#o", a.Mode, b.Mode)
	}
	if !c.opts.NoOwner && (a.Uid != b.Uid || a.Gid != b.Gid) {
		c.differ(path, "owner: source %d:%d, target %d:%d", a.Uid, a.Gid, b.Uid, b.Gid)
	}
	isDir := a.Mode&unix.S_IFMT == unix.S_IFDIR
	if !isDir && a.Size != b.Size {
		c.differ(path, "size: source %d, target %d", a.Size, b.Size)
	}
	if !isSameTime(b.Mtim, a.Mtim, c.unit) && path != "." { // the root of the target has the mirror's directory
		c.differ(path, "time of change: source %d.%09d, target %d.%09d", a.Mtim.Sec, a.Mtim.Nsec, b.Mtim.Sec, b.Mtim.Nsec)
	}
	if a.Rdev != b.Rdev {
		c.differ(path, "device: source %#x, target %#x", a.Rdev, b.Rdev)
	}
	if !isDir {
		c.links.add(path, a, b, func(path, what string) { c.found(Difference{Path: path, What: what}) })
	}
}

func (c *comparison) xattrs(d pair, n, path string) error {
	a, errA := nameXattrs(d.a, n)
	b, errB := nameXattrs(d.b, n)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	a, b = c.rules.of(a), c.rules.of(b)
	if !maps.EqualFunc(a, b, bytes.Equal) {
		c.differ(path, "extended attributes: source %q, target %q", a, b)
	}
	return nil
}

// nameXattrs reads the extended attributes of what a name stands for.
func nameXattrs(dirfd int, n string) (map[string][]byte, error) {
	fd, err := unix.Openat(dirfd, n, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return xattrs(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func (c *comparison) link(d pair, n, path string) error {
	x, y := make([]byte, unix.PathMax), make([]byte, unix.PathMax)
	i, errA := unix.Readlinkat(d.a, n, x)
	j, errB := unix.Readlinkat(d.b, n, y)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !bytes.Equal(x[:i], y[:j]) {
		c.differ(path, "link target: source %q, target %q", x[:i], y[:j])
	}
	return nil
}
