// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// users tells whose threads are. The kernel does not record that: it is looked
// up when the events are read, and remembered, so that a thread that has ended
// before it was seen once belongs to nobody. It is safe for concurrent use.
type users struct {
	proc  fs.FS
	tasks *kerneltrace.Tasks // what is known of threads that are gone

	mu    sync.Mutex
	known map[int32]owner // guarded by mu
}

// owner is whose a thread is, and since when that is known.
type owner struct {
	uid, gid int64 // -1: not known
	at       time.Time
}

const (
	// ownerAge is how long a thread is taken to belong to the same user.
	ownerAge = time.Second
	// maxOwners bounds what is remembered.
	maxOwners = 1 << 17
)

func newUsers(proc fs.FS, tasks *kerneltrace.Tasks) *users {
	return &users{proc: proc, tasks: tasks, known: make(map[int32]owner)}
}

// of returns whose a thread is, at a time that need not be exact.
func (u *users) of(tid int32, now time.Time) owner {
	if tid == 0 {
		return owner{} // the idle threads are root's
	}
	u.mu.Lock()
	o, known := u.known[tid]
	u.mu.Unlock()
	if known && now.Sub(o.at) < ownerAge {
		return o
	}
	fresh, err := u.read(tid)
	switch {
	case err == nil:
		o = fresh
	case !known:
		o = u.parents(tid)
	}
	o.at = now
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.known) >= maxOwners {
		clear(u.known)
	}
	u.known[tid] = o
	return o
}

// read asks the kernel.
func (u *users) read(tid int32) (owner, error) {
	text, err := fs.ReadFile(u.proc, fmt.Sprintf("%d/status", tid))
	if err != nil {
		return owner{}, err
	}
	return parseOwner(string(text))
}

// parseOwner reads the real user and group of /proc/TID/status.
func parseOwner(text string) (owner, error) {
	o := owner{uid: -1, gid: -1}
	for line := range strings.Lines(text) {
		name, ids, _ := strings.Cut(line, ":")
		to := map[string]*int64{"Uid": &o.uid, "Gid": &o.gid}[name]
		if to == nil {
			continue
		}
		if _, err := fmt.Sscan(ids, to); err != nil {
			return o, fmt.Errorf("status of a thread: %q: %w", line, err)
		}
	}
	if o.uid < 0 || o.gid < 0 {
		return o, fmt.Errorf("status of a thread: got no user or group in %d bytes", len(text))
	}
	return o, nil
}

// parents is whose the process is that has made a thread, if events told of it.
func (u *users) parents(tid int32) owner {
	task, _ := u.tasks.Last(tid)
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, by := range []int32{task.PID, task.PPID} {
		if o, ok := u.known[by]; ok && by > 0 {
			return o
		}
	}
	return owner{uid: -1, gid: -1}
}

// setUsers restricts all rings to users.
func (e *engine) setUsers(to handover.Users, files []*os.File) error {
	handover.CloseAll(files)
	e.users = to
	return e.eachDrain(e.sift)
}

// eachDrain does something to all rings, on their goroutines.
func (e *engine) eachDrain(do func(*drain)) error {
	return e.each(func(s *stream) error {
		d, ok := s.source.(*drain)
		if !ok {
			return nil
		}
		err := d.call(func() error { do(d); return nil })
		if errors.Is(err, errHung) {
			s.missed = true // and converts nothing until it is made up for
			return nil
		}
		return err
	})
}

// sift has a ring keep what is to be kept. It runs on the ring's goroutine, or
// before that begins.
func (e *engine) sift(d *drain) {
	to := e.users
	d.sieve.all = nil
	if to.UIDs != nil || to.GIDs != nil {
		who := e.whose()
		d.sieve.all = func(record []byte) bool {
			o := who.of(int32(binary.NativeEndian.Uint32(record[4:])), d.round)
			return (to.UIDs == nil || slices.Contains(to.UIDs, o.uid)) && (to.GIDs == nil || slices.Contains(to.GIDs, o.gid))
		}
	}
	d.sieve.refresh()
}

// whose is the table of threads' users that all rings share.
func (e *engine) whose() *users {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.owners == nil {
		e.owners = newUsers(os.DirFS("/proc"), &e.tasks)
	}
	return e.owners
}
