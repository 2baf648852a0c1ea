// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse demands that every text is refused with a place inside of it or
// reads as what prints to the same again and matches alike.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if verb, rest, ok := strings.Cut(line, " "); ok && verb != "#" && verb != "row" {
				f.Add(rest)
			}
		}
	}
	l := propertyLayout()
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			refused := err.(*Error)
			if refused.Offset < 0 || refused.Offset > len(text) || refused.Got == "" || refused.Want == "" {
				t.Fatalf("%#v", refused)
			}
			refused.Caret()
			return
		}
		printed := e.String()
		again, err := Parse(printed)
		if err != nil {
			if len(printed) > MaxLength {
				return // longer in print
			}
			t.Fatalf("%q prints as %q: %v", text, printed, err)
		}
		if got := again.String(); got != printed {
			t.Fatalf("%q prints as %q, then as %q", text, printed, got)
		}
		match := func(e *Expr) bool {
			p, err := Compile(e, View, l.resolve)
			if err != nil {
				t.Fatal(err)
			}
			return p.Match(&l.row)
		}
		if want := match(e); match(again) != want || match(e.Fold()) != want {
			t.Fatalf("%q: match = %v, when printed %v, when folded %v", text, want, match(again), match(e.Fold()))
		}
		if p, err := Compile(e, LTTng, l.resolve); err == nil {
			p.Match(&l.row)
		}
	})
}

// FuzzGlob compares with the slow way to match.
func FuzzGlob(f *testing.F) {
	f.Add("a*b", "ab")
	f.Add(`a\*`, "a*")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 16 {
			return // too slow
		}
		if got, want := NewGlob(pattern).Match([]byte(text)), slowMatch(pattern, text); got != want {
			t.Fatalf("NewGlob(%q).Match(%q) = %v, want %v", pattern, text, got, want)
		}
	})
}
