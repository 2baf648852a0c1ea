// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"slices"
)

// Names travel as C strings: everything after the first NUL is padding.

// cutNUL returns the bytes of b before its first NUL.
func cutNUL(b []byte) (string, bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return string(b), false
	}
	return string(b[:i]), true
}

// trimNUL makes s writable as a C string.
func trimNUL(s string) string {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}

// field describes the place of a name in a message.
type field struct {
	op, name string
	offset   int
}

// fixed reads a NUL-padded name that fills b.
func (f field) fixed(b []byte) (string, error) {
	s, ok := cutNUL(b)
	if !ok {
		return "", f.fail(ErrUnterminated, len(b), 0)
	}
	return s, nil
}

// sized reads a name whose announced length n, NUL included, is at most limit.
func (f field) sized(b []byte, n uint32, limit int) (string, error) {
	switch {
	case uint64(n) > uint64(limit):
		return "", f.fail(ErrTooLong, int(n), limit)
	case uint64(len(b)) < uint64(n):
		return "", f.fail(ErrShort, len(b), int(n))
	case n == 0 || b[n-1] != 0:
		return "", f.fail(ErrUnterminated, int(n), 0)
	}
	s, _ := cutNUL(b[:n])
	return s, nil
}

func (f field) fail(reason error, got, want int) error {
	return &ProtocolError{
		Op: f.op, Field: f.name, Offset: f.offset,
		Got: uint64(got), Want: uint64(want), Err: reason,
	}
}

// appendFixed writes s NUL-padded to size bytes, cut so that one NUL remains.
func appendFixed(b []byte, s string, size int) []byte {
	s = trimNUL(s)
	if len(s) >= size {
		s = s[:size-1]
	}
	end := len(b) + size
	b = append(slices.Grow(b, size), s...)
	clear(b[len(b):end])
	return b[:end]
}

// appendZ writes s and its NUL.
func appendZ(b []byte, s string) []byte {
	return append(append(b, trimNUL(s)...), 0)
}

// sizeZ returns the length appendZ writes.
func sizeZ(s string) uint32 { return uint32(len(trimNUL(s)) + 1) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
