// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/ust/ring"
)

// A stream that is handed over again, as the daemon has not heard that it was taken, is
// there once: two readers of a ring would take each other's packets.
func TestStreamAgain(t *testing.T) {
	g := ring.Geometry{SubbufBytes: ring.MinSubbufBytes, Subbufs: 4}
	memory, err := ring.Create(g, ring.Header{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	e := &engine{log: slog.New(slog.DiscardHandler), out: nowhere{}, channels: make(map[uint32]*channel)}
	if err := e.addChannel(handover.Channel{ID: 1, Name: "c", Shared: true, RingBytes: int64(g.Bytes())}, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, o := range []handover.Stream{{Class: 1}, {Class: 2}, {Class: 1, CPU: 1}, {Class: 1, Part: handover.Part{Place: "p"}}} {
			o.Channel, o.SubbufBytes = 1, int(g.SubbufBytes)
			fd, err := unix.Dup(int(memory.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			pipe, end, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := e.addStream(o, []*os.File{os.NewFile(uintptr(fd), "memory"), pipe}); err != nil {
				t.Error(err)
			}
			end.Close()
		}
	}
	if n := len(e.streams); n != 4 || len(e.channels[1].streams) != n {
		t.Errorf("%d streams, want 4", n)
	}
	for _, s := range e.streams {
		if err := s.source.close(); err != nil {
			t.Error(err)
		}
	}
}

// A ring whose memory is gone when its stream comes is told as broken, and nothing else: the
// process has other rings.
func TestMemoryGone(t *testing.T) {
	g := ring.Geometry{SubbufBytes: ring.MinSubbufBytes, Subbufs: 4}
	size := int64(g.Layout().Size)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	s := &stream{out: nowhere{}, channel: &channel{Channel: handover.Channel{Name: "c", RingBytes: int64(g.Bytes()), ReadTimer: time.Hour}}}
	src, err := (&engine{log: slog.New(slog.DiscardHandler)}).readShared(s, g, ring.NewReader(b, g), pipe)
	if err != nil {
		t.Fatal(err)
	}
	s.source = src
	if err := errors.Join(src.start(), src.stop()); err != nil {
		t.Error(err)
	}
	var st handover.StreamStatus
	src.account(&st)
	if st.Bad != 1 || st.Discarded != 0 {
		t.Errorf("account %+v, want one bad record", st)
	}
	if err := src.close(); err != nil {
		t.Error(err)
	}
}
