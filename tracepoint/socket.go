// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a daemon may take for the rest of a message, and for an answer.
const patience = 10 * time.Second

// maxFiles bounds the descriptors that have come before they are due.
const maxFiles = 64

var errFiles = errors.New("tracepoint: too many descriptors, or none where one is due")

// socket is a connection to a session daemon. One goroutine uses it, but for interrupt.
type socket struct {
	conn  *net.UnixConn
	files []*os.File // that have come, and are not asked for yet
	oob   []byte
	stop  atomic.Bool // see interrupt
}

func dial(ctx context.Context, path string) (*socket, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return &socket{conn: conn.(*net.UnixConn), oob: make([]byte, unix.CmsgSpace(4*maxFiles))}, nil
}

func (s *socket) close() {
	_ = s.conn.Close() // nothing is written that is not acknowledged
	for _, f := range s.files {
		f.Close()
	}
	s.files = nil
}

// interrupt ends a wait for a message that has not begun.
func (s *socket) interrupt() {
	s.stop.Store(true)
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // fails on a closed one only, where nobody waits
}

var errInterrupted = errors.New("tracepoint: interrupted")

// next fills b with a message, for which it waits as long as it takes. It returns
// errInterrupted when there is something else to do.
func (s *socket) next(b []byte) error {
	for {
		if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		if s.stop.Swap(false) {
			return errInterrupted
		}
		n, err := s.some(b)
		switch {
		case n > 0:
			return s.fill(b[n:])
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return err
		}
	}
}

// fill fills b with what has to follow.
func (s *socket) fill(b []byte) error {
	late := time.Now().Add(patience)
	for len(b) > 0 {
		if err := s.conn.SetReadDeadline(late); err != nil {
			return err
		}
		n, err := s.some(b)
		b = b[n:]
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(late)) {
			return fmt.Errorf("tracepoint: %d bytes of a message missing: %w", len(b), err)
		}
	}
	return nil
}

// some reads what there is, with descriptors.
func (s *socket) some(b []byte) (int, error) {
	n, oobn, flags, _, err := s.conn.ReadMsgUnix(b, s.oob)
	if oobn > 0 {
		if err := s.take(s.oob[:oobn]); err != nil {
			return 0, err
		}
	}
	switch {
	case err != nil:
		return 0, err
	case flags&unix.MSG_CTRUNC != 0:
		return 0, errFiles
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// take keeps descriptors that have come.
func (s *socket) take(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // something else than descriptors
		}
		for _, fd := range fds {
			s.files = append(s.files, os.NewFile(uintptr(fd), "daemon"))
		}
	}
	if len(s.files) > maxFiles {
		return errFiles
	}
	return nil
}

// receive reads a message of n descriptors, which are the caller's.
func (s *socket) receive(n int) ([]*os.File, error) {
	var one [1]byte
	if err := s.fill(one[:]); err != nil {
		return nil, err
	}
	if len(s.files) < n {
		return nil, errFiles
	}
	files := s.files[:n:n]
	s.files = append([]*os.File(nil), s.files[n:]...)
	return files, nil
}

func (s *socket) send(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}
