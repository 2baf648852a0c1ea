// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"errors"
	"fmt"
	"strings"
)

// PathError says why a path does not lead to what was asked for.
type PathError struct {
	Path   string
	Below  string // path of the element that it begins at; empty for the root
	Reason string
}

// Error gives the reason on one line, without a final dot.
func (e *PathError) Error() string {
	if e.Below == "" {
		return fmt.Sprintf("xmlsysd: path %s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("xmlsysd: path %s below %s: %s", e.Path, e.Below, e.Reason)
}

// xstep is a step of a path: a tag and what its attributes are to be.
type xstep struct {
	name  string
	text  string // as in the path
	attrs []xattr
}

type xattr struct{ name, value string }

var errPath = errors.New("no path: a step is a name and [@attribute=\"value\"]")

func parseXPath(path string) ([]xstep, error) {
	var steps []xstep
	for rest := strings.TrimPrefix(path, "/"); rest != ""; {
		n := strings.IndexAny(rest, "[/")
		if n < 0 {
			n = len(rest)
		}
		step := xstep{name: rest[:n]}
		from := rest
		rest = rest[n:]
		if step.name == "" || strings.ContainsAny(step.name, " ]@=\"'*") {
			return nil, errPath
		}
		for strings.HasPrefix(rest, "[") {
			var err error
			if rest, err = step.predicate(rest[1:]); err != nil {
				return nil, err
			}
		}
		step.text = from[:len(from)-len(rest)]
		steps = append(steps, step)
		if rest == "" {
			break
		}
		if rest[0] != '/' || rest == "/" {
			return nil, errPath
		}
		rest = rest[1:]
	}
	return steps, nil
}

// predicate reads what is in brackets, and returns what is behind.
func (s *xstep) predicate(text string) (rest string, err error) {
	for {
		text = strings.TrimLeft(text, " ")
		if text == "" {
			return "", errPath
		}
		if len(s.attrs) > 0 {
			switch {
			case text[0] == ']':
				return text[1:], nil
			case text[0] == '/':
				return text, nil
			}
		}
		text = strings.TrimPrefix(text, "and ")
		name, value, found := strings.Cut(text, "=")
		name = strings.TrimPrefix(strings.TrimSpace(name), "@")
		value = strings.TrimLeft(value, " ")
		if !found || name == "" || strings.ContainsAny(name, " []/\"'") || value == "" {
			return "", errPath
		}
		var end int
		if q := value[0]; q == '"' || q == '\'' {
			if end = strings.IndexByte(value[1:], q); end < 0 {
				return "", errPath
			}
			text, value = value[end+2:], value[1:end+1]
		} else {
			if end = strings.IndexAny(value, " ]"); end < 0 {
				return "", errPath
			}
			text, value = value[end:], value[:end]
		}
		s.attrs = append(s.attrs, xattr{name, value})
	}
}

func (s *xstep) matches(e Element) bool {
	if e.Name() != s.name {
		return false
	}
	for _, a := range s.attrs {
		if v, ok := e.Attr(a.name); !ok || v != a.value {
			return false
		}
	}
	return true
}
