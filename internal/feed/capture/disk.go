// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// disk looks at objects of the file system by their handles. It keeps the file
// system open while it is used, and lets go of it after idleAfter, so that it can be
// unmounted.
type disk struct {
	dir  string
	from string // device that is mounted there
	uuid journal.UUID
	kind fanotify.Kind

	root  *fanotify.Root
	mount int // that root is on
	used  time.Time
	// What was looked at since the buffer of events was read; nil for what is gone.
	seen map[changelog.FID]*look
	// What the events that are taken over tell of last, by its inode number, where a number
	// is given to one object after the other.
	heirs map[uint64]changelog.FID
	// The directory that names were resolved in last; -1 if it is not open.
	dirFD   int
	openDir changelog.FID
	failed  uint64 // looks that failed for other reasons than that nothing was there
	bytes   []byte // of lists of extended attributes
}

// look is what an object was like when it was looked at.
type look struct {
	journal.Object
	gone bool
	dead bool   // it is gone for sure, and does not come back
	link []byte // target of a symbolic link
}

// idleAfter is how long the file system stays open when nothing is looked at.
const idleAfter = time.Second

// errAbsent is the error of a look at a file system that is not mounted.
var errAbsent = errors.New("the file system is not mounted there")

// errCovered is the error of a look at a name that another file system is mounted on.
var errCovered = errors.New("something is mounted on it")

func newDisk(dir string, uuid journal.UUID, kind fanotify.Kind) *disk {
	return &disk{
		dir: dir, from: deviceOf(dir), uuid: uuid, kind: kind, dirFD: -1,
		seen: map[changelog.FID]*look{}, heirs: map[uint64]changelog.FID{},
	}
}

// open returns the root, and makes sure that it is that of this file system.
func (d *disk) open() (*fanotify.Root, error) {
	d.used = time.Now()
	if d.root != nil {
		return d.root, nil
	}
	root, err := fanotify.OpenRoot(d.dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	id, err := root.UUID()
	if err == nil && id != d.uuid {
		err = errAbsent
	}
	if err == nil {
		_, d.mount, err = fanotify.HandleAndMount(root.FD(), "")
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	d.root = root
	return root, nil
}

// rest closes the file system if nobody has looked at it for a while.
func (d *disk) rest(now time.Time) {
	if d.root != nil && now.Sub(d.used) >= idleAfter {
		d.close()
	}
}

func (d *disk) close() {
	d.closeDir()
	if d.root != nil {
		d.root.Close()
		d.root = nil
	}
}

// refresh forgets what was seen: it may have changed since.
func (d *disk) refresh() {
	clear(d.seen)
	d.closeDir()
}

// openFID opens an object by its FID.
func (d *disk) openFID(f changelog.FID, flags int) (int, error) {
	root, err := d.open()
	if err != nil {
		return -1, err
	}
	h, ok := changelog.HandleOf(f, kinds[d.kind])
	if !ok {
		return -1, unix.ESTALE // no object can have it
	}
	return root.Open(fanotify.Handle{Type: h.Type, Bytes: h.Bytes()}, flags)
}

// inherit takes down what has the inode numbers of the objects that events tell of, in
// their order. Whoever made an event of an object had hold of it: all events of an object
// come before those of the next one with its number.
func (d *disk) inherit(notices []notice) {
	if d.kind != fanotify.Ext4 && d.kind != fanotify.XFS {
		return
	}
	clear(d.heirs)
	for i := range notices {
		f := notices[i].object
		d.heirs[f.Seq] = f
	}
}

// isInherited reports whether another object has had the inode number since: then f is
// gone for sure, and opening it would say so.
func (d *disk) isInherited(f changelog.FID) bool {
	heir, ok := d.heirs[f.Seq]
	return ok && heir != f
}

// goneForSure is what is known of an object without a look at it.
var goneForSure = &look{gone: true, dead: true}

// look looks at an object, once for each buffer of events.
func (d *disk) look(f changelog.FID) (*look, error) {
	if d.isInherited(f) {
		return goneForSure, nil
	}
	if l := d.seen[f]; l != nil {
		return l, nil
	}
	l := &look{}
	fd, err := d.openFID(f, unix.O_PATH|unix.O_NOFOLLOW)
	switch {
	case errors.Is(err, errAbsent):
		return nil, err
	case err == nil:
		err = d.lookAt(fd, l)
		unix.Close(fd)
	}
	if err != nil {
		l.gone = true // or it cannot be read: the record says that nothing is known
		if l.dead = isGone(err); !l.dead {
			d.failed++
		}
	}
	d.seen[f] = l
	return l, nil
}

// lookAgain is look for an object that may be gone since, of which nothing more is told
// then.
func (d *disk) lookAgain(f changelog.FID) (*look, error) {
	if l := d.seen[f]; l != nil && !l.gone {
		delete(d.seen, f)
	}
	return d.look(f)
}

// isGone reports whether an object is there no more.
func isGone(err error) bool { return errors.Is(err, unix.ESTALE) || errors.Is(err, unix.ENOENT) }

// statMask is what is asked of statx.
const statMask = unix.STATX_BASIC_STATS

// lookAt looks at an open object.
func (d *disk) lookAt(fd int, l *look) error {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_SYNC_AS_STAT, statMask, &st); err != nil {
		return fmt.Errorf("statx: %w", err)
	}
	l.Object = objectOf(&st)
	l.gone = st.Nlink == 0
	l.dead = l.gone
	if l.Type == unix.S_IFLNK {
		buf := make([]byte, st.Size+1)
		if n, err := unix.Readlinkat(fd, "", buf); err == nil {
			l.link = buf[:n]
		}
	}
	return nil
}

func objectOf(st *unix.Statx_t) journal.Object {
	return journal.Object{
		Type: uint32(st.Mode) & unix.S_IFMT, Mode: uint32(st.Mode) &^ unix.S_IFMT,
		UID: st.Uid, GID: st.Gid, Links: st.Nlink,
		RdevMajor: st.Rdev_major, RdevMinor: st.Rdev_minor,
		Size: st.Size, Blocks: st.Blocks,
		Atime: nanoseconds(st.Atime), Mtime: nanoseconds(st.Mtime), Ctime: nanoseconds(st.Ctime),
	}
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// xattrs returns a hash of all extended attributes of an object, 0 for none.
func (d *disk) xattrs(f changelog.FID) (uint64, error) {
	fd, err := d.openFID(f, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return d.hashXattrs(fd)
}

// hashXattrs hashes the names and values of the attributes of an open object. By
// descriptors of O_PATH the kernel gives none, so it goes through /proc.
func (d *disk) hashXattrs(fd int) (uint64, error) {
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	names, err := d.grow(func(b []byte) (int, error) { return unix.Listxattr(path, b) })
	if err != nil || len(names) == 0 {
		return 0, ignoreUnsupported(err)
	}
	h := fnv.New64a()
	names = append([]byte(nil), names...)
	for len(names) > 0 {
		end := 0
		for end < len(names) && names[end] != 0 {
			end++
		}
		attr := string(names[:end])
		names = names[min(end+1, len(names)):]
		value, err := d.grow(func(b []byte) (int, error) { return unix.Getxattr(path, attr, b) })
		if err != nil {
			continue // removed meanwhile
		}
		var size [4]byte
		binary.LittleEndian.PutUint32(size[:], uint32(len(value)))
		h.Write([]byte(attr))
		h.Write(size[:])
		h.Write(value)
	}
	return h.Sum64(), nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// grow calls read with a buffer that is large enough.
func (d *disk) grow(read func([]byte) (int, error)) ([]byte, error) {
	if d.bytes == nil {
		d.bytes = make([]byte, 4096)
	}
	for {
		n, err := read(d.bytes)
		if err == unix.ERANGE && len(d.bytes) < 1<<20 {
			d.bytes = make([]byte, 4*len(d.bytes))
			continue
		}
		if err != nil {
			return nil, err
		}
		return d.bytes[:n], nil
	}
}

// resolve returns what a name stands for on the disk, zero for nothing. The directory
// stays open for the next name in it, until closeDir.
func (d *disk) resolve(n name) (changelog.FID, error) {
	if d.dirFD < 0 || d.openDir != n.parent {
		d.closeDir()
		fd, err := d.openFID(n.parent, unix.O_PATH|unix.O_DIRECTORY)
		if isGone(err) {
			return changelog.FID{}, nil
		}
		if err != nil {
			return changelog.FID{}, err
		}
		d.dirFD, d.openDir = fd, n.parent
	}
	h, mount, err := fanotify.HandleAndMount(d.dirFD, n.name)
	if err == nil && mount != d.mount {
		return changelog.FID{}, errCovered
	}
	if err != nil {
		if isGone(err) || errors.Is(err, unix.ENAMETOOLONG) || errors.Is(err, unix.ENOTDIR) {
			err = nil
		}
		return changelog.FID{}, err
	}
	return fidOf(h)
}

// closeDir closes the directory that resolve left open.
func (d *disk) closeDir() {
	if d.dirFD >= 0 {
		unix.Close(d.dirFD)
		d.dirFD = -1
	}
}

// isDir reports whether it is a directory.
func (l *look) isDir() bool { return l.Type == unix.S_IFDIR }
