// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// snapshot stores what the rings hold. Reading takes pages out of a ring; they
// are kept, up to the ring's size, so that the next snapshot has them too.
func (e *engine) snapshot(o handover.Snapshot, files []*os.File) error {
	if !e.hello.Snapshot {
		handover.CloseAll(files)
		return errors.New("snapshot of a session that is none of snapshots")
	}
	out, err := e.newOutput(o.Output, files)
	if err != nil {
		return err
	}
	err = e.record(out, o.MaxBytes)
	ctx, cancel := context.WithTimeout(e.waits, settleTimeout)
	defer cancel()
	err = errors.Join(err, out.settle(ctx))
	ctx, cancel = context.WithTimeout(e.ctx, endTimeout)
	defer cancel()
	rest, cerr := out.close(ctx)
	if rest.kept > 0 {
		var told handover.Ended
		rest.addTo(&told)
		e.notice(handover.NoticeKept, told)
	}
	if rest.kept+rest.lost > 0 && cerr == nil {
		cerr = fmt.Errorf("no relay has confirmed %d packets: %d of them are kept, %d lost", rest.kept+rest.lost, rest.kept, rest.lost)
	}
	return errors.Join(err, cerr)
}

func (e *engine) record(out output, most int64) error {
	if err := e.tellTexts(out); err != nil {
		return err
	}
	writers := make([]packetWriter, len(e.streams))
	for i, s := range e.streams {
		w, err := out.writer(s)
		if err != nil {
			return err
		}
		writers[i] = w
	}
	if r, ok := out.(*relayOutput); ok {
		r.begin()
	}
	dumps := e.dumps
	e.dumps = nil // the next snapshot has its own
	for i, s := range e.streams {
		var packets packets
		var err error
		switch src := s.source.(type) {
		case *drain:
			packets, err = src.snapshot(most/int64(len(e.streams)), dumps[s])
		case *intake:
			packets, err = src.snapshot(most / int64(len(e.streams)))
		case *shared:
			packets, err = src.snapshot(most / int64(len(e.streams)))
		}
		if err != nil {
			return fmt.Errorf("stream %s_%d: %w", s.channel.Name, s.cpu, err)
		}
		for _, p := range packets {
			if err := e.writeSnapshot(writers[i], p); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSnapshot writes a packet, for which a relay may make room for some time.
func (e *engine) writeSnapshot(w packetWriter, p packet) error {
	to, ok := w.(*relayWriter)
	if !ok {
		return w.write(p.bytes, p.info)
	}
	ctx, cancel := context.WithTimeout(e.waits, settleTimeout)
	defer cancel()
	return to.writeWaiting(ctx, p.bytes, p.info)
}

// packet is a packet that is kept.
type packet struct {
	bytes []byte
	info  ctf.PacketInfo
}

// packets collects packets.
type packets []packet

// WritePacket keeps a copy. It implements ctf.PacketSink.
func (p *packets) WritePacket(b []byte, info ctf.PacketInfo) error {
	*p = append(*p, packet{bytes.Clone(b), info})
	return nil
}

// snapshot converts the pages in the ring and those that were read before, and
// behind them what is so now, if there is a state dump. It returns the newest
// packets up to a number of bytes, 0 for all.
func (d *drain) snapshot(most int64, dump *kerneltrace.StateDump) (all packets, err error) {
	err = d.call(func() error {
		if _, err := d.ring.DrainEmpty(d.page, d.keepPage); err != nil {
			return err
		}
		conv := kerneltrace.NewConverter(d.table.Table, kerneltrace.ConverterOptions{
			CPU: d.s.cpu, PacketBytes: d.s.channel.PacketBytes, Tasks: d.table.tasks,
		}, &all)
		d.sieve.applyTo(conv)
		for _, page := range d.kept {
			if err := conv.Page(page); err != nil {
				d.fail(err)
			}
		}
		if dump != nil {
			if err := conv.StateDump(d.now(), dump); err != nil {
				return err
			}
		}
		c := conv.Counts()
		d.counts.Store(&c)
		return conv.Close(conv.Last(), conv.Discarded())
	})
	return all.newest(most), err
}

// newest returns the newest packets up to a number of bytes, 0 for all.
func (p packets) newest(most int64) packets {
	size := int64(0)
	for i := len(p) - 1; i >= 0 && most > 0; i-- {
		if size += int64(len(p[i].bytes)); size > most {
			return p[i+1:]
		}
	}
	return p
}

// keptPackets are the newest packets of a source that makes packets itself, for
// snapshots: as many bytes as a ring has.
type keptPackets struct {
	packets
	most, size int64
}

// add keeps a packet, and lets the oldest go. One is kept whatever its size.
func (k *keptPackets) add(b []byte, info ctf.PacketInfo) {
	_ = k.WritePacket(b, info) // keeps a copy, which does not fail
	k.size += int64(len(b))
	n := 0
	for ; k.size > k.most && n < len(k.packets)-1; n++ {
		k.size -= int64(len(k.packets[n].bytes))
	}
	clear(k.packets[:n])
	k.packets = k.packets[n:]
}

// keepPackets has packets kept of sources that make them themselves: their sockets
// hold few. Rings keep what they have.
func (e *engine) keepPackets() error {
	return e.each(func(s *stream) error {
		if in, ok := s.source.(*intake); ok {
			return in.start()
		}
		return nil
	})
}

// snapshot returns what is kept, the newest up to a number of bytes, 0 for all.
func (in *intake) snapshot(most int64) (all packets, err error) {
	err = in.call(func() error {
		in.read()
		all = slices.Clone(in.kept.packets).newest(most)
		return nil
	})
	return all, err
}

// forget lets go of what is kept.
func (in *intake) forget() error {
	return in.call(func() error {
		in.read()
		in.kept.packets, in.kept.size = nil, 0
		return nil
	})
}

// forget lets go of what the ring holds, and of what snapshots have read of it.
func (d *drain) forget() error {
	return d.call(func() error {
		d.kept = nil
		_, err := d.ring.DrainEmpty(d.page, func([]byte) error { return nil })
		return err
	})
}

// keepPage keeps a page, and lets the oldest go when there are more than the ring
// holds.
func (d *drain) keepPage(page []byte) error {
	d.kept = append(d.kept, bytes.Clone(page))
	if n := len(d.kept) - d.ringPages; n > 0 {
		clear(d.kept[:n])
		d.kept = d.kept[n:]
	}
	return nil
}

// clearSnapshots lets go of what the rings hold, and of what snapshots have read
// of them.
func (e *engine) clearSnapshots() error {
	for _, s := range e.streams {
		var err error
		switch src := s.source.(type) {
		case *drain:
			err = src.forget()
		case *intake:
			err = src.forget()
		case *shared:
			err = src.forget()
		}
		if err != nil {
			return fmt.Errorf("stream %s_%d: %w", s.channel.Name, s.cpu, err)
		}
	}
	return nil
}

// inject writes the state dump into the channel's stream of the first CPU; where
// snapshots are recorded, with the next one.
func (e *engine) inject(o handover.Inject, files []*os.File) error {
	b, err := blob(handover.OpInject, files)
	if err != nil {
		return err
	}
	var dump kerneltrace.StateDump
	if err := json.Unmarshal(b, &dump); err != nil {
		return fmt.Errorf("state dump: %w", err)
	}
	c, t := e.channels[o.Channel], e.tables[o.Channel]
	if c == nil || t == nil || len(c.streams) == 0 {
		return fmt.Errorf("state dump for channel %d, which has no ring", o.Channel)
	}
	dump.Tell(&e.tasks)
	d, ok := c.streams[0].source.(*drain)
	if !ok {
		return nil
	}
	if e.hello.Snapshot {
		e.dumps = map[*stream]*kerneltrace.StateDump{c.streams[0]: &dump}
		return nil
	}
	return d.call(func() error { return d.conv.StateDump(d.now(), &dump) })
}
