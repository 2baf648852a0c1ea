// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string.
func (j *jsonReader) text(field string) ([]byte, error) {
	if err := j.open(field, '"', "a string"); err != nil {
		return nil, err
	}
	begin := j.off
	for ; j.off < len(j.b); j.off++ {
		switch c := j.b[j.off]; {
		case c == '"':
			text := j.b[begin:j.off:j.off]
			if !utf8.Valid(text) {
				return nil, j.fail(field, begin, "bytes that are not UTF-8", "UTF-8")
			}
			j.off++
			return text, nil
		case c == '\\':
			return j.escaped(field, begin)
		case c < ' ':
			return nil, j.fail(field, j.off, fmt.Sprintf("control character %#02x", c), "an escape")
		}
	}
	return nil, j.fail(field, j.off, "the end", `"`)
}

// escaped goes on with a string at its first backslash.
func (j *jsonReader) escaped(field string, begin int) ([]byte, error) {
	text := append([]byte(nil), j.b[begin:j.off]...)
	for j.off < len(j.b) {
		switch c := j.b[j.off]; {
		case c == '"':
			if !utf8.Valid(text) {
				return nil, j.fail(field, begin, "bytes that are not UTF-8", "UTF-8")
			}
			j.off++
			return text, nil
		case c == '\\':
			var err error
			if text, err = j.escape(field, text); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, j.fail(field, j.off, fmt.Sprintf("control character %#02x", c), "an escape")
		default:
			text = append(text, c)
			j.off++
		}
	}
	return nil, j.fail(field, j.off, "the end", `"`)
}

// escape reads what begins with a backslash.
func (j *jsonReader) escape(field string, text []byte) ([]byte, error) {
	at := j.off
	if at+1 >= len(j.b) {
		return nil, j.fail(field, at, "the end", "an escape")
	}
	j.off += 2
	switch c := j.b[at+1]; c {
	case '"', '\\', '/':
		return append(text, c), nil
	case 'b':
		return append(text, '\b'), nil
	case 'f':
		return append(text, '\f'), nil
	case 'n':
		return append(text, '\n'), nil
	case 'r':
		return append(text, '\r'), nil
	case 't':
		return append(text, '\t'), nil
	case 'u':
		r, ok := j.unit()
		if !ok {
			return nil, j.fail(field, at, quoted(j.b[at:min(at+6, len(j.b))]), "\\u and 4 hexadecimal digits")
		}
		if utf16.IsSurrogate(r) {
			var low rune
			if j.off+2 <= len(j.b) && j.b[j.off] == '\\' && j.b[j.off+1] == 'u' {
				j.off += 2
				low, _ = j.unit()
			}
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return nil, j.fail(field, at, quoted(j.b[at:min(at+12, len(j.b))]), "both halves of a surrogate pair")
			}
		}
		return utf8.AppendRune(text, r), nil
	}
	return nil, j.fail(field, at, quoted(j.b[at:at+2]), "an escape")
}

// unit reads the 4 digits of a \u escape.
func (j *jsonReader) unit() (rune, bool) {
	if len(j.b)-j.off < 4 {
		return 0, false
	}
	var v rune
	for _, c := range j.b[j.off : j.off+4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	j.off += 4
	return v, true
}

// number reads a number and returns its text.
func (j *jsonReader) number(field string) ([]byte, error) {
	begin := j.place()
	digits := func() bool {
		at := j.off
		for j.off < len(j.b) && j.b[j.off] >= '0' && j.b[j.off] <= '9' {
			j.off++
		}
		return j.off > at
	}
	j.word("-")
	at := j.off
	ok := digits() && (j.b[at] != '0' || j.off == at+1)
	if ok && j.word(".") {
		ok = digits()
	}
	if ok && (j.word("e") || j.word("E")) {
		if !j.word("+") {
			j.word("-")
		}
		ok = digits()
	}
	if !ok {
		return nil, j.fail(field, begin, quoted(j.b[begin:min(len(j.b), j.off+1)]), "a number")
	}
	return j.b[begin:j.off], nil
}

// uint reads a number of some bits.
func (j *jsonReader) uint(field string, bits int, v *uint64) error {
	at := j.place()
	text, err := j.number(field)
	if err != nil {
		return err
	}
	var ok bool
	if *v, ok = parseDecimal(text, bits); !ok {
		return j.fail(field, at, quoted(text), fmt.Sprintf("an integer from 0 of %d bits", bits))
	}
	return nil
}

func (j *jsonReader) uint32(field string, v *uint32) error {
	var n uint64
	err := j.uint(field, 32, &n)
	*v = uint32(n)
	return err
}

// uintText reads a string with a number of 64 bits.
func (j *jsonReader) uintText(field string, v *uint64) error {
	at := j.place()
	text, err := j.text(field)
	if err != nil {
		return err
	}
	var ok bool
	if *v, ok = parseDecimal(text, 64); !ok {
		return j.fail(field, at, quoted(text), "an integer from 0 of 64 bits in a string")
	}
	return nil
}

// boolean reads true or false.
func (j *jsonReader) boolean(field string, v *bool) error {
	j.place()
	switch {
	case j.word("true"):
		*v = true
	case j.word("false"):
		*v = false
	default:
		return j.fail(field, j.off, j.here(), "true or false")
	}
	return nil
}

// limited reads a string of some bytes at most. It is not nil.
func (j *jsonReader) limited(field string, most int) ([]byte, error) {
	at := j.place()
	text, err := j.text(field)
	if err == nil && len(text) > most {
		err = j.fail(field, at, strconv.Itoa(len(text))+" bytes", "at most "+strconv.Itoa(most))
	}
	return text, err
}

// base64 reads a string in base64 with padding that stands for some bytes at most.
func (j *jsonReader) base64(field string, most int) ([]byte, error) {
	at := j.place()
	text, err := j.text(field)
	if err != nil {
		return nil, err
	}
	if n := base64.StdEncoding.DecodedLen(len(text)); n > most+2 {
		return nil, j.fail(field, at, "about "+strconv.Itoa(n)+" bytes", "at most "+strconv.Itoa(most))
	}
	for i, c := range text { // the library skips line ends
		if c == '\n' || c == '\r' {
			return nil, j.fail(field, at, fmt.Sprintf("a line end at byte %d of the text", i), "base64")
		}
	}
	data, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, text)
	if err != nil {
		return nil, j.fail(field, at, quoted(text), "base64")
	}
	if len(data) > most {
		return nil, j.fail(field, at, strconv.Itoa(len(data))+" bytes", "at most "+strconv.Itoa(most))
	}
	return data, nil
}

func (j *jsonReader) fid(field string, v *FID) error {
	at := j.place()
	text, err := j.text(field)
	if err != nil {
		return err
	}
	if *v, err = ParseFID(string(text)); err != nil {
		return j.fail(field, at, quoted(text), "[0xSEQ:0xOID:0xVER]")
	}
	return nil
}

// time reads a string with a time by RFC 3339 in UTC, at most to the nanosecond.
func (j *jsonReader) time(field string, v *int64) error {
	at := j.place()
	text, err := j.text(field)
	if err != nil {
		return err
	}
	var ok bool
	if *v, ok = parseTime(string(text)); !ok {
		return j.fail(field, at, quoted(text), "a time as 2026-11-20T10:00:00.123456789Z")
	}
	return nil
}

// Times of which int64 holds the nanoseconds.
const (
	minUnixSecond = math.MinInt64/1_000_000_000 + 1
	maxUnixSecond = math.MaxInt64/1_000_000_000 - 1
)

func parseTime(text string) (ns int64, ok bool) {
	const (
		layout  = "2006-01-02T15:04:05Z"
		seconds = len(layout) - 1
	)
	if len(text) < len(layout) || text[len(text)-1] != 'Z' {
		return 0, false
	}
	fraction := text[seconds : len(text)-1]
	t, err := time.Parse(layout, text[:seconds]+"Z")
	if err != nil || t.Unix() < minUnixSecond || t.Unix() > maxUnixSecond {
		return 0, false
	}
	if fraction == "" {
		return t.Unix() * 1e9, true
	}
	digits := fraction[1:]
	if fraction[0] != '.' || digits == "" || len(digits) > 9 {
		return 0, false
	}
	for i := range 9 {
		var c byte
		if i < len(digits) {
			if c = digits[i] - '0'; c > 9 {
				return 0, false
			}
		}
		ns = ns*10 + int64(c)
	}
	return t.Unix()*1e9 + ns, true
}
