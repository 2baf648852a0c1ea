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
// Nothing asks for compression, so there is none.
func split(in []byte, limit int) (body []byte, length int, err error) {
	at, size := 0, -1
	for {
		n := bytes.IndexByte(in[at:min(len(in), xmlsysd.MaxHeader)], '\n')
		if n < 0 {
			if len(in) >= xmlsysd.MaxHeader {
				return nil, 0, bad(in, 0, xmlsysd.ErrTooLong, "a header of at most 4096 bytes")
			}
			// What cannot become a header is refused before there is a line of it.
			if at == 0 && len(in) > 0 && (in[0] < 'A' || in[0] > 'z') {
				return nil, 0, bad(in, 0, xmlsysd.ErrSyntax, "Content-Length")
			}
			return nil, 0, nil
		}
		line := bytes.TrimSuffix(in[at:at+n], []byte("\r"))
		if len(line) == 0 {
			if size < 0 {
				return nil, 0, bad(in, at, xmlsysd.ErrSyntax, "Content-Length")
			}
			at += n + 1
			break
		}
		if size, err = field(in, at, line, size, limit); err != nil {
			return nil, 0, err
		}
		at += n + 1
	}
	if len(in)-at < size {
		return nil, 0, nil
	}
	return in[at : at+size], at + size, nil
}

// field takes a line of a header.
func field(in []byte, at int, line []byte, size, limit int) (int, error) {
	name, value, found := bytes.Cut(line, []byte(":"))
	value = bytes.Trim(value, " \t")
	switch {
	case !found:
		return 0, bad(in, at, xmlsysd.ErrSyntax, "a field of a header")
	case bytes.EqualFold(name, []byte("Content-Encoding")):
		if !bytes.EqualFold(value, []byte("identity")) && !bytes.EqualFold(value, []byte("none")) {
			return 0, bad(in, at, xmlsysd.ErrSyntax, "no compression")
		}
		return size, nil
	case !bytes.EqualFold(name, []byte("Content-Length")):
		return size, nil
	case size >= 0:
		return 0, bad(in, at, xmlsysd.ErrSyntax, "Content-Length once")
	case len(value) == 0:
		return 0, bad(in, at, xmlsysd.ErrSyntax, "a length of digits")
	}
	n := 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, bad(in, at, xmlsysd.ErrSyntax, "a length of digits")
		}
		if n = n*10 + int(c-'0'); n > limit {
			return 0, bad(in, at, xmlsysd.ErrTooLong, "a length within the limit")
		}
	}
	return n, nil
}

func bad(in []byte, at int, reason error, want string) error {
	return &xmlsysd.ProtocolError{Op: "header", Offset: at, Got: string(in[at:min(len(in), at+24)]), Want: want, Err: reason}
}
