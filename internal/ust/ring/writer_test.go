// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writerOf maps a ring for writing, and for reading.
func writerOf(t *testing.T, g Geometry, now func() uint64) (*Writer, *Reader) {
	t.Helper()
	all, r := writersOf(t, g, now, 1)
	return all[0], r
}

// writersOf maps a ring for writing as many programs do.
func writersOf(t *testing.T, g Geometry, now func() uint64, programs int) (all []*Writer, r *Reader) {
	t.Helper()
	f, err := Create(g, Header{Begin: now()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r, err = Open(f, g); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	for range programs {
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		wakeR, wakeW, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { wakeR.Close() })
		w, err := Map(WriterConfig{Channel: Channel{Geometry: g}, Now: now}, os.NewFile(uintptr(fd), "memory"), wakeW, g.Layout().Size)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	return all, r
}

// An event of these tests: a header of no fields, and a number that is not 0.
const (
	shortEvent = 4 + 8
	longEvent  = 13 + 8
)

func emit(w *Writer, n uint64) bool {
	s, ok := w.Reserve(w.Position(), w.now(), shortEvent, longEvent)
	if !ok {
		return false
	}
	at := s.Data
	if s.Long {
		*(*byte)(at) = 31
		at = unsafe.Add(at, 13)
	} else {
		*(*uint32)(at) = 1
		at = unsafe.Add(at, 4)
	}
	for i := range 8 {
		*(*byte)(unsafe.Add(at, i)) = byte(n >> (8 * i))
	}
	w.Commit(&s)
	return true
}

// numbers reads the events of a packet.
func numbers(t *testing.T, packet []byte, h Header) (all []uint64) {
	t.Helper()
	for b := packet[HeaderLen : h.ContentBits/8]; len(b) > 0; {
		skip := 4
		if b[0]&31 == 31 {
			skip = 13
		}
		if len(b) < skip+8 {
			t.Fatalf("packet %d ends with %d bytes of an event", h.Sequence, len(b))
		}
		all = append(all, le.Uint64(b[skip:]))
		b = b[skip+8:]
	}
	return all
}

// Whatever many goroutines write is read once, or counted as lost.
func TestWritersLoseNothing(t *testing.T) {
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 4}
	var clock atomic.Uint64
	programs, r := writersOf(t, g, func() uint64 { return clock.Add(1 << 10) }, 2)
	w := programs[0]
	const goroutines, each = 8, 20000
	var writers sync.WaitGroup
	var refused atomic.Uint64
	for i := range uint64(goroutines) {
		writers.Go(func() {
			for n := range uint64(each) {
				if !emit(programs[i%2], i<<32|(n+1)) {
					refused.Add(1)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	seen := make(map[uint64]bool)
	packet := make([]byte, g.SubbufBytes)
	told := uint64(0)
	drain := func() {
		for {
			at, write, err := r.Positions()
			if err != nil {
				t.Error(err)
				return
			}
			if r.State(at, write) != Complete {
				return
			}
			h, n, _ := r.Read(at, packet)
			if h.Discarded < told {
				t.Errorf("packet %d tells of %d discarded events, the one before of %d", h.Sequence, h.Discarded, told)
			}
			told = h.Discarded
			for _, v := range numbers(t, packet[:n], h) {
				if seen[v] {
					t.Errorf("event %#x is there twice", v)
				}
				seen[v] = true
			}
			if err := r.Release(at); err != nil {
				t.Error(err)
				return
			}
		}
	}
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
		}
		drain()
	}
	if !w.Quiet() {
		t.Error("nobody writes, and the ring is not quiet")
	}
	r.Flush(clock.Load(), false)
	drain()
	if lost := w.Lost(); lost != refused.Load() || uint64(len(seen))+lost != goroutines*each {
		t.Errorf("%d read, %d lost, %d refused, want %d in all", len(seen), lost, refused.Load(), goroutines*each)
	}
	if told != w.Lost() {
		t.Errorf("the last packet tells of %d discarded events, want %d", told, w.Lost())
	}
	t.Logf("%d read, %d lost", len(seen), w.Lost())
}

// Where writers overwrite, the newest events stay.
func TestWriterOverwrites(t *testing.T) {
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 4, Overwrite: true}
	var clock uint64
	w, r := writerOf(t, g, func() uint64 { clock += 1 << 10; return clock })
	const events = 20000
	for n := range uint64(events) {
		if !emit(w, n+1) {
			t.Fatalf("no room for event %d", n)
		}
	}
	r.Flush(clock, false)
	var got []uint64
	packet := make([]byte, g.SubbufBytes)
	for {
		at, write, err := r.Positions()
		if err != nil {
			t.Fatal(err)
		}
		if r.State(at, write) != Complete {
			break
		}
		if h, n, ok := r.Read(at, packet); ok {
			got = append(got, numbers(t, packet[:n], h)...)
		}
		if err := r.Release(at); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) == 0 || got[len(got)-1] != events {
		t.Fatalf("%d events, want the newest, %d, at the end", len(got), events)
	}
	for i := range got {
		if want := events - uint64(len(got)-1-i); got[i] != want {
			t.Fatalf("event %d of %d is %d, want %d", i, len(got), got[i], want)
		}
	}
}

// An event that no sub-buffer has room for is lost, and the ring goes on.
func TestWriterRefusesTheTooLarge(t *testing.T) {
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 2}
	var clock uint64
	w, _ := writerOf(t, g, func() uint64 { clock++; return clock })
	if _, ok := w.Reserve(w.Position(), w.now(), MinSubbufBytes, MinSubbufBytes); ok || w.Lost() != 1 {
		t.Errorf("an event of a sub-buffer's size: ok %v, lost %d", ok, w.Lost())
	}
	if !emit(w, 1) {
		t.Error("no room behind an event that was too large")
	}
}

// A ring of one sub-buffer is written until it is full, and again once the reader has ended
// and read it.
func TestWriterHasOneSubbuf(t *testing.T) {
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 1}
	var clock uint64
	w, r := writerOf(t, g, func() uint64 { clock++; return clock })
	packet := make([]byte, g.SubbufBytes)
	n, lost := uint64(0), uint64(0)
	for round := range 3 {
		first := n + 1
		for emit(w, n+1) {
			n++
		}
		lost++
		at, write, err := r.Positions()
		if err != nil {
			t.Fatal(err)
		}
		if s := r.State(at, write); s != Writing {
			t.Fatalf("round %d: state %d of what nobody has ended", round, s)
		}
		clock++
		if !r.Flush(clock, false) {
			t.Fatalf("round %d: nothing is ended", round)
		}
		_, write, err = r.Positions()
		if s := r.State(at, write); err != nil || s != Complete {
			t.Fatalf("round %d: state %d, %v", round, s, err)
		}
		if emit(w, n+1) {
			t.Fatalf("round %d: room in a sub-buffer that is not read", round)
		}
		lost++
		h, size, ok := r.Read(at, packet)
		events := numbers(t, packet[:size], h)
		if !ok || h.Sequence != uint64(round) || uint64(len(events)) != n+1-first || events[0] != first || events[len(events)-1] != n {
			t.Fatalf("round %d: packet %d of %d events, want %d", round, h.Sequence, len(events), n+1-first)
		}
		if err := r.Release(at); err != nil {
			t.Fatal(err)
		}
	}
	if w.Lost() != lost || r.Lost() != lost {
		t.Errorf("%d and %d lost, want %d", w.Lost(), r.Lost(), lost)
	}
}

// A memory whose places lie outside of it is not mapped.
func TestWriterRefusesCorruptMemory(t *testing.T) {
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 2}
	for _, at := range []int64{WriteTableRef, CountsRef, PagesRef, MemoryRef, CommitHotRef, CommitColdRef, TimeEndRef} {
		f, err := Create(g, Header{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(le.AppendUint64(nil, g.Layout().Size-8), at+8); err != nil {
			t.Fatal(err)
		}
		_, wake, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Map(WriterConfig{Channel: Channel{Geometry: g}}, f, wake, g.Layout().Size); err == nil {
			t.Errorf("reference at %d beyond the memory: no error", at)
		}
	}
}

// A writer that retires gives back its memory and its descriptor at once, and those who
// write meanwhile do so to memory that nobody reads.
func TestWriterRetires(t *testing.T) {
	g := Geometry{SubbufBytes: MinSubbufBytes, Subbufs: 4}
	for _, overwrite := range []bool{false, true} {
		g.Overwrite = overwrite
		w, r := writerOf(t, g, func() uint64 { return 1 })
		atomic.StoreUint64(w.word(ActiveReaders), 1) // who wakes the reader finds the descriptor gone
		late, ok := w.Reserve(w.Position(), 1, shortEvent, longEvent)
		if !ok {
			t.Fatal("no room in an empty ring")
		}
		var stop atomic.Bool
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for n := uint64(1); !stop.Load(); n++ {
					emit(w, n)
				}
			})
		}
		if err := w.Retire(); err != nil {
			t.Fatal(err)
		}
		if err := w.Retire(); err != nil {
			t.Errorf("retired twice: %v", err)
		}
		before, _, err := r.Positions()
		if err != nil {
			t.Fatal(err)
		}
		*(*byte)(late.Data) = 1
		w.Commit(&late)
		for range 4 * g.Bytes() / shortEvent {
			emit(w, 7)
		}
		stop.Store(true)
		writers.Wait()
		if after, _, err := r.Positions(); err != nil || after != before {
			t.Errorf("overwrite %v: the ring is at %d, %v after its writer has retired, want %d", overwrite, after, err, before)
		}
		if _, err := unix.FcntlInt(uintptr(w.held.wake), unix.F_GETFD, 0); err == nil {
			t.Errorf("overwrite %v: the descriptor of the pipe is open", overwrite)
		}
		runtime.KeepAlive(w)
	}
}
