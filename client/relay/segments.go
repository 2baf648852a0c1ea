// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
)

// datagramWriter sends datagrams that lie one after the other, of one length
// but for the last one. It may be used by several goroutines.
type datagramWriter struct {
	conn net.Conn
	step int
	// joined lets the kernel cut what it is given in one call; nil where it
	// cannot.
	joined *atomic.Pointer[segmenter]
}

// segmenter gives the kernel several datagrams at a time.
type segmenter struct {
	raw  syscall.RawConn
	oob  []byte // says where to cut
	most int    // datagrams of a call
}

const (
	maxUDP      = 65507 // bytes of a call, headers of the kernel's not included
	maxSegments = 64    // that all kernels take which cut at all
	plainBatch  = 8     // datagrams between two looks at the pace, without joining
)

func newDatagramWriter(c net.Conn, step int) datagramWriter {
	w := datagramWriter{conn: c, step: step, joined: new(atomic.Pointer[segmenter])}
	u, ok := c.(*net.UDPConn)
	most := min(maxUDP/step, maxSegments)
	if !ok || most < 2 {
		return w
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return w
	}
	if oob := segmentControl(raw, step); oob != nil {
		w.joined.Store(&segmenter{raw, oob, most})
	}
	return w
}

// batch returns the beginning of b that is sent at once.
func (w datagramWriter) batch(b []byte) []byte {
	n := plainBatch
	if j := w.joined.Load(); j != nil {
		n = j.most
	}
	return b[:min(n*w.step, len(b))]
}

// write sends a batch. What does not get onto its way counts as lost there: the
// relay will miss it.
func (w datagramWriter) write(b []byte) error {
	if j := w.joined.Load(); j != nil && len(b) > w.step {
		err := j.send(b)
		if !cannotCut(err) {
			return w.serious(err)
		}
		w.joined.Store(nil) // by this way it cannot
	}
	for len(b) > 0 {
		n := min(w.step, len(b))
		_, err := w.conn.Write(b[:n])
		if err := w.serious(err); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// cannotCut reports whether the kernel, or the device, does not take several
// datagrams at a time, or a path does not take datagrams of that length.
func cannotCut(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.ENOPROTOOPT)
}

// errTooLarge says that a datagram is larger than the way takes.
var errTooLarge = errors.New("datagram does not fit")

// serious returns an error that no other datagram will be without.
func (w datagramWriter) serious(err error) error {
	if errors.Is(err, syscall.EMSGSIZE) {
		return fmt.Errorf("%w: %d bytes: %w", errTooLarge, w.step, err)
	}
	for _, passing := range passingErrors {
		if errors.Is(err, passing) {
			return nil
		}
	}
	return err
}

// passingErrors are what earlier datagrams have met on their way, or the next
// ones need not meet. When they stay, packets are given up.
var passingErrors = []error{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EPERM,
	syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN,
}
