// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/weir-io/weir/ctf/schema"
)

// escapes are the texts that stand for bytes in quoted text; "" where the byte
// stands for itself. Bytes above 0x7F do, whether they are valid UTF-8 or not.
var escapes = func() (t [256]string) {
	for c := range byte(0x20) {
		t[c] = fmt.Sprintf(`\x%02x`, c)
	}
	t[0x7f] = `\x7f`
	for c, e := range map[byte]string{
		0: `\0`, '\a': `\a`, '\b': `\b`, 0x1b: `\e`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\v': `\v`,
		'\\': `\\`, '\'': `\'`, '"': `\"`, '?': `\?`,
	} {
		t[c] = e
	}
	return t
}()

// plain tells the bytes that stand for themselves.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = escapes[c] == ""
	}
	return t
}()

// appendQuoted appends text in quotation marks.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		n := 0
		dst, n = appendPlain(dst, s)
		if n == len(s) {
			return append(dst, '"')
		}
		dst = append(dst, escapes[s[n]]...)
		s = s[n+1:]
	}
}

// appendQuotedText appends text up to its first zero in quotation marks.
func appendQuotedText(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		n := 0
		dst, n = appendPlain(dst, s)
		if n == len(s) || s[n] == 0 {
			return append(dst, '"')
		}
		dst = append(dst, escapes[s[n]]...)
		s = s[n+1:]
	}
}

// appendPlain appends text up to the first byte that needs an escape, and
// returns where that is: eight bytes at a time, as most text has none.
func appendPlain(dst, s []byte) ([]byte, int) {
	n := len(dst)
	dst = slices.Grow(dst, len(s)+8)
	dst = dst[:n+len(s)]
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		if hasEscape(w) {
			break
		}
		binary.LittleEndian.PutUint64(dst[n+i:], w)
	}
	for ; i < len(s) && plain[s[i]]; i++ {
		dst[n+i] = s[i]
	}
	return dst[:n+i], i
}

// hasEscape reports whether any of eight bytes needs an escape. It may say so
// too when one is near a byte that does.
func hasEscape(w uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	// A byte that is zero becomes one with the top bit set, and lends.
	zeros := func(v uint64) uint64 { return (v - ones) & ^v }
	control := (w - 0x20*ones) & ^w
	return (control|zeros(w^0x7f*ones)|zeros(w^'"'*ones)|zeros(w^'\''*ones)|zeros(w^'?'*ones)|zeros(w^'\\'*ones))&tops != 0
}

// appendUTF8 appends text of an encoding as UTF-8.
func appendUTF8(dst, s []byte, e schema.Encoding) []byte {
	if e <= schema.UTF8 {
		return append(dst, s...)
	}
	for len(s) > 0 {
		var r rune
		r, s = nextRune(s, e)
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// nextRune takes a character from text: one that the encoding does not have is
// U+FFFD.
func nextRune(s []byte, e schema.Encoding) (rune, []byte) {
	switch e {
	case schema.UTF16BE:
		return nextUTF16(s, binary.BigEndian)
	case schema.UTF16LE:
		return nextUTF16(s, binary.LittleEndian)
	case schema.UTF32BE:
		return nextUTF32(s, binary.BigEndian)
	case schema.UTF32LE:
		return nextUTF32(s, binary.LittleEndian)
	default:
		r, n := utf8.DecodeRune(s)
		return r, s[n:]
	}
}

func nextUTF16(s []byte, order binary.ByteOrder) (rune, []byte) {
	if len(s) < 2 {
		return utf8.RuneError, nil
	}
	hi := rune(order.Uint16(s))
	s = s[2:]
	if hi < 0xd800 || hi > 0xdfff {
		return hi, s
	}
	if hi < 0xdc00 && len(s) >= 2 {
		if lo := rune(order.Uint16(s)); lo >= 0xdc00 && lo <= 0xdfff {
			return 0x10000 + (hi-0xd800)<<10 + lo - 0xdc00, s[2:]
		}
	}
	return utf8.RuneError, s
}

func nextUTF32(s []byte, order binary.ByteOrder) (rune, []byte) {
	if len(s) < 4 {
		return utf8.RuneError, nil
	}
	return rune(min(order.Uint32(s), 0x7fffffff)), s[4:] // AppendRune replaces what is none
}

// appendQuotedWide appends text of another encoding than UTF-8 in quotation
// marks.
func appendQuotedWide(dst, s []byte, e schema.Encoding) []byte {
	if e <= schema.UTF8 {
		return appendQuoted(dst, s)
	}
	dst = append(dst, '"')
	for len(s) > 0 {
		var r rune
		if r, s = nextRune(s, e); r < utf8.RuneSelf && r >= 0 && escapes[r] != "" {
			dst = append(dst, escapes[r]...)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
