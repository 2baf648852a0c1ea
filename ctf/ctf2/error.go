// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"fmt"
	"strconv"
	"strings"
)

// Error says what is wrong with a metadata stream, and where.
type Error struct {
	Fragment int    // from the start of the stream, 0 is the preamble
	Offset   int64  // bytes, from the start of the stream
	Path     string // JSON path within the fragment, "" for all of it
	Got      string
	Want     string
}

// Error gives the message on one line.
func (e *Error) Error() string {
	at := fmt.Sprintf("ctf2: fragment %d at offset %d: ", e.Fragment, e.Offset)
	if e.Path != "" {
		at += e.Path + ": "
	}
	return at + "got " + e.Got + ", want " + e.Want
}

// failure makes an error about a JSON value.
func failure(n *node, got, want string) *Error {
	return &Error{
		Fragment: n.src.fragment,
		Offset:   n.src.base + int64(n.start),
		Path:     n.path(),
		Got:      got,
		Want:     want,
	}
}

// path is the JSON path of a value: "field-class.member-classes[2].name".
func (n *node) path() string {
	var steps []string
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind == arrayKind {
			steps = append(steps, "["+strconv.Itoa(n.index)+"]")
		} else {
			steps = append(steps, "."+printable(n.name))
		}
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteString(steps[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// maxShown bounds how much of a stranger's text an error repeats, in bytes.
const maxShown = 60

// printable is a property name in a path: quoted where it is no plain word.
func printable(name string) string {
	plain := name != "" && len(name) <= maxShown && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`."[]\`, r)
	})
	if plain {
		return name
	}
	return quote(name)
}

// quote is a text of any length and content as part of a message.
func quote(s string) string {
	if len(s) > maxShown {
		return strconv.QuoteToASCII(s[:maxShown]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// describe is a JSON value as part of a message.
func (n *node) describe() string {
	switch n.kind {
	case stringKind:
		return quote(n.text)
	case numberKind:
		if len(n.text) > maxShown {
			return n.text[:maxShown] + "..."
		}
		return n.text
	case boolKind:
		return n.text
	case nullKind:
		return "null"
	case arrayKind:
		return "an array of " + strconv.Itoa(len(n.kids))
	default:
		return "an object"
	}
}
