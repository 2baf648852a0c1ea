// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// pairReader reads /proc/net/snmp and netstat: for each protocol a line of names
// and a line of numbers, "Ip: Forwarding DefaultTTL" and "Ip: 1 64".
type pairReader struct {
	textReader
	node   xmlsysd.NodeID
	what   string
	groups []pairGroup
}

type pairGroup struct {
	line  string
	names names
}

func newSNMPReader(e *Engine) reader {
	return newPairReader(e, "snmp", smallSize*2, "Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "UdpLite")
}

func newNetstatReader(e *Engine) reader {
	return newPairReader(e, "netstat", largeSize, "TcpExt", "IpExt", "MPTcpExt")
}

// newPairReader takes the protocols in the order of their elements, whose tags are
// the protocols' names in small letters.
func newPairReader(e *Engine, name string, size int, lines ...string) reader {
	p := &pairReader{node: e.model.Must("proc/net/" + name), what: "/proc/net/" + name}
	for _, line := range lines {
		tag := string(bytes.ToLower([]byte(line)))
		p.groups = append(p.groups, pairGroup{line, newNames(e.model, "proc/net/"+name+"/"+tag)})
	}
	p.textReader = *newTextReader(e.prompt("net/"+name, size, reread.Whole), p.parsePairs)
	return p
}

func (p *pairReader) parsePairs(r *request, text []byte) (bad error) {
	r.tape.Open(p.node, r.at)
	defer r.tape.Close()
	next := 0 // groups come in their order, some may not come
	for len(text) > 0 {
		var heads, values []byte
		heads, text = cutLine(text)
		values, text = cutLine(text)
		key, names, ok := cutColon(heads)
		again, counts, ok2 := cutColon(values)
		if !ok || !ok2 || !bytes.Equal(key, again) {
			return unexpected(p.what, heads)
		}
		for i := next; i < len(p.groups); i++ {
			if g := &p.groups[i]; g.line == string(key) {
				if next = i + 1; !g.add(r.tape, names, counts) {
					bad = unexpected(p.what, values)
				}
				break
			}
		}
	}
	return bad
}

// add adds a protocol.
func (g *pairGroup) add(t *xmlsysd.Tape, heads, values []byte) bool {
	t.Open(g.names.parent, xmlsysd.Stamp{})
	defer t.Close()
	g.names.begin()
	for {
		var head, value []byte
		head, heads = cutWord(heads)
		value, values = cutWord(values)
		if len(head) == 0 {
			return len(value) == 0
		}
		if !isNumber(value) {
			return false
		}
		if id, ok := g.names.node(head, ""); ok {
			t.Leaf(id, value)
		}
	}
}

// linesReader is a file of lines of a name and a number.
type linesReader struct {
	textReader
	names
	what string
}

func newSNMP6Reader(e *Engine) reader {
	l := &linesReader{names: newNames(e.model, "proc/net/snmp6"), what: "/proc/net/snmp6"}
	l.textReader = *newTextReader(e.prompt("net/snmp6", pageSize*2, reread.Lines), l.parse)
	return l
}

func (l *linesReader) parse(r *request, text []byte) error {
	r.tape.Open(l.parent, r.at)
	defer r.tape.Close()
	return l.parseLines(r.tape, text, l.what)
}

func (l *linesReader) read(r *request) error { return l.textReader.read(r) }
