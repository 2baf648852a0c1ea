// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// appendJSONString appends text of an encoding as a JSON string. What is no
// text in the encoding is U+FFFD.
func appendJSONString(dst, s []byte, e schema.Encoding) []byte {
	dst = append(dst, '"')
	if e > schema.UTF8 {
		for len(s) > 0 {
			var r rune
			r, s = nextRune(s, e)
			dst = appendJSONRune(dst, r)
		}
		return append(dst, '"')
	}
	for {
		i := 0
		for i < len(s) && s[i] >= 0x20 && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
			i++
		}
		dst = append(dst, s[:i]...)
		if i == len(s) {
			return append(dst, '"')
		}
		r, n := utf8.DecodeRune(s[i:])
		dst = appendJSONRune(dst, r)
		s = s[i+n:]
	}
}

func appendJSONRune(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r >= 0 && r < 0x20:
		return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	default:
		return utf8.AppendRune(dst, r)
	}
}

// appendJSONFloat appends the shortest number that reads back as the same; what
// JSON has no numbers for is a string.
func appendJSONFloat(dst []byte, w uint64, c *schema.Float) []byte {
	v := ctf.FloatOf(w, c)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(appendNotFinite(append(dst, '"'), v), '"')
	}
	return strconv.AppendFloat(dst, v, 'g', -1, int(c.Size))
}
