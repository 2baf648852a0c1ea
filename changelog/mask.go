// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import "strings"

// Mask is a set of types. Marks are in every mask that ParseMask returns.
type Mask uint32

const (
	// AllMask is every type.
	AllMask Mask = 1<<numTypes - 1
	// DefaultMask is all but ATIME, OPEN, GXATR and NOPEN.
	DefaultMask = AllMask &^ (1<<Atime | 1<<Open | 1<<Getxattr | 1<<DeniedOpen)
	// minMask is what cannot be masked.
	minMask Mask = 1 << Mark
)

// Has reports whether a type is in the set.
func (m Mask) Has(t Type) bool { return t < numTypes && m&(1<<t) != 0 }

// String returns the words of the set, with commas between them; ParseMask reads it.
func (m Mask) String() string {
	var b strings.Builder
	for t := range numTypes {
		if m.Has(t) {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(t.String())
		}
	}
	return b.String()
}

// ParseMask reads a list of types in the manner of Lustre's changelog masks: words
// with a comma, a plus or space before them are added, with a minus taken away. A
// list that begins with a sign starts from DefaultMask, any other from nothing. ALL
// is every type. The case of letters does not matter. Errors are of type *Error.
func ParseMask(text string) (Mask, error) {
	fail := func(offset int, got, want string) (Mask, error) {
		return 0, &Error{Form: "mask", Offset: offset, Got: got, Want: want}
	}
	mask, words := minMask, 0
	for i := 0; ; {
		for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == ',') {
			i++
		}
		if i == len(text) {
			break
		}
		sign := byte('+')
		if text[i] == '+' || text[i] == '-' {
			if words == 0 {
				mask = DefaultMask
			}
			sign = text[i]
			for i++; i < len(text) && (text[i] == ' ' || text[i] == '\t'); {
				i++
			}
		}
		end := i
		for end < len(text) && !strings.ContainsRune(" \t,+-", rune(text[end])) {
			end++
		}
		set, ok := maskOf(text[i:end])
		if !ok {
			return fail(i, quoted(text[i:end]), "a type of records, as CREAT, or ALL")
		}
		if sign == '-' {
			mask &^= set
		} else {
			mask |= set
		}
		i = end
		words++
	}
	if words == 0 {
		return fail(0, quoted(text), "types of records, as CREAT,UNLNK or -CLOSE")
	}
	return mask | minMask, nil
}

func maskOf(word string) (Mask, bool) {
	if strings.EqualFold(word, "ALL") {
		return AllMask, true
	}
	t, ok := typeOf(word)
	return 1 << t, ok
}
