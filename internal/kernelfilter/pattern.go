// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"strings"

	"github.com/weir-io/weir/internal/filter"
)

// maxPattern is the longest text that the kernel takes.
const maxPattern = 255

// matching translates the comparison of a text with a pattern.
func matching(v *value, pattern filter.Glob) verdict {
	k := v.kernel
	if k == nil {
		return unsaid
	}
	plain, isPlain := pattern.Plain()
	if isPlain {
		return equal(v, plain)
	}
	written, prefix, stars := spellGlob(pattern)
	room := k.size
	if v.kind == userText {
		room = 0
	}
	switch {
	case pattern.Equal(filter.NewGlob("*")) && v.kind != userText:
		return decided(always)
	case room > 0 && len(prefix) > room:
		return decided(never)
	case strings.ContainsAny(written, "\x00\n"):
		return decided(never) // no text has these
	case stars == 1 && prefix != "" && strings.HasSuffix(written, "*") && len(written) <= maxPattern && isSimple(written[:len(written)-1]):
		q := quoteFor(written)
		if q == "" {
			return unsaid
		}
		return decided(like(v, written, q))
	case len(written) > maxPattern || !k.whole && v.kind != userText:
		// The first part alone is weaker, and good for any bytes.
		if head := prefix[:min(len(prefix), maxPattern-1)]; head != "" && isSimple(head) && quoteFor(head) != "" {
			return verdict{yes: like(v, head+"*", quoteFor(head)), no: always}
		}
		return unsaid
	}
	q := quoteFor(written)
	if q == "" {
		return unsaid
	}
	return decided(like(v, written, q))
}

// equal translates the comparison with a text that is no pattern.
func equal(v *value, plain string) verdict {
	k := v.kernel
	switch {
	case v.kind == text && len(plain) > k.size, v.kind == taskName && len(plain) > k.size, strings.ContainsAny(plain, "\x00\n"):
		return decided(never)
	case len(plain) > maxPattern || quoteFor(plain) == "":
		if head := plain[:min(len(plain), maxPattern-1)]; isSimple(head) && quoteFor(head) != "" {
			return verdict{yes: like(v, head+"*", quoteFor(head)), no: always}
		}
		return unsaid
	}
	q := quoteFor(plain)
	name := v.textName()
	return decided(newAtom(name+" == "+q+plain+q, name+" != "+q+plain+q))
}

// like is the condition that a text fits a pattern of the kernel's.
func like(v *value, pattern, quote string) *cond {
	s := v.textName() + " ~ " + quote + pattern + quote
	return newAtom(s, "!("+s+")")
}

// textName is how the kernel's language names a text.
func (v *value) textName() string {
	if v.kind == userText {
		return v.kernel.name + ".ustring"
	}
	return v.kernel.name
}

// quoteFor returns the quotes for a text, which have no escapes: none if it has
// both kinds.
func quoteFor(text string) string {
	for _, q := range []string{`"`, `'`} {
		if !strings.Contains(text, q) {
			return q
		}
	}
	return ""
}

// isSimple reports whether the kernel takes a text before a star as it stands.
func isSimple(head string) bool {
	return head != "" && head[0] != '!' && (head[0] < '0' || head[0] > '9') && !strings.ContainsAny(head, `*?[\`)
}

// spellGlob writes a pattern as the kernel reads it, in a way that makes it match
// the text as a whole: a star in front is two.
func spellGlob(g filter.Glob) (written, prefix string, stars int) {
	var b strings.Builder
	s := g.String()
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '*' {
			if stars++; b.Len() == 0 {
				b.WriteByte('*')
			}
			b.WriteByte('*')
			continue
		}
		if c == '\\' {
			i++
			c = s[i]
		}
		special := strings.IndexByte(`*?[\`, c) >= 0 || b.Len() == 0 && (c == '!' || c >= '0' && c <= '9')
		if special {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
		if stars == 0 {
			prefix += string([]byte{c})
		}
	}
	return b.String(), prefix, stars
}
