// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		yes, no []string
	}{
		{"a", []string{"a", "a/b", "a/b/c"}, []string{"", "b", "ab", "b/a"}},
		{"a/b", []string{"a/b", "a/b/c"}, []string{"a", "a/bc", "a/c"}},
		{"*", []string{"a", "a/b", ".hidden"}, nil},
		{"*.c", []string{"a.c", ".c", "a.c/x"}, []string{"d/a.c", "a.cc"}},
		{"**", []string{"", "a", "a/b"}, nil},
		{"**/b", []string{"b", "a/b", "a/x/b", "a/b/c"}, []string{"a", "xb", "a/xb"}},
		{"a/**", []string{"a/b", "a/b/c"}, []string{"a", "b"}},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b", "a/b/c"}, []string{"a", "ab", "a/xb", "b"}},
		{"a**b", []string{"ab", "a/b", "axx/yb"}, []string{"a", "b"}},
		{"**.c", []string{"a.c", "x/a.c"}, []string{"x"}},
		{"**/**/x", []string{"x", "a/x", "a/b/x"}, []string{"ax"}},
		{"?", []string{"a", "é", "\U0001F600", "\xff"}, []string{"ab", "", "éé"}},
		{"a?c", []string{"abc", "aéc", "a\xffc"}, []string{"ac", "a/c", "abbc"}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "x"}},
		{"[!a-c]x", []string{"dx", "éx"}, []string{"ax", "/x", "x"}},
		{"[]]", []string{"]"}, []string{"["}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{`\*`, []string{"*"}, []string{"a"}},
		{`[\]a]`, []string{"]", "a"}, []string{"\\"}},
		{"/", []string{"", "a", "a/b"}, nil},
		{"/a/", []string{"a", "a/b"}, []string{"b"}},
		{"..b64", []string{"..b64"}, []string{"b64"}},
		{"a\nb", []string{"a\nb"}, []string{"a"}},
	} {
		g, err := compileGlob(tt.pattern, "", "", 0, true)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, text := range tt.yes {
			if !g.match([]byte(text)) {
				t.Errorf("%q does not match %q", tt.pattern, text)
			}
		}
		for _, text := range tt.no {
			if g.match([]byte(text)) {
				t.Errorf("%q matches %q", tt.pattern, text)
			}
		}
	}
}

// TestGlobLong has patterns over which engines that go back would still sit when the
// test's time is over.
func TestGlobLong(t *testing.T) {
	text := []byte(strings.Repeat("a", 32000))
	for _, pattern := range []string{
		strings.Repeat("*a", 400) + "b", strings.Repeat("**a", 300) + "b", strings.Repeat("a*", 500) + "b",
		strings.Repeat("?*", 200) + "b", strings.Repeat("**/", 300) + "b",
	} {
		g, err := compileGlob(pattern, "", "", 0, true)
		if err != nil {
			t.Fatal(err)
		}
		if g.match(text) {
			t.Errorf("%.20q… matches", pattern)
		}
	}
	all, err := compileGlob(strings.Repeat("*a", 400), "", "", 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if !all.match(text) {
		t.Error("400 times *a does not match 32,000 times a")
	}
}

// latin1 makes a rune of each byte, so that package regexp sees bytes.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// reference translates a pattern for paths, which compileGlob has taken, into an
// expression over latin1.
func reference(pattern string) *regexp.Regexp {
	pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "/"), "/")
	var b strings.Builder
	behind := `[\x{80}-\x{bf}]{0,3}`
	for i := 0; i < len(pattern); {
		begins := i == 0 || pattern[i-1] == '/'
		switch c := pattern[i]; c {
		case '*':
			n := i
			for n < len(pattern) && pattern[n] == '*' {
				n++
			}
			switch wide := n-i > 1; {
			case wide && begins && n < len(pattern) && pattern[n] == '/':
				b.WriteString(`(?:.*/)?`)
				n++
			case wide:
				b.WriteString(`.*`)
			default:
				b.WriteString(`[^/]*`)
			}
			i = n
		case '?':
			b.WriteString(`[^/]` + behind)
			i++
		case '[':
			end := i + strings.IndexByte(pattern[i:], ']')
			if pattern[i+1] == '!' {
				b.WriteString(`[^/` + pattern[i+2:end] + `]` + behind)
			} else {
				b.WriteString(pattern[i : end+1])
			}
			i = end + 1
		default:
			b.WriteString(regexp.QuoteMeta(latin1([]byte{c})))
			i++
		}
	}
	if pattern == "" {
		return regexp.MustCompile(``)
	}
	return regexp.MustCompile(`^(?s:` + b.String() + `(?:/.*)?)$`)
}

// longGlob is a directory that makes the states of a pattern more than one word, and
// long a text for it.
var (
	longGlob = strings.Repeat("[z]", 70) + "/"
	long     = strings.Repeat("z", 70) + "/"
)

// TestGlobIsItsExpression compares the engine with a regular expression.
func TestGlobIsItsExpression(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", "ab", "/", "/", "*", "**", "**/", "/**/", "?", "[ab]", "[!a]", "\xc3\xa9", ".", "\n"})
	letter := rapid.SampledFrom([]string{"a", "b", "/", "\xc3\xa9", "\x80", "\xff", ".", "\n", "ab/"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(piece, 1, 12).Draw(t, "pattern"), "")
		g, err := compileGlob(pattern, "", "", 0, true)
		if err != nil {
			return
		}
		want := reference(pattern)
		wide, err := compileGlob(longGlob+pattern, "", "", 0, true)
		if err != nil || strings.HasPrefix(pattern, "/") {
			return
		}
		for range 20 {
			text := strings.Join(rapid.SliceOfN(letter, 0, 10).Draw(t, "text"), "")
			if got := g.match([]byte(text)); got != want.MatchString(latin1([]byte(text))) {
				t.Fatalf("%q on %q: %v, want %v (%v)", pattern, text, got, !got, want)
			}
			if got := wide.match([]byte(long + text)); got != want.MatchString(latin1([]byte(text))) {
				t.Fatalf("%q with a long begin on %q: %v, want %v (%v)", pattern, text, got, !got, want)
			}
		}
	})
}

func TestIDSet(t *testing.T) {
	id := rapid.Uint32Range(0, 20)
	ranges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) idRange {
		lo := id.Draw(t, "lo")
		return idRange{lo, lo + rapid.Uint32Range(0, 6).Draw(t, "more")}
	}), 0, 6)
	has := func(ranges []idRange, id uint32) bool {
		for _, r := range ranges {
			if r.lo <= id && id <= r.hi {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		include, exclude := ranges.Draw(t, "include"), ranges.Draw(t, "exclude")
		s := newIDSet(include, exclude, false)
		for id := range uint32(30) {
			if got, want := s.pass(id), has(include, id) && !has(exclude, id); got != want {
				t.Fatalf("%v without %v: %d is %v, want %v (%v)", include, exclude, id, got, want, s.ranges)
			}
		}
	})
}
