// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/ust/ring"
)

// take hands on a sub-buffer. It is the writers' before the packet counts: a consumer that
// dies leaves a gap, which is told, and nothing twice.
func (d *shared) take(at uint64) error {
	if !d.s.channel.Overwrite {
		return d.lend(at)
	}
	h, n, ok := d.ring.Read(at, d.packet)
	if err := d.ring.Release(at); err != nil || !ok {
		return err
	}
	if n == 0 {
		d.skip("sizes in its header cannot be", at)
		return nil
	}
	info := d.settle(&h, at, d.packet[:n])
	d.told, d.last, d.began = info.Discarded, info.End, true
	if err := d.s.WritePacket(d.packet[:n], info); err != nil {
		d.fail(err)
	}
	return nil
}

// lend is take of a ring in which writers do not overwrite: what they leave can be
// written from where it is. It is theirs in between.
func (d *shared) lend(at uint64) error {
	h, packet := d.ring.Look(at)
	if len(packet) == 0 {
		d.skip("sizes in its header cannot be", at)
		return d.ring.Release(at)
	}
	info := d.settle(&h, at, d.head[:])
	d.told, d.last, d.began = info.Discarded, info.End, true
	var corrupt error
	gone := false
	taken := func() bool {
		corrupt, gone = d.ring.Release(at), true
		return corrupt == nil
	}
	back, err := d.s.writeLent(d.head[:], packet[ring.HeaderLen:], info, taken)
	switch {
	case !gone && noRoom(err): // the ring's room is needed
		n := d.ring.Copy(d.packet, packet)
		copy(d.packet, d.head[:])
		if taken() {
			err = d.s.WritePacket(d.packet[:n], info)
		}
	case !gone: // lost, as what comes next may not be
		taken()
	case back != nil:
		err = d.s.WritePacket(back, info)
	case noRoom(err):
		d.s.lose(1)
	}
	if corrupt == nil && err != nil {
		d.fail(err)
	}
	return corrupt
}

// settle writes a packet's header anew, into head: programs are believed what no other
// knows, as far as it can be.
func (d *shared) settle(h *ring.Header, at uint64, head []byte) ctf.PacketInfo {
	now := clockTime(unix.CLOCK_MONOTONIC)
	h.UUID, h.Class, h.Instance, h.CPU = d.uuid, uint32(d.s.class), uint64(d.s.cpu), d.s.cpu
	h.Begin = min(max(h.Begin, d.last), max(now, d.last))
	h.End = max(min(h.End, now), h.Begin)
	h.Sequence = d.ring.Subbuf(at)
	if h.Discarded > d.lost.Load() {
		_ = d.count() // what cannot be is found the next time
	}
	h.Discarded = max(min(h.Discarded, d.lost.Load()), d.told)
	h.Put(head)
	return ctf.PacketInfo{
		Size: h.PacketBits, ContentSize: h.ContentBits, Begin: h.Begin, End: h.End, Discarded: h.Discarded,
		ClassID: uint64(h.Class), InstanceID: h.Instance, Sequence: h.Sequence,
		Has: ctf.HasBegin | ctf.HasEnd | ctf.HasDiscarded | ctf.HasSequence | ctf.HasClassID | ctf.HasInstanceID,
	}
}
