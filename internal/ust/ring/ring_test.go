// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// writer is a program that writes to a ring, alone: as LTTng-UST does, by reserving and
// committing, or leaving that out.
type writer struct {
	t   *testing.T
	r   *Reader // for its way to the words of the memory
	now uint64
}

// write writes an event of so many bytes, and reports whether there was room. Without
// commit the program dies after it has reserved.
func (w *writer) write(event []byte, commit bool) bool {
	r := w.r
	w.now++
	old := r.load(WriteOffset)
	begin, used := old, old&(r.g.SubbufBytes-1)
	fresh := used == 0
	if !fresh && used+uint64(len(event)) > r.g.SubbufBytes {
		r.endSubbuf(old, used, w.now)
		begin, fresh = r.begin(old)+r.g.SubbufBytes, true
		r.store(WriteOffset, begin)
	}
	if fresh {
		if r.load(r.l.Cold+counterLen*r.index(begin))&r.g.mask() != r.round(begin)&r.g.mask() {
			r.add(LostWrap, 1)
			return false
		}
		if consumed := r.load(ConsumedOffset); begin-consumed >= r.g.Bytes() {
			if !r.g.Overwrite {
				r.add(LostFull, 1)
				return false
			}
			r.store(ConsumedOffset, consumed+r.g.SubbufBytes)
		}
		if r.g.Overwrite { // the page is the writer's
			entry := r.l.WriteTable + 8*r.index(begin)
			r.store(entry, r.load(entry)&idIndex)
		}
		w.header(begin)
		begin += HeaderLen
	}
	r.store(WriteOffset, begin+uint64(len(event)))
	if !commit {
		return true
	}
	page := w.page(begin)
	copy(r.b[r.l.Memory+page*r.g.SubbufBytes+begin&(r.g.SubbufBytes-1):], event)
	sum := r.add(r.l.Hot+counterLen*r.index(begin), uint64(len(event)))
	if end := begin + uint64(len(event)); end&(r.g.SubbufBytes-1) == 0 && sum&(r.g.SubbufBytes-1) == 0 {
		r.deliver(begin, page, r.g.SubbufBytes, w.now, sum)
	}
	return true
}

func (w *writer) page(at uint64) uint64 {
	i := w.r.index(at)
	if w.r.g.Overwrite {
		return w.r.load(w.r.l.WriteTable+8*i) & idIndex
	}
	return i
}

// header begins a packet.
func (w *writer) header(at uint64) {
	h := Header{Begin: w.now}
	h.put(w.r.b[w.r.l.Memory+w.page(at)*w.r.g.SubbufBytes:])
	w.r.add(w.r.l.Hot+counterLen*w.r.index(at), HeaderLen)
}

// open makes a ring with a writer and a reader.
func open(t *testing.T, g Geometry) (*writer, *Reader) {
	t.Helper()
	f, err := Create(g, Header{Class: 3, Begin: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var both [2]*Reader
	for i := range both {
		if both[i], err = Open(f, g); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := both[i].Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return &writer{t: t, r: both[0], now: 1}, both[1]
}

// drain reads all that is complete and returns the events, of 8 bytes each.
func drain(t *testing.T, r *Reader) (events []uint64, skipped int) {
	t.Helper()
	packet := make([]byte, r.g.SubbufBytes)
	for {
		at, write, err := r.Positions()
		if err != nil {
			t.Fatal(err)
		}
		switch r.State(at, write) {
		case Writing:
			return events, skipped
		case Torn:
			skipped++
			r.Mend(at)
		case Complete:
			h, n, ok := r.Read(at, packet)
			if !ok || n == 0 || h.Sequence != r.Subbuf(at) && h.Sequence != 0 {
				t.Fatalf("sub-buffer at %d: header %+v, %d bytes, %v", at, h, n, ok)
			}
			for b := packet[HeaderLen : h.ContentBits/8]; len(b) >= 8; b = b[8:] {
				if v := binary.LittleEndian.Uint64(b); v != 0 {
					events = append(events, v)
				}
			}
		}
		if err := r.Release(at); err != nil {
			t.Fatal(err)
		}
	}
}

func number(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

var small = Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 4}

// What writers commit is read once and in order; what found no room is counted.
func TestDiscard(t *testing.T) {
	w, r := open(t, small)
	next, got, lost := 1, 0, uint64(0)
	for round := range 40 {
		for range 100 + 97*round {
			if !w.write(number(next), true) {
				lost++
			}
			next++
		}
		if round%3 == 0 {
			r.Flush(w.now, false)
		}
		events, skipped := drain(t, r)
		last := uint64(0)
		for _, e := range events {
			if e <= last {
				t.Fatalf("event %d after %d", e, last)
			}
			last = e
		}
		if got += len(events); skipped != 0 || r.Lost() != lost {
			t.Fatalf("round %d: %d sub-buffers skipped, %d events lost, want 0, %d", round, skipped, r.Lost(), lost)
		}
	}
	r.Flush(w.now, false)
	events, _ := drain(t, r)
	if got += len(events); uint64(got)+lost != uint64(next-1) || lost == 0 {
		t.Errorf("%d events read and %d lost of %d", got, lost, next-1)
	}
}

// An empty packet can be asked for, at the beginning of a sub-buffer and behind its
// header; not where the ring is full.
func TestEmptyPacket(t *testing.T) {
	w, r := open(t, small)
	packet := make([]byte, r.g.SubbufBytes)
	for i := range 10 {
		if r.Flush(5, false) {
			t.Fatal("an empty sub-buffer was ended")
		}
		if !r.Flush(uint64(10+i), true) {
			t.Fatalf("packet %d was not ended", i)
		}
		at, write, err := r.Positions()
		if err != nil || r.State(at, write) != Complete {
			t.Fatalf("packet %d: %v, state %v", i, err, r.State(at, write))
		}
		h, n, ok := r.Read(at, packet)
		if !ok || n != MinSubbufBytes || h.ContentBits != 8*HeaderLen || h.End != uint64(10+i) || h.Sequence != uint64(i) {
			t.Errorf("packet %d: %+v, %d bytes, %v", i, h, n, ok)
		}
		if err := r.Release(at); err != nil {
			t.Fatal(err)
		}
	}
	for w.write(number(1), true) {
	}
	if r.Flush(99, true) {
		t.Error("a packet was added to a full ring")
	}
}

// A program that dies between reserve and commit costs its sub-buffer and no other.
func TestTorn(t *testing.T) {
	w, r := open(t, small)
	w.write(number(1), true)
	w.write(number(2), false)
	for n := 3; n < 1000; n++ {
		w.write(number(n), true)
	}
	at, write, err := r.Positions()
	if err != nil || r.State(at, write) != Torn {
		t.Fatalf("state %v, %v; want torn", r.State(at, write), err)
	}
	r.Flush(w.now, false)
	events, skipped := drain(t, r)
	if skipped != 1 || len(events) == 0 || events[len(events)-1] != 999 {
		t.Errorf("%d skipped, %d events; want 1, up to 999", skipped, len(events))
	}
	// Writers come round to it several times.
	for n := 1000; n < 10000; n++ {
		if !w.write(number(n), true) {
			t.Fatalf("event %d finds no room", n)
		}
		if n%100 == 0 {
			drain(t, r)
		}
	}
	r.Flush(w.now, false)
	if events, skipped = drain(t, r); skipped != 0 || events[len(events)-1] != 9999 || r.Lost() != 0 {
		t.Errorf("%d skipped, the last of %d events is %d, %d lost; want none, 9999, none", skipped, len(events), events[len(events)-1], r.Lost())
	}
}

// A ring in which writers overwrite gives its newest sub-buffers, again and again.
func TestOverwrite(t *testing.T) {
	g := small
	g.Overwrite = true
	w, r := open(t, g)
	packet := make([]byte, g.SubbufBytes)
	next := 1
	for round := range 20 {
		for range 50 + 173*round {
			if !w.write(number(next), true) {
				t.Fatalf("event %d found no room", next)
			}
			next++
		}
		r.Flush(w.now, false)
		for range 2 { // the second time is as the first
			at, write, err := r.Positions()
			if err != nil {
				t.Fatal(err)
			}
			last := uint64(0)
			for ; r.State(at, write) == Complete; at += g.SubbufBytes {
				h, n, ok := r.Read(at, packet)
				if !ok || n == 0 {
					t.Fatalf("round %d: sub-buffer at %d: %v, %d bytes", round, at, ok, n)
				}
				for b := packet[HeaderLen : h.ContentBits/8]; len(b) >= 8; b = b[8:] {
					v := binary.LittleEndian.Uint64(b)
					if last != 0 && v != last+1 {
						t.Fatalf("round %d: event %d after %d", round, v, last)
					}
					last = v
				}
			}
			if last != uint64(next-1) {
				t.Fatalf("round %d: the last event is %d, want %d", round, last, next-1)
			}
		}
	}
	r.Forget()
	if at, write, err := r.Positions(); err != nil || r.State(at, write) != Writing {
		t.Errorf("after Forget: state %v, %v", r.State(at, write), err)
	}
}

// A program that moves what is read is found out.
func TestCorrupt(t *testing.T) {
	_, r := open(t, small)
	for _, c := range []struct{ at, v uint64 }{{WriteOffset, 1 << 40}, {ConsumedOffset, 4096}} {
		before := r.load(c.at)
		r.store(c.at, c.v)
		if _, _, err := r.Positions(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("word %d is %d: %v, want ErrCorrupt", c.at, c.v, err)
		}
		r.store(c.at, before)
	}
	r.store(WriteOffset, 2*r.g.SubbufBytes)
	r.store(r.l.Cold, r.g.SubbufBytes)
	for _, bits := range []uint64{0, 7, HeaderLen, 8 * (r.g.SubbufBytes + 8), 1 << 63} {
		le.PutUint64(r.b[r.l.Memory+endAt+8:], 8*HeaderLen)
		le.PutUint64(r.b[r.l.Memory+endAt+16:], bits)
		if _, n, ok := r.Read(0, make([]byte, r.g.SubbufBytes)); n != 0 || !ok {
			t.Errorf("a packet of %d bits: %d bytes, %v", bits, n, ok)
		}
	}
}

// Memory of another size, or that could shrink, is not mapped.
func TestOpenRefuses(t *testing.T) {
	f, err := Create(small, Header{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := small
	other.Subbufs = 8
	if _, err := Open(f, other); err == nil {
		t.Error("memory of another geometry is mapped")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("memory can shrink")
	}
	for _, g := range []Geometry{{}, {SubbufBytes: 4096, Subbufs: 3}, {SubbufBytes: 5000, Subbufs: 2}, {SubbufBytes: 4096, Subbufs: 1, Overwrite: true}, {SubbufBytes: MaxSubbufBytes, Subbufs: MaxSubbufs}} {
		if _, err := Create(g, Header{}, 0); err == nil {
			t.Errorf("geometry %+v is taken", g)
		}
	}
}

// A channel object is read as it was written; cut at any byte it is refused.
func TestChannel(t *testing.T) {
	c := Channel{Geometry: small, Name: "channel0", ID: 7, UUID: [16]byte{1, 2, 3}, Streams: 5, Created: 99, BlockingTimeout: -1}
	b, err := c.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (768+16*5)&^7 + 120; len(b) != want {
		t.Errorf("%d bytes, want %d", len(b), want)
	}
	if got, err := ParseChannel(b); err != nil || got != c {
		t.Errorf("ParseChannel = %+v, %v; want %+v", got, err, c)
	}
	for n := range b {
		if _, err := ParseChannel(b[:n]); err == nil {
			t.Fatalf("cut after %d bytes: no error", n)
		}
	}
}

// Whatever the memory holds, the reader stays within it and comes to an end.
func FuzzCorruptMemory(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, false)
	f.Add(bytes.Repeat([]byte{0xff}, 60), true)
	f.Fuzz(func(t *testing.T, changes []byte, overwrite bool) {
		g := small
		g.Overwrite = overwrite
		r := NewReader(make([]byte, g.Layout().Size), g)
		g.Stream(r.b, Header{}, 0)
		r = NewReader(r.b, g)
		w := &writer{t: t, r: r, now: 1}
		for n := range 700 {
			w.write(number(n), true)
		}
		packet := make([]byte, g.SubbufBytes)
		for ; len(changes) >= 12; changes = changes[12:] {
			at := uint64(le.Uint32(changes)) % (g.Layout().Size / 8) * 8
			r.store(at, le.Uint64(changes[4:]))
			r.Flush(5, changes[4]&1 != 0)
			at, write, err := r.Positions()
			if err != nil {
				continue
			}
			for range g.Subbufs {
				if r.State(at, write) == Complete {
					if _, n, ok := r.Read(at, packet); ok && n > len(packet) {
						t.Fatalf("a packet of %d bytes", n)
					}
				}
				at += g.SubbufBytes
			}
		}
	})
}
