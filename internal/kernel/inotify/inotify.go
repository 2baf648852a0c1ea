// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package inotify is the door to the kernel's notices of single directories, which any
// user may ask for. It decodes them and decides nothing.
package inotify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Masks of events, the kernel's IN_ constants.
const (
	Access     = unix.IN_ACCESS
	Modify     = unix.IN_MODIFY
	Attrib     = unix.IN_ATTRIB
	CloseWrite = unix.IN_CLOSE_WRITE
	Open       = unix.IN_OPEN
	MovedFrom  = unix.IN_MOVED_FROM
	MovedTo    = unix.IN_MOVED_TO
	Create     = unix.IN_CREATE
	Delete     = unix.IN_DELETE
	Overflow   = unix.IN_Q_OVERFLOW
	Ignored    = unix.IN_IGNORED
	OnDir      = unix.IN_ISDIR
)

// Changes is the mask of all that changes names, contents or attributes.
const Changes = Create | Delete | MovedFrom | MovedTo | Attrib | Modify | CloseWrite

// MinBuffer is how long a buffer must be to hold any event.
const MinBuffer = headerLen + unix.NAME_MAX + 1

const headerLen = unix.SizeofInotifyEvent

// Event is one notice.
type Event struct {
	Watch  int32  // of Add; -1 with Overflow
	Mask   uint32 // what happened
	Cookie uint32 // the same in both halves of a rename; 0: none
	Name   []byte // in the directory; nil: the directory itself
}

// Is reports whether the event has a bit of mask.
func (e *Event) Is(mask uint32) bool { return e.Mask&mask != 0 }

// Queue is an inotify instance. One goroutine reads it.
type Queue struct{ file *os.File }

// OpenQueue makes a queue. The kernel limits how many a user has
// (fs.inotify.max_user_instances) and how many events it holds
// (fs.inotify.max_queued_events); an event of mask Overflow stands where it lost some.
func OpenQueue() (*Queue, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	return &Queue{os.NewFile(uintptr(fd), "inotify")}, nil
}

// Close ends all watches.
func (q *Queue) Close() error { return q.file.Close() }

// Add watches a directory that is open, also as O_PATH. A directory that is watched
// already keeps its number. The error is ENOSPC when the user has as many watches as
// fs.inotify.max_user_watches allows.
func (q *Queue) Add(dirfd int, mask uint32) (watch int32, err error) {
	err = q.control(func(fd int) error {
		n, err := unix.InotifyAddWatch(fd, fmt.Sprintf("/proc/self/fd/%d", dirfd), mask|unix.IN_ONLYDIR|unix.IN_EXCL_UNLINK)
		watch = int32(n)
		return err
	})
	return watch, err
}

// Remove ends a watch. Events that are queued for it still come, and Ignored last.
func (q *Queue) Remove(watch int32) error {
	return q.control(func(fd int) error {
		_, err := unix.InotifyRmWatch(fd, uint32(watch))
		return err
	})
}

func (q *Queue) control(f func(fd int) error) error {
	raw, err := q.file.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	return errors.Join(raw.Control(func(fd uintptr) { done = f(int(fd)) }), done)
}

// Read reads whole events into b, of MinBuffer bytes at least. It waits for the first
// until the deadline, and then fails with os.ErrDeadlineExceeded.
func (q *Queue) Read(b []byte) (int, error) { return q.file.Read(b) }

// Wake has Read fail at a time, also one that waits; the zero time is never.
func (q *Queue) Wake(at time.Time) error { return q.file.SetReadDeadline(at) }

// Decode takes the first event of b, and returns what is behind it. The name is good as
// long as b is.
func Decode(b []byte, e *Event) (rest []byte, err error) {
	if len(b) < headerLen {
		return nil, fmt.Errorf("inotify event: %d bytes, want %d at least", len(b), headerLen)
	}
	size := binary.NativeEndian.Uint32(b[12:])
	if uint64(size) > uint64(len(b)-headerLen) {
		return nil, fmt.Errorf("inotify event: name of %d bytes at offset %d, and %d are left", size, headerLen, len(b)-headerLen)
	}
	*e = Event{
		Watch: int32(binary.NativeEndian.Uint32(b)), Mask: binary.NativeEndian.Uint32(b[4:]),
		Cookie: binary.NativeEndian.Uint32(b[8:]),
	}
	if size > 0 {
		e.Name, _, _ = bytes.Cut(b[headerLen:headerLen+int(size)], []byte{0})
	}
	return b[headerLen+int(size):], nil
}
