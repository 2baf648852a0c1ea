// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// headerLayout is one of the ways to write an event header: a choice of options
// for its variants. The integers that say the id and the time get their values
// for each event, all other fields are zero or empty.
type headerLayout struct {
	frame Frame
	ids   []filledInt
	times []filledInt
	tags  []filledTag
}

// Bounds of what is tried to find the layouts of a header.
const (
	maxHeaderLayouts = 64
	maxHeaderChoices = 4096
)

// headerLayouts lists the layouts of an event header, in the order of its
// options: tracers declare the short one first.
func headerLayouts(st *schema.Struct) ([]headerLayout, error) {
	if st == nil {
		return nil, nil
	}
	var all []headerLayout
	for choice := range maxHeaderChoices {
		f := &rowFiller{choice: choice, fields: map[string]int{}}
		f.grow(Width(st))
		if err := f.fillScope(schema.EventHeader, st, 0); err != nil {
			return nil, err
		}
		if f.choice > 0 || !f.consistent() {
			continue
		}
		if len(all) == maxHeaderLayouts {
			return nil, fmt.Errorf("%s: more than %d choices of options", schema.EventHeader, maxHeaderLayouts)
		}
		all = append(all, headerLayout{f.frame, f.ids, f.times, f.tags})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no value of its tags can be given", schema.EventHeader)
	}
	return all, nil
}

// set fills in an event's id and time. It reports false where the layout cannot
// say them: the id is too large, or the clock, as a reader of the stream has it,
// would not come to the time.
func (l *headerLayout) set(id, clock, cycles uint64, timed bool) bool {
	return l.setID(id) && (!timed || l.setTime(clock, cycles))
}

func (l *headerLayout) setID(id uint64) bool {
	if len(l.ids) == 0 {
		return id == 0
	}
	for _, f := range l.ids {
		v, ok := id, fitsBits(id, uint64(f.size), false)
		for i := range l.tags {
			if t := &l.tags[i]; t.at == f.at && !t.holds(id) {
				v, ok = t.ranges[0].Low, false
			}
		}
		if !ok && v == id {
			v = 0
		}
		l.frame.Words[f.at] = v
	}
	return l.frame.Words[l.ids[len(l.ids)-1].at] == id
}

func (l *headerLayout) setTime(clock, cycles uint64) bool {
	for _, f := range l.times {
		low := cycles & (^uint64(0) >> (64 - f.size))
		l.frame.Words[f.at] = low
		clock = clockAfter(clock, low, f.size)
	}
	return clock == cycles
}

// encHeaderOp stands for the event header in errors.
var encHeaderOp = &encOp{encMore: &encMore{field: "event header"}}

// header writes the event header of a class. It reports false when no layout
// can say its id and time, or the encoder stopped.
func (w *StreamWriter) header(p *encEvent, cycles uint64) bool {
	e := &w.enc
	if w.shape != generalHeader && !p.header && e.pos&7 == 0 {
		return w.lttngHeader(p.class.ID, cycles)
	}
	for i := range w.layouts {
		l := &w.layouts[i]
		if !l.set(p.class.ID, e.clock, cycles, w.timed) {
			continue
		}
		e.words, e.data = l.frame.Words, l.frame.Data
		return e.encode(&w.plan.header, 0)
	}
	return len(w.layouts) == 0 || e.stop(encNoHeader, encHeaderOp, p.class.ID, cycles)
}

// lttngHeader writes one of LTTng's event headers at a byte boundary, the short
// form where id and time fit.
func (w *StreamWriter) lttngHeader(id, cycles uint64) bool {
	e := &w.enc
	short, long, last, bits := compactLen, compactExtendedLen, uint64(31), 27
	if w.shape == largeHeader {
		short, long, last, bits = largeLen, largeExtendedLen, 65535, 32
	}
	at := e.pos >> 3
	to := e.buf[at:]
	if id < last && (cycles-e.clock)>>bits == 0 {
		if len(to) < short {
			return e.stop(encFull, encHeaderOp, uint64(short), 0)
		}
		if w.shape == compactHeader {
			binary.LittleEndian.PutUint32(to, uint32(cycles)<<5|uint32(id))
		} else {
			binary.LittleEndian.PutUint16(to, uint16(id))
			binary.LittleEndian.PutUint32(to[2:], uint32(cycles))
		}
		e.pos += 8 * uint64(short)
	} else {
		if len(to) < long {
			return e.stop(encFull, encHeaderOp, uint64(long), 0)
		}
		if w.shape == compactHeader {
			to[0] = byte(last)
		} else {
			binary.LittleEndian.PutUint16(to, uint16(last))
		}
		binary.LittleEndian.PutUint32(to[long-12:], uint32(id))
		binary.LittleEndian.PutUint64(to[long-8:], cycles)
		e.pos += 8 * uint64(long)
	}
	e.clock = cycles
	return true
}
