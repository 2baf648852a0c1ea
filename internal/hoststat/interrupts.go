// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// needCPUs is a count for each CPU: interrupts × CPUs elements.
const needCPUs need = 1

// interruptsReader reads /proc/interrupts and /proc/softirqs: behind a heading with
// a word for each CPU lines "24: 1 0  IO-APIC 5-edge  ACPI:Ged".
type interruptsReader struct {
	textReader
	what          string
	node, line    xmlsysd.NodeID
	total, source xmlsysd.NodeID
	cpu, count    xmlsysd.NodeID
	hasSource     bool
	cpus          [][]byte // numbers of the CPUs, in the text
	heading       []byte   // of which cpus is made
	counts        []uint64
}

func newInterruptsReader(e *Engine) reader {
	r := newIRQReader(e, "interrupts", "irq", reread.Pieces)
	r.source, r.hasSource = e.model.Must("proc/interrupts/irq/source"), true
	return r
}

func newSoftirqsReader(e *Engine) reader { return newIRQReader(e, "softirqs", "softirq", reread.Whole) }

func newIRQReader(e *Engine, name, line string, kind reread.Kind) *interruptsReader {
	at := "proc/" + name
	m := e.model
	r := &interruptsReader{
		what: "/" + at, node: m.Must(at), line: m.Must(at + "/" + line), total: m.Must(at + "/" + line + "/total"),
		cpu: m.Must(at + "/" + line + "/cpu"), count: m.Must(at + "/" + line + "/cpu/count"),
	}
	r.textReader = *newTextReader(reread.New(e.proc(name), pageSize, kind), r.parseInterrupts)
	return r
}

func (i *interruptsReader) parseInterrupts(r *request, text []byte) (bad error) {
	r.tape.Open(i.node, r.at)
	defer r.tape.Close()
	heading, text := cutLine(text)
	if !i.takeHeading(heading) {
		return unexpected(i.what, heading)
	}
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		if !i.add(r, line) && bad == nil {
			bad = unexpected(i.what, line)
		}
	}
	return bad
}

// takeHeading reads the numbers of the CPUs: those that are offline have no column.
func (i *interruptsReader) takeHeading(heading []byte) bool {
	if len(i.heading) > 0 && bytes.Equal(i.heading, heading) {
		return true
	}
	i.heading, i.cpus = append(i.heading[:0], heading...), i.cpus[:0]
	for rest := i.heading; ; {
		var word []byte
		if word, rest = cutWord(rest); len(word) == 0 {
			break
		}
		id, ok := bytes.CutPrefix(word, []byte("CPU"))
		if !ok || !digits(id) {
			i.heading = i.heading[:0]
			return false
		}
		i.cpus = append(i.cpus, id)
	}
	i.counts = make([]uint64, len(i.cpus))
	return len(i.cpus) > 0
}

func (i *interruptsReader) add(r *request, line []byte) bool {
	id, rest, ok := cutColon(line)
	if !ok || len(id) == 0 {
		return false
	}
	t := r.tape
	columns, total := 0, uint64(0)
	for columns < len(i.counts) {
		word, behind := cutWord(rest)
		n, ok := number(word)
		if !ok {
			break // ERR and MIS have one number, whatever the CPUs
		}
		i.counts[columns], rest = n, behind
		total += n
		columns++
	}
	if columns == 0 {
		return false
	}
	t.Open(i.line, xmlsysd.Stamp{}, id)
	t.Uint(i.total, total)
	if source := trim(rest); i.hasSource && len(source) > 0 {
		t.Leaf(i.source, source)
	}
	if r.need&needCPUs != 0 && columns == len(i.cpus) {
		for c, n := range i.counts[:columns] {
			t.Open(i.cpu, xmlsysd.Stamp{}, i.cpus[c])
			t.Uint(i.count, n)
			t.Close()
		}
	}
	t.Close()
	return true
}
