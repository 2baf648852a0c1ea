// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/kernel/epoll"
)

const (
	// smallData is the length up to which file data is copied into the reply:
	// one call less than a header and a sendfile.
	smallData = 32 << 10
	// flushSize bounds what one connection sends before others get their turn.
	flushSize = 2 << 20
)

// errShortFile reports a file that ends before what was promised of it.
var errShortFile = errors.New("file ends early")

// output is the part of a reply that the socket has not taken: bytes, then
// entries that are encoded when there is room for them, then a part of a file.
type output struct {
	buf  []byte
	more func(b []byte) []byte // appends the next entries; nothing at the end
	file *fdpool.File
	off  int64
	n    int64 // bytes of file
}

func (o *output) empty() bool { return len(o.buf) == 0 && o.more == nil && o.n == 0 }

// reply sends b, which may be the server's scratch buffer.
func (c *conn) reply(b []byte) {
	n, err := epoll.Send(c.fd, b, false)
	if err != nil && err != unix.EAGAIN {
		c.fail(err)
		return
	}
	if n < len(b) {
		c.out.buf = append([]byte(nil), b[n:]...)
	}
}

// replyFile sends head and n bytes of a file from off on, which are there.
func (c *conn) replyFile(head []byte, f *fdpool.File, off, n int64) {
	if n <= smallData {
		b, err := appendFile(head, f, off, n)
		if err != nil {
			c.srv.counters.errors.Add(1)
			c.fail(err)
			return
		}
		c.reply(b)
		return
	}
	k, err := epoll.Send(c.fd, head, true)
	if err != nil && err != unix.EAGAIN {
		c.fail(err)
		return
	}
	if k < len(head) {
		c.out.buf = append([]byte(nil), head[k:]...)
	}
	c.out.file, c.out.off, c.out.n = f, off, n
	c.flush()
}

// appendFile appends n bytes of a file to b.
func appendFile(b []byte, f *fdpool.File, off, n int64) ([]byte, error) {
	fd, err := f.Acquire()
	if err != nil {
		return b, err
	}
	defer f.Release()
	start := len(b)
	b = append(b, make([]byte, n)...)
	for at := start; at < len(b); {
		k, err := unix.Pread(fd, b[at:], off+int64(at-start))
		if err == unix.EINTR {
			continue
		}
		if err == nil && k == 0 {
			err = errShortFile
		}
		if err != nil {
			return b[:start], fmt.Errorf("read %d bytes at %d: got %d: %w", n, off, at-start, err)
		}
		at += k
	}
	return b, nil
}

// flush sends what waits, up to flushSize bytes.
func (c *conn) flush() {
	for sent := 0; !c.out.empty() && sent < flushSize; {
		n, err := c.flushOnce()
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			c.fail(err)
			return
		}
		if sent += n; n > 0 {
			c.taken()
		}
	}
}

func (c *conn) flushOnce() (int, error) {
	o := &c.out
	switch {
	case len(o.buf) > 0:
		n, err := epoll.Send(c.fd, o.buf, o.more != nil || o.n > 0)
		if o.buf = o.buf[n:]; len(o.buf) == 0 {
			o.buf = nil
		}
		return n, err
	case o.more != nil:
		b := o.more(c.srv.scratch[:0])
		if len(b) == 0 {
			o.more = nil
			return 0, nil
		}
		n, err := epoll.Send(c.fd, b, false)
		if err == nil || err == unix.EAGAIN {
			o.buf = append(o.buf, b[n:]...)
		}
		return n, err
	}
	return c.sendFile()
}

// sendFile lets the kernel move file data to the socket.
func (c *conn) sendFile() (int, error) {
	o := &c.out
	fd, err := o.file.Acquire()
	if err != nil {
		return 0, err
	}
	defer o.file.Release()
	n, err := unix.Sendfile(c.fd, fd, &o.off, int(min(o.n, flushSize)))
	switch {
	case err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		c.srv.counters.errors.Add(1)
		return 0, fmt.Errorf("send %d bytes at %d: %w", o.n, o.off, errShortFile)
	}
	if o.n -= int64(n); o.n == 0 {
		o.file = nil
	}
	return n, nil
}
