// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring reads the ring of one CPU of one instance, sub-buffer by sub-buffer. It
// needs no privilege, only the files. It belongs to one goroutine.
type Ring struct {
	pipe, stats int // descriptors, of this Ring alone
	subbuf      int
	busy        bool           // the last wait was ended by the ring, or something was read since
	calm        calm           // of waits that are
	poll        [1]unix.PollFd // here, so that waiting allocates nothing
}

// NewRing reads from a trace_pipe_raw, and the counters from stats, whose
// sub-buffers are of a size. It takes the files over, also when it fails; stats
// may be nil.
func NewRing(pipe, stats *os.File, subbuf int) (*Ring, error) {
	r := &Ring{pipe: -1, stats: -1, subbuf: subbuf}
	if subbuf < pageHeader+8 {
		return nil, errors.Join(fmt.Errorf("sub-buffers of %d bytes", subbuf), pipe.Close(), closeFile(stats))
	}
	// The descriptors are taken out of Go's files: these may be known to its
	// poller, which would be woken by each page.
	var err error
	r.pipe, err = take(pipe)
	if err == nil {
		err = unix.SetNonblock(r.pipe, true)
	}
	if stats != nil {
		var serr error
		r.stats, serr = take(stats)
		err = errors.Join(err, serr)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take a ring over: %w", err), r.Close())
	}
	return r, nil
}

// take closes a file and returns another descriptor of what it was.
func take(f *os.File) (fd int, err error) {
	fd = -1
	conn, err := f.SyscallConn()
	if err != nil {
		return fd, errors.Join(err, f.Close())
	}
	cerr := conn.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(err, cerr, f.Close())
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// Close gives the descriptors back.
func (r *Ring) Close() error {
	var errs []error
	for _, fd := range []*int{&r.pipe, &r.stats} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
			*fd = -1
		}
	}
	return errors.Join(errs...)
}

// SubbufferBytes returns the size of a page.
func (r *Ring) SubbufferBytes() int { return r.subbuf }

// Wait waits until the ring is as full as the instance's WakePercent says, and
// reports whether it is. A timeout below zero has no end.
func (r *Ring) Wait(timeout time.Duration) (bool, error) {
	var deadline time.Time
	ms := -1
	if timeout >= 0 {
		deadline = time.Now().Add(timeout)
		ms = milliseconds(timeout)
	}
	for {
		r.poll[0] = unix.PollFd{Fd: int32(r.pipe), Events: unix.POLLIN}
		n, err := unix.Poll(r.poll[:], ms)
		switch {
		case err == unix.EINTR:
			if timeout >= 0 {
				ms = milliseconds(max(time.Until(deadline), 0))
			}
		case err != nil:
			return false, fmt.Errorf("wait for a ring: %w", err)
		case n > 0 && r.poll[0].Revents&(unix.POLLERR|unix.POLLNVAL) != 0:
			return false, fmt.Errorf("wait for a ring: events %#x", r.poll[0].Revents)
		default:
			return n > 0, nil
		}
	}
}

// milliseconds rounds up, so that a short timeout is not a busy loop.
func milliseconds(d time.Duration) int {
	return int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
}

// Read reads one page into b, which holds at least SubbufferBytes, and returns
// the page; nil says that there is none now. A page that is still being written
// comes with what it has.
func (r *Ring) Read(b []byte) ([]byte, error) {
	b = b[:r.subbuf]
	for {
		// It does not wait, so that Go's scheduler need not be told.
		got, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(r.pipe), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		n := int(got)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN, err == 0 && n == 0:
			return nil, nil
		case err != 0:
			return nil, fmt.Errorf("read a page of %d bytes: %w", r.subbuf, err)
		case n != r.subbuf:
			return nil, fmt.Errorf("read a page: got %d of %d bytes: not the instance's size of sub-buffers", n, r.subbuf)
		default:
			return b, nil
		}
	}
}

// Drain reads pages into b and hands each over until one is not nearly full: the
// rest is worth waiting for, as each reading of a page that is being written
// brings a handful of events only. The first one may be what the reading before
// has left of its page. It stops at an error of each. The page is b: it is gone
// with the next one.
func (r *Ring) Drain(b []byte, each func(page []byte) error) (pages int, err error) {
	return r.drain(b, each, false)
}

// DrainEmpty is Drain until there is nothing left, for a ring that is written no
// more. While it is written it may go on for long.
func (r *Ring) DrainEmpty(b []byte, each func(page []byte) error) (pages int, err error) {
	return r.drain(b, each, true)
}

func (r *Ring) drain(b []byte, each func([]byte) error, all bool) (pages int, err error) {
	for {
		page, err := r.Read(b)
		if page == nil || err != nil {
			return pages, err
		}
		pages++
		r.busy = true
		if err := each(page); err != nil {
			return pages, err
		}
		if !all && pages > 1 && !Full(page) {
			return pages, nil
		}
	}
}

// Stats reads the counters into b and returns their text.
func (r *Ring) Stats(b []byte) ([]byte, error) {
	for {
		n, err := unix.Pread(r.stats, b[:cap(b)], 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("read counters of a ring: %w", err)
		default:
			return b[:n], nil
		}
	}
}

const (
	pageHeader = 8 + int(unsafe.Sizeof(uintptr(0))) // time stamp and commit
	commitMask = 1<<27 - 1                          // the bits above are flags
)

// Full reports whether a page is nearly full: whether there are probably more
// behind it.
func Full(page []byte) bool { return length(page) >= len(page)-16-len(page)/8 }

// length returns how many bytes of data a page has: the low word of commit,
// which is a long of the kernel's.
func length(page []byte) int {
	commit := page[8:pageHeader]
	if len(commit) == 8 {
		return int(binary.NativeEndian.Uint64(commit) & commitMask)
	}
	return int(binary.NativeEndian.Uint32(commit) & commitMask)
}
