// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"testing"
)

// What applications order is read for them alone: strings, also such as end in their only
// star.
func TestParseOrdered(t *testing.T) {
	for text, at := range map[string]int{ // of the error; -1: there is none
		`s < "a"`:        -1,
		`"a" >= s`:       -1,
		`"a" < "b"`:      -1,
		`'a' <= "b"`:     -1,
		`s > "a*"`:       -1,
		`s > "\*"`:       -1,
		`s > "*a*"`:      4,
		`"a*b" < s`:      0,
		`"a*" <= "b*"`:   8,
		`1 < "a"`:        4,
		`"a" < (x && y)`: 0,
		`s < "a" + 1`:    4,
	} {
		_, err := ParseOrdered(text)
		var bad *Error
		switch {
		case at < 0 && err == nil:
			if _, err := Parse(text); err == nil {
				t.Errorf("%s is read for all", text)
			}
		case at < 0 || !errors.As(err, &bad) || bad.Offset != at:
			t.Errorf("%s: %v, want an error at %d, or none for -1", text, err, at)
		}
	}
}
