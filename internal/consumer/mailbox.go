// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// mailbox lets the engine have something done on a stream's goroutine, which
// waits for its wakefd beside what it reads.
type mailbox struct {
	orders chan *order
	wakefd int
	ended  chan struct{} // closed by the goroutine
	hung   flag          // the goroutine waits for a file system

	mu     sync.Mutex
	closed bool // wakefd is; guarded by mu
}

// order is something to be done.
type order struct {
	do    func() error
	done  chan error
	taken atomic.Bool // by who does it, or takes it back
}

func newMailbox() (*mailbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &mailbox{orders: make(chan *order, 1), wakefd: fd, ended: make(chan struct{})}, nil
}

// call has something done, and waits for it. When the goroutine hangs, the error is
// errHung: it is not done, or is being done and may be complete later.
func (m *mailbox) call(do func() error) error {
	o, hung := &order{do: do, done: make(chan error, 1)}, m.hung.wait()
	select {
	case m.orders <- o:
	case <-hung:
		return errHung
	}
	m.wake()
	select {
	case err := <-o.done:
		return err
	case <-hung:
		o.taken.Store(true)
		return errHung
	}
}

// setHung takes note that the goroutine waits for a file system, or no more. It may be
// called by anybody.
func (m *mailbox) setHung(on bool) { m.hung.set(on) }

// wake has the goroutine look around. It may come after the end. The descriptor
// never blocks.
func (m *mailbox) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		_, _ = quietWrite(m.wakefd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// obey does what waits to be done; false at the end.
func (m *mailbox) obey() bool {
	var b [8]byte
	_, _ = quietRead(m.wakefd, b[:]) // a counter, empty or not
	for {
		select {
		case o, ok := <-m.orders:
			if !ok {
				return false
			}
			if o.taken.CompareAndSwap(false, true) {
				o.done <- o.do()
			}
		default:
			return true
		}
	}
}

// end has the goroutine end, and waits for that, unless it hangs.
func (m *mailbox) end() error {
	close(m.orders)
	m.wake()
	select {
	case <-m.ended:
	case <-m.hung.wait():
		return errHung
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return unix.Close(m.wakefd)
}
