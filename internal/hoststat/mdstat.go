// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// mdstatReader reads /proc/mdstat, a text for people:
//
//	md0 : active raid1 sdb1[1] sda1[0](F)
//	      1953382464 blocks super 1.2 [2/1] [_U]
//	      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min
type mdstatReader struct {
	textReader
	mdstat, array xmlsysd.NodeID
	leaves        []xmlsysd.NodeID // state level disks_total _active _failed _spare blocks _synced
}

// mdArray is an array while its lines are read.
type mdArray struct {
	name, state, level           []byte
	total, active, failed, spare uint64
	blocks, synced               uint64
	known                        bool // total and active were told
	syncing                      bool
}

func newMdstatReader(e *Engine) reader {
	const at = "proc/mdstat"
	m := &mdstatReader{
		mdstat: e.model.Must(at), array: e.model.Must(at + "/array"),
		leaves: nodesOf(e.model, at+"/array", "state", "level", "disks_total", "disks_active", "disks_failed", "disks_spare", "blocks", "blocks_synced"),
	}
	m.textReader = *newTextReader(reread.New(e.proc("mdstat"), pageSize, reread.Pieces), m.parseMdstat)
	return m
}

func (m *mdstatReader) parseMdstat(r *request, text []byte) error {
	r.tape.Open(m.mdstat, r.at)
	defer r.tape.Close()
	var a mdArray
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		indented := len(line) == 0 || line[0] == ' ' || line[0] == '\t'
		switch {
		case !indented:
			m.add(r.tape, &a)
			a = arrayLine(line)
		case a.name != nil:
			a.more(line)
		}
	}
	m.add(r.tape, &a)
	return nil
}

// arrayLine reads the first line of an array. Other lines give an array without a
// name.
func arrayLine(line []byte) (a mdArray) {
	name, rest := cutWord(line)
	colon, rest := cutWord(rest)
	if string(colon) != ":" || !bytes.HasPrefix(name, []byte("md")) {
		return a
	}
	a.name = name
	a.state, rest = cutWord(rest)
	for {
		var word []byte
		if word, rest = cutWord(rest); len(word) == 0 {
			return a
		}
		switch {
		case word[0] == '(': // (read-only), (auto-read-only)
		case bytes.IndexByte(word, '[') < 0:
			a.level = word
		default:
			a.total++
			switch {
			case bytes.Contains(word, []byte("(F)")):
				a.failed++
			case bytes.Contains(word, []byte("(S)")):
				a.spare++
			default:
				a.active++
			}
		}
	}
}

// more reads a further line of an array.
func (a *mdArray) more(line []byte) {
	word, rest := cutWord(line)
	if n, ok := number(word); ok {
		if unit, _ := cutWord(rest); string(unit) == "blocks" {
			a.blocks = n
		}
	}
	if total, active, ok := fraction(line, '[', ']'); ok && !a.known {
		a.total, a.active, a.known = total, active, true
	}
	for _, s := range mdStates {
		if !bytes.Contains(line, []byte(s.word)) {
			continue
		}
		a.state, a.syncing = []byte(s.state), true
		if done, _, ok := fraction(line, '(', ')'); ok {
			a.synced = done
		}
	}
}

// mdStates are the words for what is done to an array, and its state meanwhile.
var mdStates = [...]struct{ word, state string }{
	{"recovery", "recovering"}, {"resync", "resyncing"}, {"check", "checking"}, {"reshape", "reshaping"},
}

// fraction finds "[2/1]".
func fraction(line []byte, open, end byte) (a, b uint64, ok bool) {
	for {
		i := bytes.IndexByte(line, open)
		if i < 0 {
			return 0, 0, false
		}
		line = line[i+1:]
		j := bytes.IndexByte(line, end)
		if j < 0 {
			return 0, 0, false
		}
		x, y, found := bytes.Cut(line[:j], slash)
		a, okA := number(x)
		b, okB := number(y)
		if found && okA && okB {
			return a, b, true
		}
	}
}

func (m *mdstatReader) add(t *xmlsysd.Tape, a *mdArray) {
	if a.name == nil {
		return
	}
	if !a.syncing {
		a.synced = a.blocks
	}
	t.Open(m.array, xmlsysd.Stamp{}, a.name)
	t.Leaf(m.leaves[0], a.state)
	if a.level != nil {
		t.Leaf(m.leaves[1], a.level)
	}
	for i, n := range [...]uint64{a.total, a.active, a.failed, a.spare, a.blocks, a.synced} {
		t.Uint(m.leaves[2+i], n)
	}
	t.Close()
}
