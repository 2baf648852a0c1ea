// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// needDetail is all of /proc/meminfo by the kernel's names.
const needDetail need = 1

// meminfoReader reads /proc/meminfo.
type meminfoReader struct {
	textReader
	meminfo, memory, swap xmlsysd.NodeID
	memoryLeaves          []xmlsysd.NodeID // total used free shared buffers cached available
	swapLeaves            []xmlsysd.NodeID // total used free
	detail                names
}

func newMeminfoReader(e *Engine) reader {
	m := e.model
	const at = "proc/meminfo"
	r := &meminfoReader{
		meminfo: m.Must(at), memory: m.Must(at + "/memory"), swap: m.Must(at + "/swap"),
		memoryLeaves: nodesOf(m, at+"/memory", "total", "used", "free", "shared", "buffers", "cached", "available"),
		swapLeaves:   nodesOf(m, at+"/swap", "total", "used", "free"),
		detail:       newNames(m, at+"/detail"),
	}
	r.textReader = *newTextReader(e.prompt("meminfo", pageSize, reread.Whole), r.parseMeminfo)
	return r
}

// amounts are numbers of bytes, each with whether the file has it.
type amounts struct {
	total, free, shared, buffers, cached, available, swapTotal, swapFree amount
}

type amount struct {
	bytes uint64
	known bool
}

// of returns where the number of a key goes, nil for others.
func (a *amounts) of(key []byte) *amount {
	switch string(key) {
	case "MemTotal":
		return &a.total
	case "MemFree":
		return &a.free
	case "Shmem", "MemShared": // of Linux 2.4
		return &a.shared
	case "Buffers":
		return &a.buffers
	case "Cached":
		return &a.cached
	case "MemAvailable":
		return &a.available
	case "SwapTotal":
		return &a.swapTotal
	case "SwapFree":
		return &a.swapFree
	}
	return nil
}

func (m *meminfoReader) parseMeminfo(r *request, text []byte) (bad error) {
	t := r.tape
	t.Open(m.meminfo, r.at)
	defer t.Close()
	var a amounts
	for rest := text; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		key, value, _, ok := amountLine(line)
		if !ok {
			if bad == nil {
				bad = unexpected("/proc/meminfo", line)
			}
			continue
		}
		if to := a.of(key); to != nil {
			*to = amount{value, true}
		}
	}
	t.Open(m.memory, xmlsysd.Stamp{})
	l := m.memoryLeaves
	addAmounts(t, l[0], l[1], l[2], a.total, a.free)
	for i, v := range [...]amount{a.shared, a.buffers, a.cached, a.available} {
		if v.known {
			t.Uint(l[3+i], v.bytes)
		}
	}
	t.Close()
	t.Open(m.swap, xmlsysd.Stamp{})
	addAmounts(t, m.swapLeaves[0], m.swapLeaves[1], m.swapLeaves[2], a.swapTotal, a.swapFree)
	t.Close()
	if r.need&needDetail != 0 {
		t.Open(m.detail.parent, xmlsysd.Stamp{})
		m.detail.addAmountLines(t, text)
		t.Close()
	}
	return bad
}

// addAmounts adds total, used and free.
func addAmounts(t *xmlsysd.Tape, total, used, free xmlsysd.NodeID, all, unused amount) {
	if all.known {
		t.Uint(total, all.bytes)
	}
	if all.known && unused.known {
		t.Uint(used, all.bytes-min(unused.bytes, all.bytes))
	}
	if unused.known {
		t.Uint(free, unused.bytes)
	}
}

// addAmountLines adds a leaf for each line.
func (n *names) addAmountLines(t *xmlsysd.Tape, text []byte) {
	n.begin()
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, value, unit, ok := amountLine(line)
		if !ok {
			continue
		}
		if id, ok := n.node(key, unit); ok {
			t.Uint(id, value)
		}
	}
}

// amountLine reads "MemTotal:   16 kB", in bytes, or "HugePages_Free:  1", in
// pages.
func amountLine(line []byte) (key []byte, value uint64, unit string, ok bool) {
	key, rest, found := cutColon(line)
	if !found || len(key) == 0 {
		return nil, 0, "", false
	}
	word, rest := cutWord(rest)
	if value, ok = number(word); !ok {
		return nil, 0, "", false
	}
	if word, _ = cutWord(rest); string(word) == "kB" {
		return key, value << 10, "bytes", true
	}
	return key, value, "pages", true
}
