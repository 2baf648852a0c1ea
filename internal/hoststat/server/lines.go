// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"errors"
	"io"
)

// errLongLine tells that a line does not end within the limit.
var errLongLine = errors.New("a line is too long")

// helloTLS begins the first record of a TLS client, which need not hold the end of
// a line.
var helloTLS = []byte{0x16, 0x03}

// lines takes lines from a stream. A read that fails may be repeated: what has
// come of a line is kept.
type lines struct {
	in  io.Reader
	max int // bytes of a line with its end
	buf []byte
	at  int  // what is before it has been taken
	old bool // something has been read
}

func newLines(in io.Reader, max int) *lines {
	return &lines{in: in, max: max, buf: make([]byte, 0, 4*max)}
}

// next returns a line with its end, valid until the next call. At the end of the
// stream an unfinished line is none.
func (l *lines) next() ([]byte, error) {
	for {
		rest := l.buf[l.at:]
		end := bytes.IndexByte(rest, '\n')
		switch {
		case end >= l.max || end < 0 && len(rest) >= l.max:
			return nil, errLongLine
		case end >= 0:
			l.at += end + 1
			return rest[:end+1], nil
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more. There is room: an unfinished line is shorter than the buffer.
func (l *lines) fill() error {
	if l.at > 0 {
		l.buf = l.buf[:copy(l.buf[:cap(l.buf)], l.buf[l.at:])]
		l.at = 0
	}
	n, err := l.in.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	if n > 0 && !l.old {
		l.old = true
		if bytes.HasPrefix(l.buf, helloTLS) {
			return errTLS
		}
	}
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// ready tells whether a line can be taken without reading.
func (l *lines) ready() bool { return bytes.IndexByte(l.buf[l.at:], '\n') >= 0 }
