// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package roster

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// Error says what is wrong with a file, and in which line.
type Error struct {
	Path string
	Line int
	Err  error
}

// Error gives file, line and reason.
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// element is an element of a file.
type element struct {
	name     string
	id       string // the attribute
	text     string
	line     int
	children []*element
}

// parse reads a document, by the same strict rules as messages of hosts.
func parse(path string, doc []byte) (*element, error) {
	var s xmlsysd.Scanner
	s.Reset(doc)
	line, counted := 1, 0
	here := func() int {
		at := min(s.Offset(), len(doc))
		line += bytes.Count(doc[counted:max(counted, at)], []byte("\n"))
		counted = max(counted, at)
		return line
	}
	root := &element{}
	open := []*element{root}
	for {
		token, err := s.Next()
		if err != nil {
			if p, ok := errors.AsType[*xmlsysd.ProtocolError](err); ok {
				at := min(p.Offset, len(doc))
				return nil, &Error{path, 1 + bytes.Count(doc[:at], []byte("\n")), fmt.Errorf("%w: want %s", p.Err, p.Want)}
			}
			return nil, err
		}
		top := open[len(open)-1]
		switch token {
		case xmlsysd.EOF:
			return root.children[0], nil
		case xmlsysd.Start:
			e := &element{name: string(s.Name()), id: string(s.Attr("id")), line: here()}
			top.children = append(top.children, e)
			top.text += strings.TrimSpace(string(s.Text()))
			open = append(open, e)
		default:
			top.text += strings.TrimSpace(string(s.Text()))
			open = open[:len(open)-1]
		}
	}
}

// child returns the text of a child and its line; the last one counts.
func (e *element) child(name string) (text string, line int) {
	line = e.line
	for _, c := range e.children {
		if c.name == name {
			text, line = c.text, c.line
		}
	}
	return text, line
}
