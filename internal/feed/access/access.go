// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Options say how file systems are found.
type Options struct {
	// Find returns where a file system is mounted, which was known to be at a directory.
	Find func(id journal.UUID, known string) (dir string, found bool)
	Now  func() time.Time // default: time.Now
}

// Access makes viewers of what users may see. Its methods may be called from several
// goroutines.
type Access struct{ opts Options }

// New returns an Access.
func New(o Options) *Access {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Access{o}
}

// View begins to check for a user. It needs the rights to take on those of others.
func (a *Access) View(c feed.Caller, scene feed.Scene) (feed.Viewer, error) {
	s, err := newSubject(c)
	if err != nil {
		return nil, err
	}
	v := &viewer{uid: c.UID, scene: scene, opts: a.opts, subject: s, root: -1, seen: map[key]verdict{}}
	v.idle = time.AfterFunc(keep, v.rest)
	return v, nil
}

// Reach reports why a user cannot come to a directory, nil if he can. It does not tell a
// user more than the kernel would.
func (a *Access) Reach(c feed.Caller, dir string) error {
	s, err := newSubject(c)
	if err != nil {
		return err
	}
	defer s.end()
	s.run(func() {
		var fd int
		if fd, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			err = unix.Close(fd)
		} else {
			err = &os.PathError{Op: "open", Path: dir, Err: err}
		}
	})
	return err
}

var (
	_ feed.Access = (*Access)(nil)
	// errHidden says that a user has no way to something.
	errHidden = errors.New("it cannot be seen")
)
