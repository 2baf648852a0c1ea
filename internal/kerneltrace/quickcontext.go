// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
	"math"
)

// maxContextBytes bounds the contexts that are kept as bytes.
const maxContextBytes = 128

// contextCache keeps contexts as they are written: they are the same for all
// events of a thread with the same flags, for the times for which it stays the same.
type contextCache [64]struct {
	tid, bits  uint32 // of the record that tell, and validBits
	from, span uint64
	bytes      [maxContextBytes]byte
}

// validBits tells what was kept from nothing.
const validBits = 1 << 16

// makeQuick finds what [Converter.quickContexts] needs.
func (p *contextPlan) makeQuick() {
	if p.stacks || p.room > maxContextBytes {
		return
	}
	p.bytes = uint32(p.room)
	for _, c := range p.ops {
		switch c {
		case ContextInterruptible:
			p.bits |= flagInterruptsOff
		case ContextNeedReschedule:
			p.bits |= flagReschedule
		case ContextPreemptible:
			p.bits |= preemptMask << 8
		case ContextMigratable:
			p.bits |= migrateMask << 8
		}
	}
}

// quickContexts writes the contexts as putContexts does, and returns their end.
func (c *Converter) quickContexts(record *window, pos uint32, time uint64) uint32 {
	p, tid := &c.table.context, binary.LittleEndian.Uint32(record[4:])
	bits := uint32(binary.LittleEndian.Uint16(record[2:])&p.bits) | validBits
	k := &c.contexts[(tid^bits^bits>>7)%uint32(len(c.contexts))]
	if k.tid != tid || k.bits != bits || time-k.from >= k.span {
		k.tid, k.bits, k.from, k.span = tid, bits, 0, math.MaxUint64
		if p.tasks {
			v := c.lookup(int32(tid), time)
			k.from, k.span = v.from, v.span
		}
		end := c.putContexts(int(pos), record[:recordHead], nil, time)
		copy(k.bytes[:], c.buf[pos:end])
		return uint32(end)
	}
	b := (*[maxContextBytes]byte)(c.buf[pos : int(pos)+maxContextBytes])
	*(*[16]byte)(b[0:]) = *(*[16]byte)(k.bytes[0:])
	*(*[16]byte)(b[16:]) = *(*[16]byte)(k.bytes[16:])
	if p.bytes > 32 {
		copy(b[32:], k.bytes[32:p.bytes])
	}
	return pos + p.bytes
}
