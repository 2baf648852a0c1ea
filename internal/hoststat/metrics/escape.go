// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import "unicode/utf8"

// appendLabel appends a label, behind a comma if there are others. The name is that
// of labelName.
func appendLabel(b []byte, name string, value []byte) []byte {
	if len(b) > 0 && b[len(b)-1] == '"' {
		b = append(b, ',')
	}
	b = append(b, name...)
	b = appendEscaped(b, value)
	return append(b, '"')
}

// appendEscaped appends a label's value: with backslashes before the characters
// that mean something, and U+FFFD for what is not UTF-8 and for zeroes. Either
// would make parsers refuse all of the exposition.
func appendEscaped(b, value []byte) []byte {
	from := 0
	for i := 0; i < len(value); {
		c := value[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(value[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, value[from:i]...)
				b = utf8.AppendRune(b, utf8.RuneError)
				from = i + 1
			}
			i += size
			continue
		}
		i++
		var to string
		switch c {
		case '\\':
			to = `\\`
		case '"':
			to = `\"`
		case '\n':
			to = `\n`
		case 0:
			to = string(utf8.RuneError)
		default:
			continue
		}
		b = append(b, value[from:i-1]...)
		b = append(b, to...)
		from = i
	}
	return append(b, value[from:]...)
}
