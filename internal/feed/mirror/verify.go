// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Difference is a path that is not the same in source and target.
type Difference struct {
	Path string `json:"path"` // from the root
	What string `json:"what"` // as in "mode: source 0644, target 0600"

	contents bool // have to be copied, whatever times say
}

// comparison compares two trees.
type comparison struct {
	a, b  string
	opts  *Options
	links map[[2]uint64][2]uint64 // inode of the source → that of the target
	found func(Difference)
	x, y  []byte // what is read of two files
	unit  time.Duration
}

// Compare compares a source and its target completely: names, types, owners, modes,
// sizes, contents, times but those of access, link targets, devices, extended
// attributes, and which names are of one object. Times are compared as exactly as the target
// has them, see [TimeUnit]. What is mounted in the source it leaves
// out, as the mirror does. It calls found with each difference.
func Compare(ctx context.Context, o Options, found func(Difference)) error {
	c := &comparison{a: o.Source, b: o.Target, opts: &o, links: map[[2]uint64][2]uint64{}, found: found, x: make([]byte, 256<<10), y: make([]byte, 256<<10), unit: TimeUnit(o.Target)}
	return c.dir(ctx, "")
}

func (c *comparison) differ(path, format string, args ...any) {
	c.found(Difference{Path: path, What: fmt.Sprintf(format, args...)})
}

// dir compares a directory and what is below it.
func (c *comparison) dir(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.object(path); err != nil {
		return err
	}
	a, err := names(filepath.Join(c.a, path))
	if err != nil {
		return err
	}
	b, err := names(filepath.Join(c.b, path))
	if err != nil {
		return err
	}
	if path == "" {
		for _, n := range []string{ownDir, lostFound} {
			delete(a, n)
			delete(b, n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(a)) {
		p := filepath.Join(path, n)
		kind, ok := b[n]
		delete(b, n)
		covered, err := c.isCovered(p)
		if err != nil {
			return err
		}
		switch {
		case covered:
		case !ok:
			c.differ(p, "missing in the target")
		case kind != a[n]:
			c.differ(p, "type: source %v, target %v", a[n], kind)
		case a[n] == os.ModeDir:
			if err := c.dir(ctx, p); err != nil {
				return err
			}
		default:
			if err := c.object(p); err != nil {
				return err
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(b)) {
		c.differ(filepath.Join(path, n), "in the target only")
	}
	return nil
}

// isCovered reports whether something is mounted on a path of the source: what is under
// it cannot be seen, and the mirror leaves it as it was.
func (c *comparison) isCovered(path string) (bool, error) {
	var st unix.Statx_t
	err := statx(unix.AT_FDCWD, filepath.Join(c.a, path), &st)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return isMounted(&st), nil
}

// names lists a directory; one that is gone has none.
func names(dir string) (map[string]os.FileMode, error) {
	all := map[string]os.FileMode{}
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	defer f.Close()
	for { // there may be very many: they are not kept in two forms
		entries, err := f.ReadDir(chunk)
		for _, e := range entries {
			all[e.Name()] = e.Type()
		}
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrNotExist) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// object compares what two paths stand for.
func (c *comparison) object(path string) error {
	pa, pb := filepath.Join(c.a, path), filepath.Join(c.b, path)
	var a, b unix.Stat_t
	if err := errors.Join(unix.Lstat(pa, &a), unix.Lstat(pb, &b)); err != nil {
		if errors.Is(err, unix.ENOENT) {
			c.differ(path, "went away while it was compared")
			return nil
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	c.stat(path, &a, &b)
	if !c.opts.NoXattr {
		if err := c.xattrs(path, pa, pb); err != nil {
			return err
		}
	}
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.contents(path, pa, pb)
	case unix.S_IFLNK:
		x, errA := os.Readlink(pa)
		y, errB := os.Readlink(pb)
		if x != y {
			c.differ(path, "link target: source %q, target %q", x, y)
		}
		return errors.Join(errA, errB)
	}
	return nil
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
	if !isSameTime(b.Mtim, a.Mtim, c.unit) && path != "" { // the root of the target has the mirror's directory
		c.differ(path, "time of change: source %d.%09d, target %d.%09d", a.Mtim.Sec, a.Mtim.Nsec, b.Mtim.Sec, b.Mtim.Nsec)
	}
	if a.Rdev != b.Rdev {
		c.differ(path, "device: source %#x, target %#x", a.Rdev, b.Rdev)
	}
	if isDir {
		return
	}
	from, to := [2]uint64{a.Dev, a.Ino}, [2]uint64{b.Dev, b.Ino}
	if was, ok := c.links[from]; ok && was != to {
		c.differ(path, "hard link: the target has it as another file")
	}
	c.links[from] = to
	if a.Nlink != b.Nlink {
		c.differ(path, "links: source %d, target %d", a.Nlink, b.Nlink)
	}
}

func (c *comparison) xattrs(path, pa, pb string) error {
	a, errA := pathXattrs(pa)
	b, errB := pathXattrs(pb)
	if err := errors.Join(errA, errB); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !maps.EqualFunc(a, b, bytes.Equal) {
		c.differ(path, "extended attributes: source %q, target %q", a, b)
	}
	return nil
}

// pathXattrs reads the extended attributes of a path, which is not followed.
func pathXattrs(path string) (map[string][]byte, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return xattrs(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func (c *comparison) contents(path, pa, pb string) error {
	a, err := os.Open(pa)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(pb)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := c.x, c.y
	for at := int64(0); ; {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			at += int64(firstDifference(x[:n], y[:m]))
			c.found(Difference{Path: path, What: fmt.Sprintf("contents, from byte %d on", at), contents: true})
			return nil
		}
		if errA != nil || errB != nil {
			return errors.Join(unlessEnd(errA), unlessEnd(errB))
		}
		at += int64(n)
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
