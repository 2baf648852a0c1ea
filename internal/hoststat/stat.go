// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// needVM is page and swap of proc/stat, which left /proc/stat for /proc/vmstat in
// Linux 2.6.
const needVM need = 1

// statReader reads /proc/stat.
type statReader struct {
	textReader
	vm *vmText

	stat, cpu, cpuTotal         xmlsysd.NodeID
	page, swap                  xmlsysd.NodeID
	pageLeaves, swapLeaves      []xmlsysd.NodeID // in, out
	cpuLeaves, totalLeaves      cpuNodes
	intr, ctxt, processes       xmlsysd.NodeID
	btime, running, blocked, si xmlsysd.NodeID
	room                        digitRoom
}

// cpuNodes are the leaves of a CPU: those of 2002, then idle iowait irq softirq
// steal guest guest_nice.
type cpuNodes struct {
	user, nice, sys, tot xmlsysd.NodeID
	more                 []xmlsysd.NodeID
}

func newCPUNodes(m *xmlsysd.Model, path string) cpuNodes {
	l := nodesOf(m, path, "user", "nice", "sys", "tot", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
	return cpuNodes{l[0], l[1], l[2], l[3], l[4:]}
}

func newStatReader(e *Engine) reader {
	m := e.model
	const at = "proc/stat"
	s := &statReader{
		vm:   e.vmText(),
		stat: m.Must(at), cpu: m.Must(at + "/cpu"), cpuTotal: m.Must(at + "/cpu_total"),
		page: m.Must(at + "/page"), swap: m.Must(at + "/swap"),
		pageLeaves: nodesOf(m, at+"/page", "in", "out"), swapLeaves: nodesOf(m, at+"/swap", "in", "out"),
		cpuLeaves: newCPUNodes(m, at+"/cpu"), totalLeaves: newCPUNodes(m, at+"/cpu_total"),
		intr: m.Must(at + "/intr"), ctxt: m.Must(at + "/ctxt"), processes: m.Must(at + "/processes"),
		btime: m.Must(at + "/btime"), running: m.Must(at + "/procs_running"), blocked: m.Must(at + "/procs_blocked"), si: m.Must(at + "/softirq"),
	}
	s.textReader = *newTextReader(e.prompt("stat", largeSize, reread.Whole), s.parseStat)
	return s
}

// parseStat reads lines "cpu0 1 2 3 …" and "ctxt 1". The elements have another
// order than the lines: the total of all CPUs is behind what was there in 2002.
func (s *statReader) parseStat(r *request, text []byte) error {
	t := r.tape
	t.Open(s.stat, r.at)
	defer t.Close()
	var total, intr, ctxt, processes, btime, running, blocked, softirq []byte
	var bad error
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, values := cutWord(line)
		first, _ := cutWord(values)
		switch string(key) {
		case "cpu":
			total = values
		case "intr":
			intr = first
		case "ctxt":
			ctxt = first
		case "processes":
			processes = first
		case "btime":
			btime = first
		case "procs_running":
			running = first
		case "procs_blocked":
			blocked = first
		case "softirq":
			softirq = first
		default:
			if id, isCPU := bytes.CutPrefix(key, cpuPrefix); isCPU && !s.addCPU(t, id, values) && bad == nil {
				bad = unexpected("/proc/stat", line)
			}
		}
	}
	if r.need&needVM != 0 {
		s.addVM(r)
	}
	s.addNumber(t, s.intr, intr)
	s.addNumber(t, s.ctxt, ctxt)
	s.addNumber(t, s.processes, processes)
	s.addTotal(t, total)
	s.addNumber(t, s.btime, btime)
	s.addNumber(t, s.running, running)
	s.addNumber(t, s.blocked, blocked)
	s.addNumber(t, s.si, softirq)
	return bad
}

var cpuPrefix = []byte("cpu")

func (s *statReader) addNumber(t *xmlsysd.Tape, n xmlsysd.NodeID, text []byte) {
	if digits(text) {
		t.Leaf(n, text)
	}
}

func (s *statReader) addCPU(t *xmlsysd.Tape, id, values []byte) bool {
	var ticks [10]uint64
	n := numbers(values, ticks[:])
	number, ok := number(id)
	if !ok || n < 4 {
		return false
	}
	t.Open(s.cpu, xmlsysd.Stamp{}, s.room.of(number))
	s.cpuLeaves.add(t, ticks[:n])
	t.Close()
	return true
}

func (s *statReader) addTotal(t *xmlsysd.Tape, values []byte) {
	var ticks [10]uint64
	n := numbers(values, ticks[:])
	if n < 4 {
		return
	}
	t.Open(s.cpuTotal, xmlsysd.Stamp{})
	s.totalLeaves.add(t, ticks[:n])
	t.Close()
}

// add adds the leaves of a CPU: at least user nice sys idle, older kernels had no
// more. The guest's time is in user and nice already.
func (c *cpuNodes) add(t *xmlsysd.Tape, ticks []uint64) {
	const base = 8 // user nice sys idle iowait irq softirq steal
	tot := uint64(0)
	for _, v := range ticks[:min(len(ticks), base)] {
		tot += v
	}
	t.Uint(c.user, ticks[0])
	t.Uint(c.nice, ticks[1])
	t.Uint(c.sys, ticks[2])
	t.Uint(c.tot, tot)
	for i, v := range ticks[3:] {
		t.Uint(c.more[i], v)
	}
}

// addVM adds page and swap. A host without /proc/vmstat has none.
func (s *statReader) addVM(r *request) {
	p, ok := s.vm.paging(r)
	if !ok {
		return
	}
	t := r.tape
	t.Open(s.page, xmlsysd.Stamp{})
	t.Uint(s.pageLeaves[0], p[0])
	t.Uint(s.pageLeaves[1], p[1])
	t.Close()
	t.Open(s.swap, xmlsysd.Stamp{})
	t.Uint(s.swapLeaves[0], p[2])
	t.Uint(s.swapLeaves[1], p[3])
	t.Close()
}
