// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"errors"
	"math"

	"github.com/weir-io/weir/internal/kernel/reread"
)

// textReader is a section, or a part of one, that is one file.
type textReader struct {
	file  *reread.File
	parse func(r *request, text []byte) error
	errs  sourceErrors
}

// Sizes with which buffers begin; they grow where that is not enough.
const (
	sysctlSize = 256
	smallSize  = 1 << 10
	pageSize   = 4 << 10
	largeSize  = 16 << 10
)

func newTextReader(file *reread.File, parse func(*request, []byte) error) *textReader {
	return &textReader{file: file, parse: parse}
}

func (t *textReader) read(r *request) error {
	text, err := t.file.Read()
	if err != nil {
		return t.errs.of(t.file.Path(), err)
	}
	r.bytes += len(text)
	return t.parse(r, text)
}

func (t *textReader) close() { t.file.Close() }

// sourceError says which file could not be read.
type sourceError struct {
	path string
	err  error
}

func (e *sourceError) Error() string { return e.path + ": " + e.err.Error() }

func (e *sourceError) Unwrap() error { return e.err }

// sourceErrors makes errors of a reader. What a host does not have it does not
// have each time: the error is made once.
type sourceErrors struct{ last *sourceError }

func (s *sourceErrors) of(path string, err error) error {
	if s.last == nil || s.last.path != path || !errors.Is(s.last.err, err) {
		s.last = &sourceError{path, err}
	}
	return s.last
}

// cutLine returns the first line without its end, and what is behind it.
func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// cutWord returns the first word of a line and what is behind it. Without one the
// word is empty.
func cutWord(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	from := i
	for i < len(b) && b[i] != ' ' && b[i] != '\t' {
		i++
	}
	return b[from:i], b[i:]
}

// cutColon returns what is before the first colon, without blanks around it, and
// what is behind.
func cutColon(b []byte) (key, rest []byte, ok bool) {
	i := bytes.IndexByte(b, ':')
	if i < 0 {
		return nil, nil, false
	}
	return trim(b[:i]), b[i+1:], true
}

// trim cuts blanks and tabs off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// trimEnd cuts the end of a line off the text of a small file.
func trimEnd(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return b
}

// number reads a word of decimal digits.
func number(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// integer reads a decimal number that may have a minus sign.
func integer(b []byte) (int64, bool) {
	minus := len(b) > 0 && b[0] == '-'
	if minus {
		b = b[1:]
	}
	n, ok := number(b)
	if !ok || n > math.MaxInt64 {
		return 0, false
	}
	if minus {
		return -int64(n), true
	}
	return int64(n), true
}

// isNumber reports whether a word is a decimal number such as the kernel writes:
// digits, perhaps a minus sign before and a fraction behind.
func isNumber(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	whole, fraction, point := bytes.Cut(b, dot)
	return digits(whole) && (!point || digits(fraction))
}

var dot = []byte(".")

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) < 40
}

// numbers reads words that are numbers into a list, up to the first that is none.
func numbers(b []byte, list []uint64) int {
	for i := range list {
		var word []byte
		word, b = cutWord(b)
		n, ok := number(word)
		if !ok {
			return i
		}
		list[i] = n
	}
	return len(list)
}

// scaled writes n/unit, unit being a power of ten, without zeros at the end: 45500
// thousandths are 45.5.
func scaled(b []byte, n int64, unit int64) []byte {
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	b = appendInt(b, n/unit)
	rest := n % unit
	if rest == 0 {
		return b
	}
	b = append(b, '.')
	for rest > 0 {
		unit /= 10
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return b
}
