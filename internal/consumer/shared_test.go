// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"log/slog"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/ust/ring"
)

// keenGeometry is that of the ring of a keenWriter.
var keenGeometry = ring.Geometry{SubbufBytes: ring.MinSubbufBytes, Subbufs: 4}

// keenWriter is an output, and the program whose packets it gets: for each that is
// written it fills another sub-buffer, as long as some are left. It wakes nobody.
type keenWriter struct {
	t       *testing.T
	program *ring.Writer
	left    int
	written int
	told    []uint64      // sequence numbers of packets
	all     chan struct{} // closed when as many are written as ever were left
}

func (k *keenWriter) beacon(uint64) error { return nil }

func (k *keenWriter) write(_ []byte, info ctf.PacketInfo) error {
	k.told = append(k.told, info.Sequence)
	if k.written++; k.left > 0 {
		k.left--
		k.fill()
	} else if k.all != nil {
		close(k.all)
		k.all = nil
	}
	return nil
}

// fill writes events until one is in the next sub-buffer.
func (k *keenWriter) fill() {
	const short, long = 4 + 8, 13 + 8
	now := clockTime(unix.CLOCK_MONOTONIC)
	for begin := k.program.Position(); ; {
		s, ok := k.program.Reserve(k.program.Position(), now, short, long)
		if !ok {
			k.t.Errorf("packet %d: the ring has no room", k.written)
			return
		}
		clear(unsafe.Slice((*byte)(s.Data), short))
		k.program.Commit(&s)
		if (k.program.Position()-1)/keenGeometry.SubbufBytes != begin/keenGeometry.SubbufBytes {
			return
		}
	}
}

// newKeen makes a stream whose program has filled a sub-buffer and fills more.
func newKeen(t *testing.T, more int) (*shared, *keenWriter) {
	t.Helper()
	return newKeenOf(t, keenGeometry, more)
}

// newKeenOf is newKeen of a ring of another kind.
func newKeenOf(t *testing.T, g ring.Geometry, more int) (*shared, *keenWriter) {
	t.Helper()
	memory, err := ring.Create(g, ring.Header{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(memory.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := ring.WriterConfig{Channel: ring.Channel{Geometry: g}, Now: func() uint64 { return clockTime(unix.CLOCK_MONOTONIC) }}
	program, err := ring.Map(config, os.NewFile(uintptr(fd), "memory"), null, g.Layout().Size)
	if err != nil {
		t.Fatal(err)
	}
	k := &keenWriter{t: t, program: program, left: more, all: make(chan struct{})}
	k.fill()
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	s := &stream{out: k, channel: &channel{Channel: handover.Channel{Name: "ch", RingBytes: int64(g.Bytes()), Overwrite: g.Overwrite, ReadTimer: time.Hour}}}
	source, err := (&engine{log: slog.New(slog.DiscardHandler)}).newShared(s, handover.Stream{SubbufBytes: int(g.SubbufBytes)}, []*os.File{memory, pipe})
	if err != nil {
		t.Fatal(err)
	}
	s.source = source
	t.Cleanup(func() {
		if err := source.close(); err != nil {
			t.Error(err)
		}
	})
	return source.(*shared), k
}

// A program that is as fast as the disk holds up no order: what it writes while an order
// is carried out waits, and is read at once when reading goes on.
func TestProgramNeverStops(t *testing.T) {
	const more = 1000
	most := 2 * int(keenGeometry.Subbufs+1)
	for _, c := range []struct {
		name  string
		order func(*shared) error
	}{
		{"stop", (*shared).stop},
		{"hold", func(d *shared) error { // its part of it, as reading has not begun
			return d.call(func() error { d.endPacket(false, false); return nil })
		}},
		{"tellAll", (*shared).tellAll},
	} {
		d, k := newKeen(t, more)
		all := k.all
		if err := c.order(d); err != nil {
			t.Fatal(err)
		}
		if k.written == 0 || k.written > most {
			t.Errorf("%s has read %d packets, want up to %d", c.name, k.written, most)
		}
		if err := d.start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-all:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: what programs have written meanwhile is not read", c.name)
		}
	}
}

// A ring that is overwritten while nobody reads has its newest sub-buffers read, in order;
// the gap before them is in their numbers.
func TestOverwrittenRing(t *testing.T) {
	g := keenGeometry
	g.Overwrite = true
	d, k := newKeenOf(t, g, 0)
	if err := d.stop(); err != nil { // which reads what there is
		t.Fatal(err)
	}
	before := len(k.told)
	const rounds = 3
	for range rounds * g.Subbufs {
		k.fill()
	}
	newest := k.program.Position() / g.SubbufBytes // ended by stop
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	last, read := k.told[before-1], k.told[before:]
	if len(read) == 0 || uint64(len(read)) > g.Subbufs || read[len(read)-1] != newest {
		t.Fatalf("of sub-buffers up to %d those read are %d, want the newest of a ring of %d", newest, read, g.Subbufs)
	}
	if gap := read[0] - last; gap < (rounds-1)*g.Subbufs {
		t.Errorf("sub-buffer %d follows %d, want %d lost", read[0], last, (rounds-1)*g.Subbufs)
	}
	for i := range read[1:] {
		if read[i+1] != read[i]+1 {
			t.Errorf("read are %d, want one after the other", read)
		}
	}
	if d.broken {
		t.Error("the ring is said to be corrupt")
	}
}
