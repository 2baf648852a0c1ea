// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// name is an entry of a directory of the source.
type name struct {
	parent changelog.FID
	name   string
}

// source looks at objects of the source. One goroutine uses it.
type source struct {
	root  *fanotify.Root
	mount int // that root is on
	kind  changelog.FSKind
	dir   string        // as the kernel names it
	top   changelog.FID // of dir

	parent opened // whose names were looked up last: many of one come after another
	object opened // that was looked at last
}

// opened is an object of the source that is kept open, which opens it once for what is
// asked of it in a row. The zero value is none.
type opened struct {
	of changelog.FID
	fd int
}

func (o *opened) close() {
	if !o.of.IsZero() {
		unix.Close(o.fd)
	}
	*o = opened{}
}

// kinds are the file systems that a mirror can read.
var kinds = map[fanotify.Kind]changelog.FSKind{
	fanotify.Ext4: changelog.FSExt4, fanotify.XFS: changelog.FSXFS,
	fanotify.Btrfs: changelog.FSBtrfs, fanotify.Tmpfs: changelog.FSTmpfs,
}

func openSource(dir string) (*source, error) {
	root, err := fanotify.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &source{root: root, dir: filepath.Clean(dir)}
	kind, err := root.Kind()
	if err == nil {
		var ok bool
		if s.kind, ok = kinds[kind]; !ok {
			err = &fanotify.UnsupportedError{Feature: "the kind of file system at " + dir, Err: errors.ErrUnsupported}
		}
	}
	if err == nil {
		s.top, err = fidAt(root.FD(), "")
	}
	if err == nil {
		_, s.mount, err = fanotify.HandleAndMount(root.FD(), "")
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return s, nil
}

func (s *source) close() error {
	s.forget()
	return s.root.Close()
}

func (s *source) topFID() changelog.FID { return s.top }

func (s *source) place() string { return s.dir }

func (s *source) forget() {
	s.parent.close()
	s.object.close()
}

// fidAt returns the FID of a name in an open directory, or of that itself.
func fidAt(dirfd int, name string) (changelog.FID, error) {
	h, err := fanotify.HandleAt(dirfd, name)
	if err != nil {
		return changelog.FID{}, err
	}
	return fidOf(h)
}

// fidOf is the FID of a handle.
func fidOf(h fanotify.Handle) (changelog.FID, error) {
	f, ok := changelog.FIDOfHandle(h.Type, h.Bytes)
	if !ok {
		return f, fmt.Errorf("file handle %v: of a kind that has no FID", h)
	}
	return f, nil
}

// open opens an object.
func (s *source) open(f changelog.FID, flags int) (int, error) {
	h, ok := changelog.HandleOf(f, s.kind)
	if !ok {
		return -1, unix.ESTALE
	}
	return s.root.Open(fanotify.Handle{Type: h.Type, Bytes: h.Bytes()}, flags)
}

// openTo opens an object and keeps it open.
func (s *source) openTo(o *opened, f changelog.FID, flags int) (int, error) {
	o.close()
	fd, err := s.open(f, flags)
	if err == nil {
		*o = opened{f, fd}
	}
	return fd, err
}

// isGone reports whether an object or a name is there no more.
func isGone(err error) bool {
	return errors.Is(err, unix.ESTALE) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// errCovered is the error of a name that something else is mounted on.
var errCovered = errors.New("something is mounted on it")

// lookUp returns what a name stands for, zero for nothing.
func (s *source) lookUp(n name) (changelog.FID, error) {
	f, err := s.lookUpAt(n)
	return f, ofSource("look up", n.parent, n.name, err)
}

func (s *source) lookUpAt(n name) (changelog.FID, error) {
	if s.parent.of != n.parent {
		if _, err := s.openTo(&s.parent, n.parent, unix.O_PATH|unix.O_DIRECTORY); err != nil {
			if isGone(err) {
				err = nil
			}
			return changelog.FID{}, err
		}
	}
	h, mount, err := fanotify.HandleAndMount(s.parent.fd, n.name)
	switch {
	case err != nil && isGone(err):
		return changelog.FID{}, nil
	case errors.Is(err, unix.EOPNOTSUPP), err == nil && mount != s.mount:
		return changelog.FID{}, errCovered
	case err != nil:
		return changelog.FID{}, err
	}
	return fidOf(h)
}

// whereIs returns the name of a directory, the zero name if it is gone or lies outside
// what is mirrored.
func (s *source) whereIs(f changelog.FID) (name, error) {
	n, err := s.findPlace(f)
	return n, ofSource("where is", f, "", err)
}

func (s *source) findPlace(f changelog.FID) (name, error) {
	fd, err := s.open(f, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return name{}, err
	}
	defer unix.Close(fd)
	path, err := pathOf(fd)
	if errors.Is(err, unix.ENAMETOOLONG) {
		return s.climb(fd)
	}
	if err != nil {
		return name{}, err
	}
	if !s.holds(path) || strings.HasSuffix(path, " (deleted)") {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Nlink == 0 || !s.holds(path) {
			return name{}, nil
		}
	}
	parent, err := fidAt(fd, "..")
	if err != nil {
		return name{}, err
	}
	return name{parent, filepath.Base(path)}, nil
}

// holds reports whether a path lies below the mirrored directory.
func (s *source) holds(path string) bool {
	return s.dir == "/" || strings.HasPrefix(path, s.dir+"/")
}

// alive reports whether an object that has been taken out is still on the source,
// within what is mirrored.
func (s *source) alive(f changelog.FID) (bool, error) {
	fd, err := s.open(f, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return false, ofSource("open", f, "", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, ofSource("stat", f, "", err)
	}
	if st.Nlink == 0 {
		return false, nil
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		n, err := s.whereIs(f)
		return n != name{}, err
	}
	return true, nil
}

// list begins to list a directory.
func (s *source) list(dir changelog.FID) (lister, error) {
	fd, err := s.open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME)
	if err != nil {
		return nil, ofSource("list", dir, "", err)
	}
	return &listing{listed{os.NewFile(uintptr(fd), dir.String())}, dir}, nil
}

// listing is a directory of the source that is listed.
type listing struct {
	listed
	of changelog.FID
}

func (l *listing) next(most int) ([]string, error) {
	names, err := l.listed.next(most)
	return names, ofSource("list", l.of, "", err)
}

// listed is a directory that is listed. The kernel tells each name once that is there all
// the while; of the others records tell.
type listed struct{ dir *os.File }

func (l *listed) next(most int) ([]string, error) {
	names, err := l.dir.Readdirnames(most)
	if errors.Is(err, io.EOF) || err != nil && isGone(err) {
		err = nil
	}
	return names, err
}

func (l *listed) close() error { return l.dir.Close() }

// stat looks at an object, and reads it if it is a symbolic link.
func (s *source) stat(f changelog.FID) (*unix.Stat_t, string, error) {
	fd, err := s.openTo(&s.object, f, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, "", ofSource("open", f, "", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, "", ofSource("stat", f, "", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return &st, "", nil
	}
	buf := make([]byte, st.Size+1)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return nil, "", ofSource("read link", f, "", err)
	}
	return &st, string(buf[:n]), nil
}

// xattrs reads all extended attributes of an object. It is asked for after stat.
func (s *source) xattrs(f changelog.FID) (map[string][]byte, error) {
	if s.object.of != f {
		if _, err := s.openTo(&s.object, f, unix.O_PATH|unix.O_NOFOLLOW); err != nil {
			return nil, ofSource("open", f, "", err)
		}
	}
	all, err := xattrs(fmt.Sprintf("/proc/self/fd/%d", s.object.fd))
	return all, ofSource("read", f, "", err)
}

// copyTo copies what is in a file.
func (s *source) copyTo(ctx context.Context, p *pace, out int, f changelog.FID, st *unix.Stat_t) (int64, error) {
	in, err := s.open(f, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NOATIME)
	if err != nil {
		return 0, ofSource("open", f, "", err)
	}
	defer unix.Close(in)
	if err := unix.Fstat(in, st); err != nil {
		return 0, ofSource("stat", f, "", err)
	}
	return copySparse(ctx, p, out, in, st.Size)
}
