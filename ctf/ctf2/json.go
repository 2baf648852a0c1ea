// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// kind is the kind of a JSON value.
type kind uint8

const (
	objectKind kind = iota + 1
	arrayKind
	stringKind
	numberKind
	boolKind
	nullKind
)

// source is the text of one fragment.
type source struct {
	text     []byte // without the record separator
	fragment int    // from the start of the stream
	base     int64  // offset of text from the start of the stream
}

// node is a JSON value that remembers where it stands: what package json offers
// keeps neither the order of properties nor their places.
type node struct {
	kind       kind
	start, end int    // bytes of the source
	text       string // of a string, number or boolean
	name       string // of the property, when the parent is an object
	index      int    // in the parent
	parent     *node
	kids       []*node // elements, or values of properties
	src        *source
}

// raw is the text of the value.
func (n *node) raw() []byte { return n.src.text[n.start:n.end] }

// property returns the value of an object's property, or nil.
func (n *node) property(name string) *node {
	for _, kid := range n.kids {
		if kid.name == name {
			return kid
		}
	}
	return nil
}

// uint is the value of a number that is an integer of 64 bits without sign.
func (n *node) uint() (uint64, bool) {
	v, ok := n.integer()
	return v.bits, ok && !v.negative
}

// integer is the value of a number that is an integer and fits in 64 bits.
func (n *node) integer() (integer, bool) {
	if n.kind != numberKind {
		return integer{}, false
	}
	if v, err := strconv.ParseUint(n.text, 10, 64); err == nil {
		return integer{bits: v}, true
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	return integer{bits: uint64(v), negative: v < 0}, err == nil
}

// tree reads one JSON object.
type tree struct {
	*json.Decoder
	src *source
}

// parseObject reads the text of a fragment, which is one JSON object.
func parseObject(src *source) (*node, *Error) {
	t := &tree{json.NewDecoder(bytes.NewReader(src.text)), src}
	t.UseNumber()
	root, err := t.value(nil, 0)
	if err != nil {
		return nil, err
	}
	if rest := bytes.TrimLeft(src.text[root.end:], " \t\r\n"); len(rest) > 0 {
		end := &node{start: len(src.text) - len(rest), src: src}
		return nil, failure(end, quote(string(bytes.TrimSpace(rest))), "the end of the fragment")
	}
	if root.kind != objectKind {
		return nil, failure(root, root.describe(), "an object")
	}
	return root, nil
}

// token reads the next token, and tells where it starts.
func (t *tree) token() (json.Token, int, *Error) {
	start := int(t.InputOffset())
	for start < len(t.src.text) && bytes.IndexByte([]byte(" \t\r\n,:"), t.src.text[start]) >= 0 {
		start++
	}
	tok, err := t.Token()
	if err == nil {
		return tok, start, nil
	}
	at := &node{start: start, src: t.src}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at.start = min(int(syntax.Offset), len(t.src.text))
		return nil, 0, failure(at, quote(syntax.Error()), "JSON")
	}
	at.start = len(t.src.text)
	return nil, 0, failure(at, "the end of the fragment", "more JSON")
}

func (t *tree) value(parent *node, depth int) (*node, *Error) {
	tok, start, err := t.token()
	if err != nil {
		return nil, err
	}
	n := &node{start: start, parent: parent, src: t.src}
	switch v := tok.(type) {
	case json.Delim:
		if depth == MaxDepth {
			return nil, failure(n, "more levels", fmt.Sprintf("at most %d levels of nesting", MaxDepth))
		}
		n.kind = objectKind
		if v == '[' {
			n.kind = arrayKind
		}
		err = t.children(n, depth+1)
	case string:
		n.kind, n.text = stringKind, v
	case json.Number:
		n.kind, n.text = numberKind, v.String()
	case bool:
		n.kind, n.text = boolKind, strconv.FormatBool(v)
	default:
		n.kind = nullKind
	}
	n.end = int(t.InputOffset())
	return n, err
}

// children reads what an object or array holds, and its end.
func (t *tree) children(n *node, depth int) *Error {
	var seen map[string]bool // names of properties
	if n.kind == objectKind {
		seen = make(map[string]bool)
	}
	for t.More() {
		name := ""
		if seen != nil {
			tok, start, err := t.token()
			if err != nil {
				return err
			}
			name, _ = tok.(string) // the decoder takes nothing else here
			if seen[name] {
				return failure(&node{start: start, parent: n, name: name, src: t.src},
					"the property twice", "it once")
			}
			seen[name] = true
		}
		kid, err := t.value(n, depth)
		if err != nil {
			return err
		}
		kid.name, kid.index = name, len(n.kids)
		n.kids = append(n.kids, kid)
	}
	_, _, err := t.token()
	return err
}
