// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// sockstatReader reads /proc/net/sockstat and sockstat6: lines
// "TCP: inuse 13 orphan 0 tw 0 alloc 13 mem 1".
type sockstatReader struct {
	textReader
	node   xmlsysd.NodeID
	what   string
	groups []sockGroup // in the order of the elements
}

// sockGroup is a line.
type sockGroup struct {
	line   string // what it begins with
	node   xmlsysd.NodeID
	leaves []sockLeaf
}

// sockLeaf is a number of a line.
type sockLeaf struct {
	key  string
	node xmlsysd.NodeID
}

func newSockstatReader(e *Engine) reader {
	s := newSockReader(e, "sockstat")
	m := e.model
	const at = "proc/net/sockstat/"
	s.groups = []sockGroup{
		{line: "sockets", leaves: sockLeaves(m, at, "used", "used")}, // has no element of its own
		{"TCP", m.Must(at + "tcp"), sockLeaves(m, at+"tcp/", "inuse", "inuse", "orphan", "orphan", "tw", "timewait", "alloc", "alloc", "mem", "mem")},
		{"UDP", m.Must(at + "udp"), sockLeaves(m, at+"udp/", "inuse", "inuse", "mem", "mem")},
		{"RAW", m.Must(at + "raw"), sockLeaves(m, at+"raw/", "inuse", "inuse")},
		{"FRAG", m.Must(at + "frag"), sockLeaves(m, at+"frag/", "inuse", "inuse", "memory", "memory")},
		{"UDPLITE", m.Must(at + "udplite"), sockLeaves(m, at+"udplite/", "inuse", "inuse")},
	}
	return s
}

func newSockstat6Reader(e *Engine) reader {
	s := newSockReader(e, "sockstat6")
	m := e.model
	const at = "proc/net/sockstat6/"
	for _, g := range [...]struct{ line, tag string }{{"TCP6", "tcp6"}, {"UDP6", "udp6"}, {"UDPLITE6", "udplite6"}, {"RAW6", "raw6"}} {
		s.groups = append(s.groups, sockGroup{g.line, m.Must(at + g.tag), sockLeaves(m, at+g.tag+"/", "inuse", "inuse")})
	}
	s.groups = append(s.groups, sockGroup{"FRAG6", m.Must(at + "frag6"), sockLeaves(m, at+"frag6/", "inuse", "inuse", "memory", "memory")})
	return s
}

func newSockReader(e *Engine, name string) *sockstatReader {
	s := &sockstatReader{node: e.model.Must("proc/net/" + name), what: "/proc/net/" + name}
	s.textReader = *newTextReader(e.prompt("net/"+name, smallSize, reread.Whole), s.parseSockstat)
	return s
}

// sockLeaves takes pairs of the kernel's key and the tag.
func sockLeaves(m *xmlsysd.Model, at string, pairs ...string) []sockLeaf {
	var list []sockLeaf
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, sockLeaf{pairs[i], m.Must(at + pairs[i+1])})
	}
	return list
}

func (s *sockstatReader) parseSockstat(r *request, text []byte) error {
	r.tape.Open(s.node, r.at)
	defer r.tape.Close()
	for i := range s.groups {
		if err := s.addGroup(r.tape, &s.groups[i], text); err != nil {
			return err
		}
	}
	return nil
}

// addGroup looks for the line of a group. Each group looks from the beginning: the
// lines are few, and their order is not that of the elements.
func (s *sockstatReader) addGroup(t *xmlsysd.Tape, g *sockGroup, text []byte) (err error) {
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, rest, ok := cutColon(line)
		if !ok {
			return unexpected(s.what, line)
		}
		if string(key) != g.line {
			continue
		}
		if g.node == xmlsysd.Root {
			return s.addLeaves(t, g, rest, line)
		}
		t.Open(g.node, xmlsysd.Stamp{})
		err = s.addLeaves(t, g, rest, line)
		t.Close()
		return err
	}
	return nil
}

func (s *sockstatReader) addLeaves(t *xmlsysd.Tape, g *sockGroup, rest, line []byte) error {
	for i := 0; ; {
		var key, value []byte
		key, rest = cutWord(rest)
		value, rest = cutWord(rest)
		if len(key) == 0 {
			return nil
		}
		if !isNumber(value) {
			return unexpected(s.what, line)
		}
		if i < len(g.leaves) && g.leaves[i].key == string(key) { // the kernel adds at the end
			t.Leaf(g.leaves[i].node, value)
			i++
		}
	}
}
