// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/weir-io/weir/xmlsysd"
)

// parse reads the text of a leaf as what its kind says: the bits of a number, or
// nothing for texts. It reports false for a text that is none of the kind, such as
// "max" where the model has a number.
func parse(kind xmlsysd.Kind, text []byte) (uint64, bool) {
	switch kind {
	case xmlsysd.Count:
		return count(text)
	case xmlsysd.Integer:
		return integer(text)
	case xmlsysd.Decimal:
		return decimal(text)
	default:
		return 0, true
	}
}

// count reads digits, and nothing else.
func count(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// integer reads digits, perhaps behind a minus sign.
func integer(text []byte) (uint64, bool) {
	digits, minus := bytes.CutPrefix(text, []byte("-"))
	n, ok := count(digits)
	switch {
	case minus && n <= 1<<63:
		return -n, ok
	case !minus && n <= math.MaxInt64:
		return n, ok
	default:
		return 0, false
	}
}

// decimal reads an integer that may have a fraction.
func decimal(text []byte) (uint64, bool) {
	digits, _ := bytes.CutPrefix(text, []byte("-"))
	whole, fraction, point := bytes.Cut(digits, []byte("."))
	if !isDigits(whole) || point && !isDigits(fraction) {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return math.Float64bits(v), err == nil
}

// maxDigits bounds numbers that are no counts.
const maxDigits = 30

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxDigits
}

// clean makes a text one that a field can hold: UTF-8 without zero bytes. Others
// become U+FFFD, in room, which grows. Texts that are clean are returned as they
// are.
func clean(text, room []byte) (cleaned, grown []byte) {
	if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
		return text, room
	}
	from := len(room)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == 0 {
			r = utf8.RuneError
		}
		room = utf8.AppendRune(room, r)
		text = text[size:]
	}
	return room[from:], room
}
