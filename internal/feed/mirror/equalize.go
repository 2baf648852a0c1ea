// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// equalize makes the objects of the batch what they are on the source: files first,
// then directories, whose times every change below them sets.
func (w *work) equalize(ctx context.Context) error {
	var dirs []changelog.FID
	for part := range slices.Chunk(slices.Collect(maps.Keys(w.objects)), objectsAhead) {
		if far, ok := w.m.src.(foresight); ok {
			if err := w.foresee(far, part); err != nil {
				return err
			}
		}
		for _, f := range part {
			if err := errors.Join(ctx.Err(), w.m.reportAmid()); err != nil {
				return err
			}
			isDir, err := w.equalizeOne(ctx, f, false)
			if err != nil {
				return err
			}
			if isDir {
				dirs = append(dirs, f)
			}
		}
	}
	for _, f := range dirs {
		if _, err := w.equalizeOne(ctx, f, true); err != nil {
			return err
		}
	}
	return nil
}

// coarse is how long two changes may have the same time: the kernel's clock for files
// has ticks of up to 10 ms.
const coarse = 20 * time.Millisecond

// equalizeOne compares one object and makes its copy equal. A directory is left for
// later unless dirs is set.
func (w *work) equalizeOne(ctx context.Context, f changelog.FID, dirs bool) (isDir bool, err error) {
	if w.dead[f] {
		w.m.st.troubles.over(subject{object: f})
		return false, nil
	}
	place, ok, err := w.m.dst.anyPlace(f)
	if err != nil || !ok {
		if !w.m.st.staged[f] { // else it is not known what becomes of it
			w.m.st.troubles.over(subject{object: f})
		}
		return false, err
	}
	st, _, err := w.m.src.stat(f)
	if err != nil {
		if isGone(err) {
			w.m.st.troubles.over(subject{object: f})
			return false, nil
		}
		return false, w.failed(f, w.m.dst.path(place), err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR && !dirs {
		return true, nil
	}
	dir, base, err := w.m.dst.at(place)
	if isLost(err) {
		w.m.again[f] = true // its directory has not got its place yet
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if base != "" {
		if err := w.m.dst.check(dir, base, f, place); err != nil {
			return false, err
		}
	}
	c := &copying{w: w, f: f, st: st, dir: dir, base: base}
	if err := c.run(ctx); err != nil {
		if isGone(err) {
			return false, nil // it went away meanwhile
		}
		path := w.m.dst.path(place)
		return false, w.failed(f, path, fmt.Errorf("target %s: %w", path, err))
	}
	w.m.st.troubles.over(subject{object: f})
	return false, nil
}

// anyPlace returns a name of the copy of an object; the root has the zero name.
func (t *target) anyPlace(f changelog.FID) (n name, ok bool, err error) {
	if f == t.top {
		return name{}, true, nil
	}
	links, err := t.state.someLinks(f, 1)
	if err != nil || len(links) == 0 {
		return name{}, false, err
	}
	return links[0], true, nil
}

// at opens the directory of a name; the root's is itself, with an empty base.
func (t *target) at(n name) (dir int, base string, err error) {
	if n == (name{}) {
		return t.root, "", nil
	}
	dir, err = t.openDir(n.parent)
	return dir, n.name, err
}

// copying makes one copy equal to its object.
type copying struct {
	w    *work
	f    changelog.FID
	st   *unix.Stat_t // of it
	dir  int          // of the copy's name
	base string       // empty: dir is the copy
}

func (c *copying) run(ctx context.Context) error {
	var have unix.Stat_t
	if err := unix.Fstatat(c.dir, c.base, &have, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if c.st.Mode&unix.S_IFMT == unix.S_IFREG && c.differs(&have) {
		began := time.Now()
		if c.fresh() {
			c.w.m.again[c.f] = true // it may change once more within the same tick
		}
		if err := c.contents(ctx); err != nil {
			return err
		}
		if c.changedSince(began) { // it is newer than when it was looked at
			c.w.m.again[c.f] = true
		}
	}
	return c.attributes(&have)
}

// fresh reports whether the object may change once more without having another time. One
// that is dated in the future is as it is: its time says nothing of when it changed.
func (c *copying) fresh() bool {
	d := time.Since(time.Unix(c.st.Mtim.Unix()))
	return -coarse < d && d < coarse
}

// changedSince reports whether the object has changed so late that what was copied from then
// on may lack a part of the same tick.
func (c *copying) changedSince(began time.Time) bool {
	changed := time.Unix(c.st.Mtim.Unix())
	return changed.After(began.Add(-coarse)) && time.Until(changed) < coarse
}

// differs reports whether the contents of a file have to be copied.
func (c *copying) differs(have *unix.Stat_t) bool {
	if have.Size == 0 && c.st.Size == 0 {
		return false // whatever is written to it makes it larger
	}
	return have.Size != c.st.Size || !c.w.m.dst.sameTime(have.Mtim, c.st.Mtim) || c.fresh() || c.w.force[c.f]
}

// contents copies what is in a file. It stays the same file, for its other names.
func (c *copying) contents(ctx context.Context) error {
	out, err := unix.Openat(c.dir, c.base, unix.O_WRONLY|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	n, err := c.w.m.src.copyTo(ctx, &c.w.m.pace, out, c.f, c.st)
	c.w.m.count.copied += uint64(n)
	if err != nil {
		// A part is no copy, and where there is no room, the mirror's state needs some.
		return errors.Join(err, unix.Ftruncate(out, 0))
	}
	return nil
}

// copySparse copies size bytes, leaving holes where there are some.
func copySparse(ctx context.Context, p *pace, out, in int, size int64) (copied int64, err error) {
	if err := unix.Ftruncate(out, size); err != nil {
		return 0, err
	}
	for at := int64(0); at < size; {
		begin, err := unix.Seek(in, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return copied, nil // nothing but a hole
		}
		if err != nil {
			begin = at // a file system without holes
		}
		end, err := unix.Seek(in, begin, unix.SEEK_HOLE)
		if err != nil {
			end = size
		}
		end = min(end, size)
		if end <= begin {
			return copied, nil
		}
		n, err := copyRange(ctx, p, out, in, begin, end)
		copied += n
		if err != nil {
			return copied, err
		}
		at = end
	}
	return copied, nil
}

// copyRange copies the bytes from begin to end, in the kernel where it can.
func copyRange(ctx context.Context, p *pace, out, in int, begin, end int64) (copied int64, err error) {
	for at := begin; at < end; {
		if err := ctx.Err(); err != nil {
			return copied, err
		}
		r, w := at, at
		n, err := unix.CopyFileRange(in, &r, out, &w, int(min(end-at, p.piece())), 0)
		switch {
		case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			n, err := copyThrough(ctx, p, out, in, at, end)
			return copied + n, err
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return copied, err
		case n == 0:
			return copied, nil // the file has become shorter: a record tells
		}
		at += int64(n)
		copied += int64(n)
		if err := p.wait(ctx, int64(n)); err != nil {
			return copied, err
		}
	}
	return copied, nil
}

// copyThrough copies through memory.
func copyThrough(ctx context.Context, p *pace, out, in int, at, end int64) (copied int64, err error) {
	buf := make([]byte, min(end-at, 1<<20, p.piece()))
	for at < end {
		if err := ctx.Err(); err != nil {
			return copied, err
		}
		n, err := unix.Pread(in, buf[:min(int64(len(buf)), end-at)], at)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return copied, err
		}
		for b := buf[:n]; len(b) > 0; {
			m, err := unix.Pwrite(out, b, at)
			if err != nil {
				return copied, err
			}
			if m == 0 {
				return copied, io.ErrShortWrite
			}
			b, at, copied = b[m:], at+int64(m), copied+int64(m)
		}
		if err := p.wait(ctx, int64(n)); err != nil {
			return copied, err
		}
	}
	return copied, nil
}

// attributes makes owner, mode, extended attributes and times equal; times last, since
// the others change them. What the target refuses does not keep it from the rest.
func (c *copying) attributes(have *unix.Stat_t) error {
	fd, err := c.openCopy()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	var refused error
	for _, do := range []func() error{
		func() error { return c.owner(fd, have) },
		func() error { return c.mode(path, have) },
		func() error { return c.xattrs(path) },
		c.times,
	} {
		switch err := do(); {
		case err != nil && !isOneOf(err, objectErrors):
			return err
		case refused == nil:
			refused = err
		}
	}
	return refused
}

func (c *copying) owner(fd int, have *unix.Stat_t) error {
	if c.w.m.opts.NoOwner || have.Uid == c.st.Uid && have.Gid == c.st.Gid {
		return nil
	}
	if err := unix.Fchownat(fd, "", int(c.st.Uid), int(c.st.Gid), unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("owner %d:%d (--no-owner leaves owners out): %w", c.st.Uid, c.st.Gid, err)
	}
	have.Mode &^= unix.S_ISUID | unix.S_ISGID // the kernel takes them away
	return nil
}

func (c *copying) mode(path string, have *unix.Stat_t) error {
	if c.st.Mode&unix.S_IFMT == unix.S_IFLNK || have.Mode == c.st.Mode {
		return nil
	}
	if err := unix.Chmod(path, c.st.Mode&0o7777); err != nil {
		return fmt.Errorf("mode %#o: %w", c.st.Mode&0o7777, err)
	}
	return nil
}

func (c *copying) xattrs(path string) error {
	if c.w.m.opts.NoXattr {
		return nil
	}
	want, err := c.w.m.src.xattrs(c.f)
	if err != nil {
		return err
	}
	return setXattrs(path, c.w.m.dst.xattrs, want)
}

func (c *copying) times() error {
	times := []unix.Timespec{c.st.Atim, c.st.Mtim}
	if err := unix.UtimesNanoAt(c.dir, c.name(), times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("times: %w", err)
	}
	return nil
}

// name is the copy's name for calls that take no empty one.
func (c *copying) name() string {
	if c.base == "" {
		return "."
	}
	return c.base
}

func (c *copying) openCopy() (int, error) {
	return unix.Openat(c.dir, c.name(), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}
