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

	tasks bool  // some contexts are from the table of tasks
	about about // and these about that
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
		p.tasks = p.tasks || c.FromTasks()
		p.about |= c.about()
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

// putContexts writes the contexts that were asked for, of an event of a time, and
// returns their end.
func (c *Converter) putContexts(pos int, record []byte, stacks *[numStacks][]byte, time uint64) int {
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
			pos += copy(b, c.lookup(tid, time).task.Name[:])
		default:
			e.PutUint32(b, uint32(c.lookup(tid, time).task.Number(ctx)))
			pos += 4
		}
	}
	return pos
}

// Number is the value of a context that is a number.
func (t *Task) Number(c Context) int64 {
	switch c.about() {
	case aboutOwner:
		return int64(t.owner().of(c))
	case aboutSpaces:
		return int64(t.spaces().of(c))
	}
	v := t.VPPID
	switch c {
	case ContextPID:
		v = t.PID
	case ContextPPID:
		v = t.PPID
	case ContextVPID:
		v = t.VPID
	case ContextVTID:
		v = t.VTID
	case ContextPrio:
		v = t.Prio
	case ContextNice:
		v = t.Nice
	}
	return int64(v)
}

// of is the id that a context is.
func (o *Owner) of(c Context) uint32 {
	role := (c - ContextUID) % 3
	ids := [...]*IDs{&o.UID, &o.GID, &o.VUID, &o.VGID}[(c-ContextUID)/3]
	return [...]uint32{ids.Real, ids.Effective, ids.Saved}[role]
}

// of is the number of a name space that a context is.
func (n *Namespaces) of(c Context) uint32 {
	return [...]uint32{n.Cgroup, n.IPC, n.Mnt, n.Net, n.PID, n.Time, n.User, n.UTS}[c-ContextCgroupNS]
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
