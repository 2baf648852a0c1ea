// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"iter"
	"strconv"
	"time"
)

// maxElements bounds what a Document holds of hostile input.
const maxElements = 1 << 20

// Document is a message as a tree. It is for looking things up; whoever reads the
// same leaves of many messages takes a [Reading].
type Document struct {
	elements []element
	attrs    []Attr
}

type element struct {
	name        string
	text        string
	attrs       [2]int // in Document.attrs
	child, next int    // first child, next sibling; 0: none
}

// ParseDocument reads the body of a message. The document is independent of it.
func ParseDocument(body []byte) (*Document, error) {
	d := new(Document)
	var s Scanner
	s.Reset(bytes.Clone(body))
	var open, last [MaxDepth + 1]int // by depth: the element, and its last child
	for {
		token, err := s.Next()
		switch {
		case err != nil:
			return nil, err
		case token == EOF:
			return d, nil
		case token == Start:
			if len(d.elements) == maxElements {
				return nil, s.fail(ErrTooLong, "at most a million elements")
			}
			id := d.add(&s)
			up := s.Depth() - 1
			switch {
			case up == 0:
			case last[up] == 0:
				d.elements[open[up]].child = id
			default:
				d.elements[last[up]].next = id
			}
			last[up], open[up+1], last[up+1] = id, id, 0
		default:
			if e := &d.elements[open[s.Depth()+1]]; e.child == 0 {
				e.text = string(s.Text())
			}
		}
	}
}

func (d *Document) add(s *Scanner) int {
	from := len(d.attrs)
	for _, a := range s.Attrs() {
		d.attrs = append(d.attrs, Attr{bytes.Clone(a.Name), bytes.Clone(a.Value)})
	}
	d.elements = append(d.elements, element{name: string(s.Name()), attrs: [2]int{from, len(d.attrs)}})
	return len(d.elements) - 1
}

// Root returns the element xmlsysd.
func (d *Document) Root() Element { return Element{d, 0, ""} }

// Find returns the only element of a path: see [Element.Find].
func (d *Document) Find(path string) (Element, error) { return d.Root().Find(path) }

// All returns the elements of a path: see [Element.Find].
func (d *Document) All(path string) ([]Element, error) { return d.Root().All(path) }

// Text returns the text of a leaf.
func (d *Document) Text(path string) (string, error) { return d.Root().Text(path) }

// Uint returns the number of a leaf.
func (d *Document) Uint(path string) (uint64, error) { return d.Root().Uint(path) }

// Int returns the number of a leaf.
func (d *Document) Int(path string) (int64, error) { return d.Root().Int(path) }

// Float returns the number of a leaf.
func (d *Document) Float(path string) (float64, error) { return d.Root().Float(path) }

// Time returns when the source of an element was read.
func (d *Document) Time(path string) (time.Time, error) { return d.Root().Time(path) }

// Element is an element of a document.
type Element struct {
	d    *Document
	id   int
	path string // by which it was found, for errors
}

// Name returns the element's tag.
func (e Element) Name() string { return e.d.elements[e.id].name }

// Children returns the elements in an element, in their order.
func (e Element) Children() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for id := e.d.elements[e.id].child; id > 0; id = e.d.elements[id].next {
			if !yield(Element{e.d, id, e.path + "/" + e.d.elements[id].name}) {
				return
			}
		}
	}
}

// Attrs returns the attributes of an element, not to be changed.
func (e Element) Attrs() []Attr {
	r := e.d.elements[e.id].attrs
	return e.d.attrs[r[0]:r[1]:r[1]]
}

// Attr returns an attribute, and whether the element has it.
func (e Element) Attr(name string) (string, bool) {
	for _, a := range e.Attrs() {
		if string(a.Name) == name {
			return string(a.Value), true
		}
	}
	return "", false
}

// Find returns the only element of a path below an element; an empty path is the
// element itself. A path is tags and predicates on attributes, as in
//
//	/xmlsysd/proc/net/dev/interface[@devtype="eth" and @devid="0"]/receive/bytes
//
// of which the root may be left out, the and, the quotes, the @ and a bracket
// that a slash follows: so does the description of 2002. It fails with a
// [*PathError] where there is no such element, or several.
func (e Element) Find(path string) (Element, error) {
	all, err := e.All(path)
	switch {
	case err != nil:
		return Element{}, err
	case len(all) > 1:
		return Element{}, e.fail(path, "there are "+strconv.Itoa(len(all))+" of it")
	}
	return all[0], nil
}

// All returns all elements of a path, at least one.
func (e Element) All(path string) ([]Element, error) {
	steps, err := parseXPath(path)
	if err != nil {
		return nil, e.fail(path, err.Error())
	}
	if len(steps) > 0 && steps[0].name == e.Name() && e.id == 0 {
		steps = steps[1:]
	}
	at := []Element{{e.d, e.id, e.path}}
	for i := range steps {
		var next []Element
		for _, parent := range at {
			for c := range parent.Children() {
				if steps[i].matches(c) {
					next = append(next, c)
				}
			}
		}
		if len(next) == 0 {
			return nil, e.fail(path, "no "+steps[i].text)
		}
		at = next
	}
	return at, nil
}

// Text returns the text of the only element of a path.
func (e Element) Text(path string) (string, error) {
	leaf, err := e.Find(path)
	if err != nil {
		return "", err
	}
	if leaf.d.elements[leaf.id].child > 0 {
		return "", e.fail(path, "no leaf")
	}
	return leaf.d.elements[leaf.id].text, nil
}

// Uint returns the number of a leaf.
func (e Element) Uint(path string) (uint64, error) {
	text, err := e.Text(path)
	if err != nil {
		return 0, err
	}
	v, ok := parseUint([]byte(text))
	if !ok {
		return 0, e.fail(path, "no number without sign: "+excerpt([]byte(text), 0))
	}
	return v, nil
}

// Int returns the number of a leaf.
func (e Element) Int(path string) (int64, error) {
	text, err := e.Text(path)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(string(bytes.TrimSpace([]byte(text))), 10, 64)
	if err != nil {
		return 0, e.fail(path, "no integer: "+excerpt([]byte(text), 0))
	}
	return v, nil
}

// Float returns the number of a leaf.
func (e Element) Float(path string) (float64, error) {
	text, err := e.Text(path)
	if err != nil {
		return 0, err
	}
	v, ok := parseFloat([]byte(text))
	if !ok {
		return 0, e.fail(path, "no number: "+excerpt([]byte(text), 0))
	}
	return v, nil
}

// Time returns when the source of the only element of a path was read, from its
// attributes tv_sec and tv_usec.
func (e Element) Time(path string) (time.Time, error) {
	found, err := e.Find(path)
	if err != nil {
		return time.Time{}, err
	}
	sec, _ := found.Attr("tv_sec")
	usec, _ := found.Attr("tv_usec")
	s, err := strconv.ParseInt(sec, 10, 64)
	us, err2 := strconv.ParseInt(usec, 10, 64)
	if err != nil || err2 != nil || us < 0 || us > 999999 {
		return time.Time{}, e.fail(path, "no time")
	}
	return time.Unix(s, us*1000), nil
}

func (e Element) fail(path, reason string) error {
	return &PathError{Path: path, Below: e.path, Reason: reason}
}
