// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// stand is shown in place of what is not fit for a terminal.
const stand = '·'

// Clean makes a text of a host fit for a terminal and a log: control characters,
// invalid bytes and what is invisible or changes the direction of writing become
// dots.
func Clean(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = stand
		}
		b.WriteRune(r)
	}
	return b.String()
}
