// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"

	"github.com/weir-io/weir/ctf"
)

const packetMagic = 0xc1fc1fc1

// Layout of what packets and events begin with, in bytes.
const (
	packetHead  = 32
	contextHead = 52
	packetStart = packetHead + contextHead

	shortHead  = 2 + 4     // id, time
	longHead   = 2 + 4 + 8 // 65535, id, time
	streamHead = 4 + 1 + 1 // thread, flags, preemption count
	eventHead  = longHead + streamHead
	extendedID = 1<<16 - 1

	recordHead = 8 // id, flags, preemption count, thread
)

// prepare writes what all packets have in common.
func (c *Converter) prepare() {
	e := binary.NativeEndian
	e.PutUint32(c.buf[0:], packetMagic)
	copy(c.buf[4:], c.table.opts.UUID[:])
	e.PutUint32(c.buf[20:], uint32(c.table.opts.StreamID))
	e.PutUint64(c.buf[24:], uint64(c.o.CPU))
	e.PutUint32(c.buf[packetHead+48:], c.o.CPU)
}

// header writes the event's header and the part of its context that all have.
func (c *Converter) header(id uint32, time uint64, record []byte) int {
	b := c.buf[c.pos:]
	gap := time - c.last
	c.last = time
	if gap < 1<<32 {
		putShortHead(b, id, time, record)
		return c.pos + shortHead + streamHead
	}
	e := binary.NativeEndian
	e.PutUint16(b, extendedID)
	e.PutUint32(b[2:], id)
	e.PutUint64(b[6:], time)
	putStreamHead(b[longHead:], record)
	return c.pos + longHead + streamHead
}

func putShortHead(b []byte, id uint32, time uint64, record []byte) {
	_ = b[shortHead+streamHead-1]
	binary.NativeEndian.PutUint16(b, uint16(id))
	binary.NativeEndian.PutUint32(b[2:], uint32(time))
	putStreamHead(b[shortHead:], record)
}

func putStreamHead(b, record []byte) {
	_, _ = b[streamHead-1], record[recordHead-1]
	binary.NativeEndian.PutUint32(b, binary.NativeEndian.Uint32(record[4:]))
	binary.NativeEndian.PutUint16(b[4:], binary.NativeEndian.Uint16(record[2:]))
}

// maxTime bounds times: no clock of a kernel gets there in a century, and readers
// refuse a trace with times that, with the clock's offset, are beyond 63 bits.
const maxTime = 1 << 62

// makeRoom opens a packet, or another, with room for an event.
func (c *Converter) makeRoom(time uint64, most int) {
	if c.pos > 0 && most > c.full-c.pos {
		c.end(c.last)
	}
	if c.pos > 0 {
		return
	}
	c.open(time)
	// An event that does not fit in any packet gets a larger one, for itself.
	if need := packetStart + most; need > c.full {
		if need > len(c.buf) {
			c.buf = make([]byte, need, need+spare)
			c.prepare()
		}
		c.full = need
	}
}

// open begins a packet.
func (c *Converter) open(begin uint64) {
	c.begin = max(begin, c.last)
	c.last = c.begin
	c.pos, c.full = packetStart, c.limit
}

// end hands the open packet to the sink. If it is the first one of the stream and
// events are lost already, one without events goes before it: readers compare a
// packet's losses with those of the one before.
func (c *Converter) end(time uint64) {
	time = max(time, c.last)
	c.last = time
	packet := c.buf[:c.pos]
	c.pos = 0
	if lost := c.discarded; c.seq == 0 && c.told == 0 && lost > 0 {
		// Readers order packets by their begin.
		begin := c.begin
		c.begin, c.discarded = max(begin, 1)-1, 0
		c.hand(append([]byte(nil), packet[:packetStart]...), c.begin)
		c.begin, c.discarded = begin, lost
	}
	c.hand(packet, time)
}

// hand completes a packet that begins when the open one has, and hands it to the
// sink.
func (c *Converter) hand(packet []byte, end uint64) {
	e, ctx := binary.NativeEndian, packet[packetHead:]
	size := uint64(len(packet)) * 8
	e.PutUint64(ctx[0:], c.begin)
	e.PutUint64(ctx[8:], end)
	e.PutUint64(ctx[16:], size)
	e.PutUint64(ctx[24:], size)
	e.PutUint64(ctx[32:], c.seq)
	e.PutUint64(ctx[40:], c.discarded)
	info := ctf.PacketInfo{
		Offset: c.offset, Number: c.number, Size: size, ContentSize: size,
		Has:   ctf.HasBegin | ctf.HasEnd | ctf.HasDiscarded | ctf.HasSequence | ctf.HasClassID | ctf.HasInstanceID,
		Begin: c.begin, End: end, Discarded: c.discarded, Sequence: c.seq,
		ClassID: c.table.opts.StreamID, InstanceID: uint64(c.o.CPU),
	}
	c.seq++
	c.told = c.discarded
	if err := c.sink.WritePacket(packet, info); err != nil {
		c.counts.LostPackets++
		if c.err == nil {
			c.err = err
		}
		return
	}
	c.counts.Packets++
	c.number++
	c.offset += int64(len(packet))
}

// Close ends the packet that is open, at a flush, a timer, a rotation or the
// end: now is the clock's time, discarded the number of events lost until now. A
// packet without events is written only when events were lost that no packet
// has told yet. The converter can go on.
func (c *Converter) Close(now, discarded uint64) error {
	c.err = nil
	c.release()
	c.discarded = max(c.discarded, discarded)
	if c.pos == 0 && c.discarded > c.told {
		c.open(now)
	}
	if c.pos > 0 {
		c.end(now)
	}
	if len(c.buf) > c.limit {
		c.buf = make([]byte, c.limit, c.limit+spare)
		c.prepare()
	}
	return c.err
}

// NewFile makes packets count from the begin of a file, after the last one's end.
func (c *Converter) NewFile() { c.offset, c.number = 0, 0 }
