// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// load brings a value into its slot.
type load struct {
	value
	slot  int
	field string // as the expression names it
}

// predicate decides about records. It belongs to one goroutine.
type predicate struct {
	program *filter.Program
	loads   []load
	need    int // bytes that each record has to have
	tasks   *kerneltrace.Tasks
	words   []uint64
	name    [16]byte // of the thread
	idle    [16]byte // that of the processor's idle thread
	row     filter.Row
}

// predicate returns the function of a program whose fields have been bound.
func (b *binding) predicate(program *filter.Program) (func(record []byte) bool, error) {
	if err := b.lacking(); err != nil {
		return nil, err
	}
	if keep, constant := program.Constant(); constant {
		return func([]byte) bool { return keep }, nil
	}
	p := &predicate{program: program, loads: b.loads, need: recordHead, tasks: b.source.Tasks, words: make([]uint64, b.words)}
	if b.source.CPU > 0 {
		p.idle = kerneltrace.IdleName(uint32(b.source.CPU - 1))
	}
	for i := range p.loads {
		p.need = max(p.need, p.loads[i].end())
		if p.loads[i].kind == cpu {
			p.words[p.loads[i].slot] = uint64(b.source.CPU - 1)
		}
	}
	p.row[filter.EventScope].Words = p.words
	p.row[filter.PacketScope] = filter.Frame{Words: p.words, Data: p.name[:]}
	return p.keep, nil
}

// lacking returns the error of a value that is not known here.
func (b *binding) lacking() error {
	for i := range b.loads {
		l := &b.loads[i]
		reason := ""
		switch {
		case l.kind == userText:
			reason = "a record has the address of the text only"
		case l.kind == cpu && b.source.CPU == 0:
			reason = "a record does not have it"
		case l.kind == hostname:
			reason = "it is not known"
		case (l.kind == taskNumber || l.kind == taskName || l.kind == group && !l.self) && b.source.Tasks == nil:
			reason = "it is not known without a table of tasks"
		}
		if reason != "" {
			return &ValueError{Event: b.event(), Field: l.field, Reason: reason}
		}
	}
	return nil
}

// end is where what the value needs of every record ends.
func (v *value) end() int {
	switch v.kind {
	case integer, text, requestFlags, group:
		return v.at + v.size
	case bits:
		return v.at + 1
	case element, locatedText:
		return v.at + 4
	default:
		return 0
	}
}

// keep reports whether the expression keeps a record.
func (p *predicate) keep(record []byte) bool {
	if len(record) < p.need {
		return false
	}
	for i := range p.loads {
		l := &p.loads[i]
		if l.kind == integer {
			p.words[l.slot] = l.integer(record[l.at:])
			continue
		}
		p.load(l, record)
	}
	p.row[filter.EventScope].Data = record
	keep := p.program.Match(&p.row)
	p.row[filter.EventScope].Data = nil // the record is not ours
	return keep
}

// integer reads a number, which may end anywhere behind it.
func (v *value) integer(b []byte) uint64 {
	e := binary.NativeEndian
	switch {
	case v.size == 4 && v.signed:
		return uint64(int32(e.Uint32(b)) + v.add)
	case v.size == 4:
		return uint64(e.Uint32(b) + uint32(v.add))
	case v.size == 8:
		return e.Uint64(b)
	case v.size == 2 && v.signed:
		return uint64(int16(e.Uint16(b)))
	case v.size == 2:
		return uint64(e.Uint16(b))
	case v.signed:
		return uint64(int8(b[0]))
	default:
		return uint64(b[0])
	}
}

// load brings a value that is no integer into its slot.
func (p *predicate) load(l *load, record []byte) {
	word := &p.words[l.slot]
	switch l.kind {
	case bits:
		*word = truth((record[l.at]&l.mask == 0) == l.none)
	case element:
		at, n := l.locate(record)
		p.element(l, record[at:at+n])
	case openElement:
		p.element(l, record[min(l.at, len(record)):])
	case text:
		*word = textIn(record, l.at, l.size)
	case locatedText:
		at, n := l.locate(record)
		if l.size > 0 {
			n = min(n, l.size)
		}
		*word = textIn(record, at, n)
	case openText:
		at := min(l.at, len(record))
		*word = textIn(record, at, len(record)-at)
	case requestFlags:
		*word = uint64(kerneltrace.RequestFlags(record[l.at : l.at+l.size]))
	case group:
		*word = uint64(p.group(l, record))
	case taskNumber, taskName:
		p.task(l, record)
	}
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// locate returns where the data of a field are: nowhere, if it says a place
// outside of the record.
func (v *value) locate(record []byte) (at, n int) {
	where := binary.NativeEndian.Uint32(record[v.at:])
	at, n = int(where&0xffff), int(where>>16)
	if v.relative {
		at += v.at + 4
	}
	if at+n > len(record) {
		return 0, 0
	}
	return at, n
}

// element loads an element of an array: the slot says whether there is one, the
// next has it.
func (p *predicate) element(l *load, data []byte) {
	count := min(uint64(len(data)/l.size), 1<<16-1)
	if l.index >= count {
		p.words[l.slot] = 0
		return
	}
	p.words[l.slot] = uint64(l.slot+1)<<32 | 1
	p.words[l.slot+1] = l.integer(data[int(l.index)*l.size:])
}

// textIn is the word of a text of at most n bytes.
func textIn(record []byte, at, n int) uint64 {
	if i := bytes.IndexByte(record[at:at+n], 0); i >= 0 {
		n = i
	}
	return uint64(at)<<32 | uint64(n)
}

// group is the process of a thread as the trace tells it.
func (p *predicate) group(l *load, record []byte) int32 {
	tid := int32(binary.NativeEndian.Uint32(record[l.at:]))
	pid := int32(-1)
	if p.tasks != nil {
		task, _ := p.tasks.Last(tid)
		pid = task.PID
	}
	if pid < 0 && l.self {
		return tid
	}
	return pid
}

// task loads what the table of tasks has of the thread.
func (p *predicate) task(l *load, record []byte) {
	tid := int32(binary.NativeEndian.Uint32(record[4:]))
	task, _ := p.tasks.Last(tid)
	word := &p.words[l.slot]
	if l.kind == taskNumber {
		*word = uint64(task.Number(l.context))
		return
	}
	if p.name = task.Name; tid == 0 {
		p.name = p.idle
	}
	*word = textIn(p.name[:], 0, len(p.name))
}
