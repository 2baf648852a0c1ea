// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Limits of messages.
const (
	MaxHeader  = 4096     // bytes of the lines before a body
	MaxMessage = 16 << 20 // bytes of a body, of which a Reader that is told nothing else takes no more
)

// Reader takes messages from a stream one by one, decompressed. Memory for a body
// is taken as its bytes come, so that a length alone costs nothing. The body of
// one message is overwritten by the next.
type Reader struct {
	in    *bufio.Reader
	limit int
	body  []byte
	head  []byte // lines of a header

	// Of the last message.
	length   int
	encoding Encoding

	unpacker *Unpacker
}

// NewReader returns a reader of messages whose bodies, compressed or not, have at
// most so many bytes; not above 0, it is MaxMessage.
func NewReader(r io.Reader, limit int) *Reader {
	if limit <= 0 {
		limit = MaxMessage
	}
	return &Reader{in: bufio.NewReaderSize(r, MaxHeader), limit: limit, unpacker: NewUnpacker(limit)}
}

// Next returns the body of the next message, valid until the call after. Its
// error is io.EOF at the end of a stream between two messages, a [*ProtocolError]
// for what is no message, and otherwise that of the stream. After an error the
// stream is of no use.
func (r *Reader) Next() ([]byte, error) {
	if err := r.header(); err != nil {
		return nil, err
	}
	if err := r.readBody(); err != nil {
		return nil, err
	}
	if r.encoding == Plain {
		return r.body, nil
	}
	return r.unpacker.Unpack(r.encoding, r.body)
}

// WireBytes returns how many bytes the body of the last message had on the wire.
func (r *Reader) WireBytes() int { return r.length }

// header reads the lines before a body.
func (r *Reader) header() error {
	r.length, r.encoding, r.head = -1, Plain, r.head[:0]
	for {
		from := len(r.head)
		err := r.line()
		line := bytes.TrimSuffix(bytes.TrimSuffix(r.head[from:], []byte("\n")), []byte("\r"))
		switch {
		case errors.Is(err, io.EOF) && len(r.head) == 0:
			return io.EOF
		case errors.Is(err, io.EOF):
			return r.fail(len(r.head), ErrTruncated, "the end of a header")
		case err != nil:
			return err
		case len(line) == 0 && r.length < 0:
			return r.fail(from, ErrSyntax, "Content-Length")
		case len(line) == 0:
			return nil
		}
		if err := r.field(from, line); err != nil {
			return err
		}
	}
}

// line appends a line to the header, with its end.
func (r *Reader) line() error {
	part, err := r.in.ReadSlice('\n')
	r.head = append(r.head, part...)
	if errors.Is(err, bufio.ErrBufferFull) || len(r.head) > MaxHeader {
		return r.fail(0, ErrTooLong, "a header of at most 4096 bytes")
	}
	return err
}

// field takes a line of a header. Fields that it does not know go by.
func (r *Reader) field(at int, line []byte) error {
	name, value, found := bytes.Cut(line, []byte(":"))
	value = bytes.Trim(value, " \t")
	switch {
	case !found:
		return r.fail(at, ErrSyntax, "a field of a header")
	case bytes.EqualFold(name, []byte("Content-Length")):
		return r.contentLength(at, value)
	case bytes.EqualFold(name, []byte("Content-Encoding")):
		e, ok := ParseEncoding(string(bytes.ToLower(value)))
		if !ok && !bytes.EqualFold(value, []byte("identity")) {
			return r.fail(at, ErrSyntax, "an encoding: none, gzip or zstd")
		}
		r.encoding = e
	}
	return nil
}

func (r *Reader) contentLength(at int, value []byte) error {
	if r.length >= 0 {
		return r.fail(at, ErrSyntax, "Content-Length once")
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return r.fail(at, ErrSyntax, "a length of digits")
		}
	}
	if len(value) == 0 {
		return r.fail(at, ErrSyntax, "a length of digits")
	}
	n, ok := parseUint(value)
	if !ok || n > uint64(r.limit) {
		return r.fail(at, ErrTooLong, "a length within the limit")
	}
	r.length = int(n)
	return nil
}

func (r *Reader) fail(at int, reason error, want string) error {
	return &ProtocolError{Op: "header", Offset: at, Got: excerpt(r.head, at), Want: want, Err: reason}
}

// readBody reads the body as it is on the wire.
func (r *Reader) readBody() error {
	const first = 64 << 10 // taken at once on the word of a header
	r.body = r.body[:0]
	for len(r.body) < r.length {
		from := len(r.body)
		to := min(r.length, max(first, 2*from))
		r.body = grow(r.body, to)
		n, err := io.ReadFull(r.in, r.body[from:])
		r.body = r.body[:from+n]
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return bodyError(r.body, len(r.body), ErrTruncated, "the rest of a body")
		case err != nil:
			return err
		}
	}
	return nil
}

// grow makes a slice as long, what it has kept.
func grow(b []byte, length int) []byte {
	if cap(b) >= length {
		return b[:length]
	}
	return append(b, make([]byte, length-len(b))...)
}
