// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Masks of events, the kernel's FAN_ constants. They are what a mark asks for and
// what an event carries.
const (
	Access       = unix.FAN_ACCESS
	Modify       = unix.FAN_MODIFY
	Attrib       = unix.FAN_ATTRIB
	CloseWrite   = unix.FAN_CLOSE_WRITE
	CloseNoWrite = unix.FAN_CLOSE_NOWRITE
	Open         = unix.FAN_OPEN
	OpenExec     = unix.FAN_OPEN_EXEC
	Create       = unix.FAN_CREATE
	Delete       = unix.FAN_DELETE
	Rename       = unix.FAN_RENAME
	FSError      = unix.FAN_FS_ERROR
	Overflow     = unix.FAN_Q_OVERFLOW // in events only
	OnDir        = unix.FAN_ONDIR
)

// Changes is the mask of all that changes names, contents or attributes.
const Changes = Create | Delete | Rename | Attrib | Modify | CloseWrite | OnDir

// groupFlags ask for both names of a rename, the object and its parent by
// handle, and the process by descriptor. The queue has no limit of the kernel's:
// who reads watches its length (Unread).
const groupFlags = unix.FAN_CLASS_NOTIF | unix.FAN_CLOEXEC |
	unix.FAN_REPORT_DFID_NAME_TARGET | unix.FAN_REPORT_PIDFD

// Group is a notification group. One goroutine reads it at a time; Wake, Interrupt and
// Unread may be called by others.
//
// Its descriptor blocks, so that Go's poller does not watch it, neither here nor in
// a process that holds it: the kernel would wake a thread for each event, also while
// nobody waits, at the cost of whoever makes the event. A Read that waits is a thread
// that waits.
type Group struct {
	file *os.File
	conn syscall.RawConn
	wake *os.File // an eventfd, by which a Read that waits is woken

	deadline atomic.Int64 // of Read, in nanoseconds since 1970; 0: none
	waiting  atomic.Bool  // Read waits, or is about to
	closed   atomic.Bool
	reading  sync.Mutex // held by Read
}

// UnsupportedError says what the kernel or the process lacks for watching.
type UnsupportedError struct {
	Feature string // as in "fanotify group with names and process descriptors"
	Err     error
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("watching file systems: %s: %s", e.Feature, e.reason())
}

func (e *UnsupportedError) reason() string {
	switch {
	case errors.Is(e.Err, unix.EPERM):
		return "not permitted: it takes CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH"
	case errors.Is(e.Err, unix.ENOSYS), errors.Is(e.Err, unix.EINVAL):
		return fmt.Sprintf("not in this kernel (%v)", e.Err)
	}
	return e.Err.Error()
}

func (e *UnsupportedError) Unwrap() error { return e.Err }

// OpenGroup makes a group. With limited, its queue has the kernel's limit
// (fs.fanotify.max_queued_events), and an event of mask Overflow stands where events
// were lost.
func OpenGroup(limited bool) (*Group, error) {
	flags := uint(groupFlags)
	if !limited {
		flags |= unix.FAN_UNLIMITED_QUEUE
	}
	fd, err := unix.FanotifyInit(flags, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE)
	if err != nil {
		return nil, &UnsupportedError{"fanotify group with names and process descriptors", err}
	}
	return GroupOf(os.NewFile(uintptr(fd), "fanotify"))
}

// GroupOf takes over a group that another process opened.
func GroupOf(f *os.File) (*Group, error) {
	g, err := groupOf(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fanotify group: %w", err), f.Close())
	}
	return g, nil
}

func groupOf(f *os.File) (_ *Group, err error) {
	g := &Group{file: f}
	if g.conn, err = f.SyscallConn(); err != nil {
		return nil, err
	}
	if err := g.block(); err != nil {
		return nil, err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	g.wake = os.NewFile(uintptr(fd), "eventfd")
	return g, nil
}

// block has the descriptor block, which that of an older weir does not.
func (g *Group) block() error {
	fd, polled := -1, false
	var err error
	ctlErr := g.conn.Control(func(old uintptr) {
		var flags int
		if flags, err = unix.FcntlInt(old, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			return
		}
		polled = true
		if err = unix.SetNonblock(int(old), false); err == nil {
			fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
		}
	})
	if err = errors.Join(err, ctlErr); err != nil || !polled {
		return err
	}
	old := g.file
	g.file = os.NewFile(uintptr(fd), old.Name())
	g.conn, err = g.file.SyscallConn()
	return errors.Join(err, old.Close()) // the poller does not know the new one
}

// Mark watches the file system that path is on for the events of mask; those asked
// for before go on. The path is best that of the mount's root.
func (g *Group) Mark(path string, mask uint64) error { return g.mark(unix.FAN_MARK_ADD, path, mask) }

// Unmark stops watching for the events of mask.
func (g *Group) Unmark(path string, mask uint64) error {
	return g.mark(unix.FAN_MARK_REMOVE, path, mask)
}

func (g *Group) mark(op uint, path string, mask uint64) error {
	var err error
	ctlErr := g.conn.Control(func(fd uintptr) {
		err = unix.FanotifyMark(int(fd), op|unix.FAN_MARK_FILESYSTEM, mask, unix.AT_FDCWD, path)
	})
	if err == nil {
		err = ctlErr
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("watching the file system of %s: %w", path, markReason(err))
}

// markReason says what the errors of fanotify_mark mean for a whole file system.
func markReason(err error) error {
	switch {
	case errors.Is(err, unix.EXDEV):
		return &UnsupportedError{"a subvolume by itself (name the top of the file system)", err}
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
		return &UnsupportedError{"file handles on this kind of file system", err}
	case errors.Is(err, unix.EPERM):
		return &UnsupportedError{"marks on whole file systems", err}
	case errors.Is(err, unix.EINVAL):
		return &UnsupportedError{"events with both names of a rename", err}
	}
	return err
}

// MinBuffer is the least buffer to read into: an event with two names of 255
// bytes must fit.
const MinBuffer = 4096

// Read waits for events and reads as many as fit into b, which must have MinBuffer
// bytes at least, but not more than 64 KiB of them. It reads straight into b, so that b
// can be memory that outlives the process. It returns os.ErrClosed after Close and
// os.ErrDeadlineExceeded after Wake.
func (g *Group) Read(b []byte) (int, error) {
	g.reading.Lock()
	defer g.reading.Unlock()
	for {
		ready, err := g.wait()
		if err != nil {
			return 0, err
		}
		if !ready {
			continue
		}
		if n, err := g.TryRead(b); n > 0 || err != nil {
			return n, err
		}
	}
}

// Gather lets events gather for a while, without a thread that waits for them; Wake and
// Interrupt end it. It is for the one who reads, and returns at once where over is true,
// which may be nil.
func (g *Group) Gather(d time.Duration, over func() bool) error {
	_, err := g.await(d, 0, over)
	return err
}

// Await waits for events, for a while if d is not 0, unless over is true, and reports
// whether there are any. Wake and Interrupt end it, but Wake's time is nothing to it. It is
// for the one who reads.
func (g *Group) Await(d time.Duration, over func() bool) (ready bool, err error) {
	return g.await(d, unix.POLLIN, over)
}

func (g *Group) await(d time.Duration, events int16, over func() bool) (ready bool, err error) {
	g.reading.Lock()
	defer g.reading.Unlock()
	g.waiting.Store(true) // before over is asked: who changes that interrupts this then
	defer g.waiting.Store(false)
	if g.closed.Load() {
		return false, os.ErrClosed
	}
	if over != nil && over() {
		return false, nil
	}
	var timeout *unix.Timespec
	if d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		timeout = &ts
	}
	return g.poll(timeout, events)
}

// Interrupt ends a wait of Await or Gather, if there is one: for who has changed what
// their over says.
func (g *Group) Interrupt() error {
	if !g.waiting.Load() {
		return nil
	}
	return g.interrupt()
}

// wait waits until there are events. It may return before.
func (g *Group) wait() (ready bool, err error) {
	g.waiting.Store(true) // before the deadline is looked at: who sets another one wakes this then
	defer g.waiting.Store(false)
	if g.closed.Load() {
		return false, os.ErrClosed
	}
	var timeout *unix.Timespec
	if at := g.deadline.Load(); at != 0 {
		left := at - time.Now().UnixNano()
		if left <= 0 {
			return false, os.ErrDeadlineExceeded
		}
		ts := unix.NsecToTimespec(left)
		timeout = &ts
	}
	return g.poll(timeout, unix.POLLIN)
}

// poll waits until there are events, if events asks for them, or somebody wakes it.
func (g *Group) poll(timeout *unix.Timespec, events int16) (ready bool, err error) {
	fds := [2]unix.PollFd{{Fd: -1, Events: events}, {Events: unix.POLLIN}}
	ctlErr := g.conn.Control(func(fd uintptr) {
		if events != 0 {
			fds[0].Fd = int32(fd)
		}
		fds[1].Fd = int32(g.wake.Fd())
		_, err = unix.Ppoll(fds[:], timeout, nil)
	})
	if ctlErr != nil {
		return false, ctlErr
	}
	if err != nil && err != unix.EINTR {
		return false, fmt.Errorf("fanotify group: ppoll: %w", err)
	}
	if fds[1].Revents != 0 {
		var count [8]byte
		if _, err := g.wake.Read(count[:]); err != nil {
			return false, err
		}
	}
	return fds[0].Revents != 0, nil
}

// TryRead is Read that returns 0 where no event waits.
func (g *Group) TryRead(b []byte) (int, error) {
	var n int
	var err error
	ctlErr := g.conn.Control(func(fd uintptr) {
		if n, err = pollNow(fd); n > 0 {
			n, err = readNow(fd, b) // nobody else reads: it does not wait
		}
	})
	if ctlErr != nil {
		return 0, ctlErr
	}
	return readResult(n, err)
}

func readResult(n int, err error) (int, error) {
	if err != nil {
		return 0, fmt.Errorf("fanotify group: read: %w", err)
	}
	return n, nil
}

// Ready reports whether an event waits. Unread asks for more, which takes the longer the
// more there are.
func (g *Group) Ready() (bool, error) {
	var n int
	var err error
	ctlErr := g.conn.Control(func(fd uintptr) { n, err = pollNow(fd) })
	if ctlErr != nil {
		return false, ctlErr
	}
	if err != nil {
		return false, fmt.Errorf("fanotify group: poll: %w", err)
	}
	return n > 0, nil
}

// Wake has a Read that waits, or the next that would, return at the time; the zero
// time takes that back.
func (g *Group) Wake(at time.Time) error {
	deadline := int64(0)
	if !at.IsZero() {
		deadline = max(at.UnixNano(), 1)
	}
	g.deadline.Store(deadline)
	return g.Interrupt()
}

// interrupt has a Read that waits look at what has changed.
func (g *Group) interrupt() error {
	_, err := g.wake.Write(binary.NativeEndian.AppendUint64(nil, 1))
	return err
}

// eventSize is what FIONREAD counts for each event, whatever its length.
const eventSize = 24

// Unread is how many events wait.
func (g *Group) Unread() (int, error) {
	var n int
	var err error
	ctlErr := g.conn.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	if err == nil {
		err = ctlErr
	}
	if err != nil {
		return 0, fmt.Errorf("fanotify group: FIONREAD: %w", err)
	}
	return n / eventSize, nil
}

// File is the group's descriptor, for handing it to another process.
func (g *Group) File() *os.File { return g.file }

// Close ends the group unless another process holds it, too.
func (g *Group) Close() error {
	if g.closed.Swap(true) {
		return os.ErrClosed
	}
	err := g.interrupt()
	g.reading.Lock()
	defer g.reading.Unlock()
	return errors.Join(err, g.file.Close(), g.wake.Close())
}

// Watches reports whether a file system is marked. A mark goes with the file system
// when that is unmounted, without an event.
func (g *Group) Watches() (bool, error) {
	var b []byte
	var err error
	ctlErr := g.conn.Control(func(fd uintptr) { b, err = os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) })
	if err == nil {
		err = ctlErr
	}
	if err != nil {
		return false, fmt.Errorf("fanotify group: %w", err)
	}
	return bytes.Contains(b, []byte("fanotify sdev:")), nil
}
