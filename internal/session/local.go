// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

const (
	dirMode     = 0o770
	archivesDir = "archives"
	nextDir     = ".next" // of the chunk to come, while the old one is written
	treeDepth   = 3       // of directories below that of a domain: traces of users have two of their own, and indexes
)

// local is the directory that a domain's consumer writes to:
//
//	BASE/PLACE                            current chunk
//	BASE/archives/BEGIN-END-ID/PLACE      earlier ones
//
// While it is written it belongs to the consumer process, then to the session's
// creator.
type local struct {
	s     *Session
	base  string
	place string    // of the domain
	dir   *os.File  // current chunk
	begin time.Time // of the chunk
	half  *halfway  // a move to the next chunk that has not come to its end; nil: there is none

	strays []*os.File // chunks that keepStray has found; the consumer may still write there
}

// openLocal makes the directories of a domain.
func (s *Session) openLocal(base, place string) (*local, error) {
	l := &local{s: s, base: base, place: place, begin: time.Now()}
	err := s.asCreator(func() (err error) {
		l.dir, err = l.make(filepath.Join(base, place))
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// makeOwn makes a directory and those above it that are missing, for the
// session's creator.
func (s *Session) makeOwn(path string) error {
	if path == "/" || path == "." {
		return nil
	}
	err := os.Mkdir(path, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeOwn(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, dirMode) // once more: below /proc nothing can be made
	}
	switch {
	case err == nil:
		return os.Lchown(path, int(s.uid), int(s.gid)) // its own already, or root's to give
	case errors.Is(err, fs.ErrExist):
		return nil
	}
	return err
}

// errNotEmpty refuses a directory.
var errNotEmpty = errors.New("not empty: a trace needs a directory of its own")

// make makes a directory for the consumer process. It must be new, or empty.
func (l *local) make(path string) (*os.File, error) {
	if err := l.s.makeOwn(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if names, _ := dir.Readdirnames(1); len(names) > 0 {
		dir.Close()
		return nil, fmt.Errorf("directory %s: %w", path, errNotEmpty)
	}
	if uid, gid := l.s.consumerIdentity(); uid != 0 && uid != l.s.uid {
		if err := dir.Chown(int(uid), int(gid)); err != nil {
			dir.Close()
			return nil, err
		}
	}
	return dir, nil
}

// path is the current chunk's place.
func (l *local) path() string { return filepath.Join(l.base, l.place) }

// undo takes a directory back for which the consumer process has no use, because
// of err, which it returns.
func (l *local) undo(err error) error {
	l.settle()
	var refused *handover.OrderError
	if !errors.As(err, &refused) && !errors.Is(err, handover.ErrGone) {
		return err // it may come to it yet
	}
	return errors.Join(err, l.remove())
}

// remove removes a directory in which nothing was recorded.
func (l *local) remove() error {
	return l.s.asCreator(func() error {
		if err := os.RemoveAll(l.path()); err != nil {
			return err
		}
		l.prune(l.base)
		return nil
	})
}

// rename moves a directory to a place whose own directory need not exist.
func (l *local) rename(from, to string) error {
	if err := l.s.makeOwn(filepath.Dir(to)); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// prune removes the directories between one and that of the domain below it, as far
// as they are empty.
func (l *local) prune(base string) {
	for at := filepath.Dir(l.place); at != "."; at = filepath.Dir(at) {
		if os.Remove(filepath.Join(base, at)) != nil {
			return
		}
	}
}

// settle gives what was written to the session's creator.
func (l *local) settle() {
	l.give(l.dir)
	if l.dir = nil; l.half != nil { // and will be
		l.give(l.half.next)
	}
	for _, dir := range l.strays {
		l.give(dir)
	}
	l.strays = nil
}

// letGo is settle where the file system does not answer: nothing is given.
func (l *local) letGo() {
	l.dir.Close()
	if l.half != nil {
		l.half.next.Close()
	}
	for _, dir := range l.strays {
		dir.Close()
	}
}

// give gives a directory to the session's creator, and lets go of it.
func (l *local) give(dir *os.File) {
	if dir == nil {
		return
	}
	defer dir.Close()
	if uid, _ := l.s.consumerIdentity(); uid == 0 || uid == l.s.uid {
		return
	}
	if err := chownTree(int(dir.Fd()), int(l.s.uid), int(l.s.gid), treeDepth); err != nil {
		l.s.log.Warn("trace stays with the consumer's user", "directory", l.path(), "err", err)
	}
}

// chownTree gives a directory and what is in it, down to a depth, to a user. It
// follows no link: another user has written here.
func chownTree(dir, uid, gid, depth int) error {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	if err := f.Chown(uid, gid); err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && depth > 0 {
			sub, err := unix.Openat(fd, e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			err = chownTree(sub, uid, gid, depth-1)
			unix.Close(sub)
			if err != nil {
				return err
			}
			continue
		}
		if err := unix.Fchownat(fd, e.Name(), uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return nil
}

// openSpool opens the directory in which consumers make their nameless spool
// files.
func (s *Session) openSpool() (*os.File, error) {
	uid, gid := s.consumerIdentity()
	dir := filepath.Join(s.d.opts.SpoolDir, strconv.FormatUint(uint64(uid), 10))
	if err := os.MkdirAll(s.d.opts.SpoolDir, keptMode); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if uid != 0 {
		if err := os.Lchown(dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	return os.Open(dir)
}
