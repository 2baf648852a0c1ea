// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// newSpool maps a spool of so many slots, which are free.
func newSpool(t *testing.T, slots int) (*spool, *os.File) {
	t.Helper()
	f, err := newSpoolFile()
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	must(t, f.Truncate(int64(slots*slotSize)))
	return mapped(t, f), f
}

func mapped(t *testing.T, f *os.File) *spool {
	t.Helper()
	s, err := mapSpool(f)
	must(t, err)
	t.Cleanup(func() { must(t, s.unmap()) })
	return s
}

// spooled reads what looks like an event of some bytes into a spool, and reports whether
// there was room.
func spooled(s *spool, journal uint64, size int, mark byte) bool {
	b, l := s.room(journal)
	if len(b) < size {
		return false
	}
	binary.LittleEndian.PutUint32(b, uint32(size))
	b[4] = mark
	l.used += size
	return true
}

// leftBy lists what whoever goes on finds: the serials of slots and the marks of their
// events.
func leftBy(s *spool, journal uint64) (all []string) {
	for _, l := range s.left(journal) {
		text := fmt.Sprint(l.serial(), ":")
		for b := l.rest(); len(b) > 0; {
			n := int(binary.LittleEndian.Uint32(b))
			if n == 0 || n > len(b) {
				break
			}
			text += string(b[4])
			b = b[n:]
		}
		all = append(all, text)
	}
	return all
}

// What was read ahead is there after a crash, with a serial behind that of what is being
// taken over; what was committed is not taken over again, also when its slot has others
// behind it that are.
func TestSpoolReadsAhead(t *testing.T) {
	const journal = 41
	s, file := newSpool(t, spoolSlots)
	s.release()
	for _, mark := range []byte("ab") {
		spooled(s, journal, 100, mark)
	}
	if got := s.filled(); got != 200 {
		t.Errorf("got %d bytes filled, want 200", got)
	}
	if got := s.take(); got != journal+1 {
		t.Errorf("got serial %d, want %d", got, journal+1)
	}
	for _, mark := range []byte("cde") { // of which the slot has room for two
		b, _ := s.room(journal)
		spooled(s, journal, len(b), mark)
	}
	after := mapped(t, file)
	for _, c := range []struct {
		journal uint64
		want    []string
	}{
		{journal, []string{"42:ab", "43:cd", "44:e"}},
		{journal + 1, []string{"43:cd", "44:e"}},
		{journal + 3, nil},
	} {
		if got := leftBy(after, c.journal); !slices.Equal(got, c.want) {
			t.Errorf("journal at %d: got %q, want %q", c.journal, got, c.want)
		}
	}
	s.release()
	if got := s.take(); got != 44 {
		t.Errorf("got serial %d of what was read ahead, want 44", got)
	}
}

// Of much that was read ahead, a part is taken over at once, and the memory is given back
// once nothing waits.
func TestSpoolIsTakenInParts(t *testing.T) {
	s, file := newSpool(t, spoolSlots)
	s.release()
	const slots = 2*takeSlots + 1
	for len(s.open) < slots {
		b, _ := s.room(0)
		spooled(s, 0, len(b), 'a')
	}
	must(t, s.shrink())
	for _, want := range []uint64{takeSlots, 2 * takeSlots, slots} {
		if got := s.take(); got != want {
			t.Errorf("got serial %d, want %d", got, want)
		}
		if got := len(leftBy(mapped(t, file), want)); got != slots-int(want) {
			t.Errorf("%d slots left behind serial %d, want %d", got, want, slots-int(want))
		}
		s.release()
	}
	memory := func() int64 {
		var st unix.Stat_t
		must(t, unix.Fstat(int(file.Fd()), &st))
		return st.Blocks * 512
	}
	before := memory()
	must(t, s.shrink())
	if got := memory(); got > keptSlots*slotSize+int64(os.Getpagesize()) || got >= before {
		t.Errorf("%d bytes of memory, want those of %d slots; %d before", got, keptSlots, before)
	}
}

// A slot is used again once it is released, and has nothing of what it had.
func TestSpoolComesRound(t *testing.T) {
	s, file := newSpool(t, 2)
	s.release()
	for i := range 10 {
		mark := byte('a' + i)
		if !spooled(s, 7, 5000-400*i, mark) {
			t.Fatalf("round %d: no room", i)
		}
		serial := s.take()
		if got, want := leftBy(mapped(t, file), serial-1), []string{fmt.Sprint(serial, ":", string(mark))}; !slices.Equal(got, want) {
			t.Fatalf("round %d: got %q, want %q", i, got, want)
		}
		s.release()
	}
}

// A slot that was open when memory was given back is not one of that memory.
func TestSpoolShrinksWhileOpen(t *testing.T) {
	s, file := newSpool(t, spoolSlots)
	s.release()
	for {
		b, _ := s.room(0)
		if len(s.open) > keptSlots {
			break
		}
		spooled(s, 0, len(b), 'a')
	}
	s.open = s.open[:keptSlots] // take takes no more
	s.take()
	s.room(0)
	s.release()
	must(t, s.shrink())
	serial := s.last
	spooled(s, 0, 100, 'b')
	if got, want := leftBy(mapped(t, file), serial), []string{fmt.Sprint(serial+1, ":b")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Where all slots are in use, nothing is read; that is so for whatever a process left.
func TestSpoolIsFull(t *testing.T) {
	for _, slots := range []int{1, 2, takeSlots} {
		s, _ := newSpool(t, slots)
		if b, _ := s.room(0); b != nil {
			t.Fatalf("%d slots: room where everything may have been left by another", slots)
		}
		s.release()
		reads := 0
		for b, l := s.room(0); b != nil; b, l = s.room(0) {
			l.used += len(b)
			reads++
		}
		if reads != 2*slots {
			t.Errorf("%d slots: %d reads had room, want %d", slots, reads, 2*slots)
		}
		s.take()
		if b, _ := s.room(0); b != nil {
			t.Errorf("%d slots: room while all are taken over", slots)
		}
		s.release()
		if b, _ := s.room(0); b == nil {
			t.Errorf("%d slots: no room after all", slots)
		}
	}
}

// TestSpoolAfterTwoKills: what a process has left behind the events of the next one, which
// is killed as well, is not taken for these.
func TestSpoolAfterTwoKills(t *testing.T) {
	first, f := newSpool(t, 1)
	first.release()
	for _, mark := range []byte("ab") {
		b, _ := first.room(0)
		for i := range b {
			b[i] = mark
		}
		if !spooled(first, 0, len(b), mark) {
			t.Fatalf("no room for %c", mark)
		}
	}
	second := mapped(t, f)
	second.release()
	b, _ := second.room(1)
	if !spooled(second, 1, len(b), 'c') {
		t.Fatal("no room for c")
	}
	b, _ = second.room(1)
	if !spooled(second, 1, len(b)-100, 'd') {
		t.Fatal("no room for d")
	}
	third := mapped(t, f)
	if got, want := leftBy(third, 1), []string{"2:cd"}; !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	at := len(second.slots[0].rest()) - 100
	if rest := third.slots[0].rest()[at:]; !slices.Equal(rest, make([]byte, len(rest))) {
		t.Error("behind them is what the first has left")
	}
}

func TestSpoolOfAnotherSize(t *testing.T) {
	for _, size := range []int64{0, slotSize - 1, slotSize + 1, (spoolSlots + 1) * slotSize} {
		f, err := newSpoolFile()
		must(t, err)
		defer f.Close()
		must(t, f.Truncate(size))
		if s, err := mapSpool(f); err == nil {
			t.Errorf("%d bytes: got a spool of %d slots, want an error", size, len(s.slots))
		}
	}
}
