// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import "encoding/binary"

// contextPlan is how the contexts of a channel's events are written.
type contextPlan struct {
	ops           []Context
	room, dynamic int
	stacks        bool // a context is a record that follows the event's
	wanted        [numStacks]bool
	host          []byte // with its zero

	bytes uint32 // of all contexts, where that is always the same and not many; else 0
	bits  uint16 // of a record's flags and count that contexts tell
}

func newContextPlan(o *Options) contextPlan {
	p := contextPlan{host: append([]byte(o.Hostname), 0)}
	for _, c := range o.Contexts {
		p.room += c.size(o.Hostname)
		switch c {
		case ContextTID:
			continue
		case ContextCallstackKernel:
			p.stacks, p.wanted[kernelStack-1] = true, true
		case ContextCallstackUser:
			p.stacks, p.wanted[userStack-1] = true, true
		}
		p.ops = append(p.ops, c)
	}
	p.makeQuick()
	return p
}

// Flags that the kernel records with each event.
const (
	flagInterruptsOff = 0x01
	flagReschedule    = 0x04
	preemptMask       = 0x0f // of the preemption count: how often it is off
	migrateMask       = 0xf0 // how often migration is off
)

// putContexts writes the contexts that were asked for and returns their end.
func (c *Converter) putContexts(pos int, record []byte, stacks *[numStacks][]byte) int {
	p := &c.table.context
	e, flags, count := binary.NativeEndian, record[2], record[3]
	tid := int32(e.Uint32(record[4:]))
	for _, ctx := range p.ops {
		b := c.buf[pos:]
		switch ctx {
		case ContextCPU:
			e.PutUint32(b, c.o.CPU)
			pos += 4
		case ContextInterruptible:
			b[0] = bit(flags&flagInterruptsOff == 0)
			pos++
		case ContextPreemptible:
			e.PutUint32(b, uint32(bit(count&preemptMask == 0)))
			pos += 4
		case ContextNeedReschedule:
			b[0] = bit(flags&flagReschedule != 0)
			pos++
		case ContextMigratable:
			b[0] = bit(count&migrateMask == 0)
			pos++
		case ContextHostname:
			pos += copy(b, p.host)
		case ContextCallstackKernel, ContextCallstackUser:
			var frames []byte
			if stacks != nil {
				frames = stacks[ctx-ContextCallstackKernel]
			}
			pos += putSequence(b, frames, c.table.long())
		case ContextProcname:
			pos += copy(b, c.lookup(tid).Name[:])
		default:
			e.PutUint32(b, uint32(c.lookup(tid).number(ctx)))
			pos += 4
		}
	}
	return pos
}

// number is the value of a context that is a number.
func (t *Task) number(c Context) int32 {
	switch c {
	case ContextPID:
		return t.PID
	case ContextPPID:
		return t.PPID
	case ContextVPID:
		return t.VPID
	case ContextVTID:
		return t.VTID
	default:
		return t.VPPID
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
