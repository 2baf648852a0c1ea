// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"bytes"

	"github.com/weir-io/weir/xmlsysd"
)

// split finds the message that bytes of a stream begin with. It returns the body
// and how long the message is with its header; 0 while some of it is missing. The
// rules are those of [xmlsysd.Reader], which needs a goroutine for a stream.
func split(in []byte, limit int) (body []byte, enc xmlsysd.Encoding, length int, err error) {
	h := header{size: -1}
	at := 0
	for {
		n := bytes.IndexByte(in[at:min(len(in), xmlsysd.MaxHeader)], '\n')
		if n < 0 {
			if len(in) >= xmlsysd.MaxHeader {
				return nil, 0, 0, bad(in, 0, xmlsysd.ErrTooLong, "a header of at most 4096 bytes")
			}
			// What cannot become a header is refused before there is a line of it.
			if at == 0 && len(in) > 0 && (in[0] < 'A' || in[0] > 'z') {
				return nil, 0, 0, bad(in, 0, xmlsysd.ErrSyntax, "Content-Length")
			}
			return nil, 0, 0, nil
		}
		line := bytes.TrimSuffix(in[at:at+n], []byte("\r"))
		if len(line) == 0 {
			if h.size < 0 {
				return nil, 0, 0, bad(in, at, xmlsysd.ErrSyntax, "Content-Length")
			}
			at += n + 1
			break
		}
		if err = h.field(in, at, line, limit); err != nil {
			return nil, 0, 0, err
		}
		at += n + 1
	}
	if len(in)-at < h.size {
		return nil, 0, 0, nil
	}
	return in[at : at+h.size], h.encoding, at + h.size, nil
}

// header is what the lines before a body say.
type header struct {
	size     int // below 0: not known
	encoding xmlsysd.Encoding
}

// field takes a line of a header.
func (h *header) field(in []byte, at int, line []byte, limit int) error {
	name, value, found := bytes.Cut(line, []byte(":"))
	value = bytes.Trim(value, " \t")
	switch {
	case !found:
		return bad(in, at, xmlsysd.ErrSyntax, "a field of a header")
	case bytes.EqualFold(name, []byte("Content-Encoding")):
		e, ok := xmlsysd.ParseEncoding(string(bytes.ToLower(value)))
		if !ok && !bytes.EqualFold(value, []byte("identity")) {
			return bad(in, at, xmlsysd.ErrSyntax, "an encoding: none, gzip or zstd")
		}
		h.encoding = e
		return nil
	case !bytes.EqualFold(name, []byte("Content-Length")):
		return nil
	case h.size >= 0:
		return bad(in, at, xmlsysd.ErrSyntax, "Content-Length once")
	case len(value) == 0:
		return bad(in, at, xmlsysd.ErrSyntax, "a length of digits")
	}
	n := 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return bad(in, at, xmlsysd.ErrSyntax, "a length of digits")
		}
		if n = n*10 + int(c-'0'); n > limit {
			return bad(in, at, xmlsysd.ErrTooLong, "a length within the limit")
		}
	}
	h.size = n
	return nil
}

func bad(in []byte, at int, reason error, want string) error {
	return &xmlsysd.ProtocolError{Op: "header", Offset: at, Got: string(in[at:min(len(in), at+24)]), Want: want, Err: reason}
}
