// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Limits of a message.
const (
	MaxMessage = 64 << 10 // bytes of JSON
	MaxFiles   = 64       // descriptors beside it; the kernel's limit is 253
)

// Message is what one datagram holds. ID is 0 in notices; Op is empty in
// answers.
type Message struct {
	ID    uint64          `json:"id,omitempty"`
	Op    Op              `json:"op,omitempty"`
	Error string          `json:"error,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// Conn is one end.
type Conn struct {
	// Immutable.
	socket *net.UnixConn
	raw    syscall.RawConn // of it

	// Owned by the goroutine that receives.
	in, oob []byte

	mu sync.Mutex // held while a datagram is sent
}

// Pair makes a connection: one end, and the other as a file for a child process.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("handover: socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "consumer")
	mine, err := New(os.NewFile(uintptr(fds[0]), "daemon"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return mine, theirs, nil
}

// New makes a connection of a socket's file, which it takes over.
func New(f *os.File) (*Conn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("handover: descriptor is a %T, want a Unix socket", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		u.Close()
		return nil, fmt.Errorf("handover: %w", err)
	}
	return &Conn{socket: u, raw: raw, in: make([]byte, MaxMessage+1), oob: make([]byte, unix.CmsgSpace(4*MaxFiles))}, nil
}

// Close ends the connection; the other end sees io.EOF.
func (c *Conn) Close() error { return c.socket.Close() }

// Send sends a message and copies of the files' descriptors. The files stay the
// caller's.
func (c *Conn) Send(m Message, files ...*os.File) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("handover: %s: %w", m.Op, err)
	}
	if len(b) > MaxMessage || len(files) > MaxFiles {
		return fmt.Errorf("handover: %s: %d bytes and %d files, want at most %d and %d", m.Op, len(b), len(files), MaxMessage, MaxFiles)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			raw, err := f.SyscallConn()
			if err != nil {
				return fmt.Errorf("handover: %s: %s: %w", m.Op, f.Name(), err)
			}
			// Fd would make the description blocking, for its other users too.
			if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
				return fmt.Errorf("handover: %s: %s: %w", m.Op, f.Name(), err)
			}
		}
		rights = unix.UnixRights(fds...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := quietSend(c.raw, b, rights); err != nil {
		return fmt.Errorf("handover: %s: %w", m.Op, err)
	}
	return nil
}

// Answer sends an answer; a body that is too large for a message goes in a memory
// file.
func (c *Conn) Answer(m Message) error {
	if len(m.Body) <= MaxMessage/2 {
		return c.Send(m)
	}
	body, err := Blob("answer", m.Body)
	if err != nil {
		return err
	}
	defer body.Close()
	m.Body = nil
	return c.Send(m, body)
}

// Receive returns the next message and the files that came with it, which are
// the caller's to close; io.EOF when the other end is gone.
func (c *Conn) Receive() (Message, []*os.File, error) {
	n, oobn, flags, err := quietReceive(c.raw, c.in, c.oob)
	switch {
	case errors.Is(err, unix.ECONNRESET), err == nil && n == 0 && oobn == 0:
		return Message{}, nil, io.EOF
	case err != nil:
		return Message{}, nil, err
	}
	files, err := received(c.oob[:oobn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = fmt.Errorf("handover: datagram cut at %d bytes and %d files", n, len(files))
	}
	var m Message
	if err == nil {
		if err = json.Unmarshal(c.in[:n], &m); err != nil {
			err = fmt.Errorf("handover: datagram of %d bytes: %w", n, err)
		}
	}
	if err != nil {
		CloseAll(files)
		return Message{}, nil, err
	}
	return m, files, nil
}

// received takes the descriptors out of ancillary data.
func received(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("handover: ancillary data: %w", err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // credentials
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("received %d", fd)))
		}
	}
	return files, nil
}

// CloseAll closes files that nobody wants.
func CloseAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
