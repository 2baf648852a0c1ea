// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// readRoles takes from the packet's header and context what they mean, unless
// an index has said it.
func (d *decoder) readRoles() error {
	p, has, ref := &d.packet, &d.plan.roles, d.m.refs
	avail := 8 * uint64(d.raw.avail)
	size, content := avail, avail
	switch {
	case has[schema.RolePacketSize] && has[schema.RoleContentSize]:
		size, content = ref[schema.RolePacketSize], ref[schema.RoleContentSize]
	case has[schema.RolePacketSize]:
		size = ref[schema.RolePacketSize]
		content = size
	case has[schema.RoleContentSize]:
		content = ref[schema.RoleContentSize]
		size = content
	}
	switch {
	case size%8 != 0:
		return d.bad(0, "packet_size", strconv.FormatUint(size, 10)+" bits", "a multiple of 8")
	case content > size:
		return d.bad(0, "content_size", strconv.FormatUint(content, 10)+" bits", "at most packet_size "+strconv.FormatUint(size, 10))
	case size > avail:
		err := d.bad(0, "packet_size", strconv.FormatUint(size, 10)+" bits", "at most the "+strconv.FormatUint(avail, 10)+" that there are")
		err.torn = true
		return err
	case content < d.m.pos:
		return d.bad(0, "content_size", strconv.FormatUint(content, 10)+" bits", "at least the "+strconv.FormatUint(d.m.pos, 10)+" of header and context")
	}
	p.Size, p.ContentSize = size, content
	d.m.limit = content - d.m.base
	d.size = int64((content + 7) / 8)
	if have := d.size - d.start; int64(len(d.m.win)) > have {
		d.m.win = d.m.win[:have]
		d.event.Data = d.m.win
	}
	set := func(role schema.Role, bit PacketFields, v *uint64) {
		if has[role] {
			p.Has |= bit
			*v = ref[role]
		}
	}
	set(schema.RoleStreamClassID, HasClassID, &p.ClassID)
	set(schema.RoleStreamInstanceID, HasInstanceID, &p.InstanceID)
	set(schema.RoleEventsDiscarded, HasDiscarded, &p.Discarded)
	set(schema.RolePacketNumber, HasSequence, &p.Sequence)
	if d.plan.class.Clock == nil {
		return nil
	}
	if has[schema.RoleTimestampBegin] {
		p.Has |= HasBegin
		p.Begin = d.m.clock
	}
	if has[schema.RoleTimestampEnd] {
		p.Has |= HasEnd
		p.End = extendClock(p.Begin, ref[schema.RoleTimestampEnd], d.plan.endSize)
	}
	return nil
}

// extendClock returns the value of a clock that was at v and whose lower size
// bits are now low.
func extendClock(v, low uint64, size uint8) uint64 {
	m := machine{clock: v}
	m.tick(low, size)
	return m.clock
}
