// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/wait"
)

// scripted is a ring of which it is written down what is done with it, and its output.
type scripted struct {
	nowhere
	t     *testing.T
	r     *rounds
	did   []string
	reads chan struct{} // has something after each reading
	full  bool          // the output has no room
	never bool          // each time that the ring is emptied there is no room at first
	quick bool          // nobody waits for the output
	wrote int
	waits int
}

func (s *scripted) write([]byte, ctf.PacketInfo) error {
	if s.full {
		return errSpoolFull
	}
	s.wrote++
	return nil
}

func (s *scripted) beacon(uint64) error { return nil }

func (s *scripted) prompt() bool { return s.quick }

func (s *scripted) wait() error {
	s.waits++
	s.r.turn.Unlock()
	defer s.r.turn.Lock()
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.r.wakefd), Events: unix.POLLIN}}, -1)
	if errors.Is(err, unix.EINTR) {
		err = nil
	}
	return err
}

func (s *scripted) started() error { s.did = append(s.did, "started"); return nil }

func (s *scripted) read(bool) {
	s.did = append(s.did, "read")
	select {
	case s.reads <- struct{}{}:
	default:
	}
}

func (s *scripted) timers() {}

func (s *scripted) flush(all bool) error {
	what := "flush"
	if all {
		what = "flush all"
	}
	s.did = append(s.did, what)
	before := s.full
	s.full = s.full || s.never
	err := s.r.s.WritePacket([]byte("packet"), ctf.PacketInfo{})
	s.full = before
	return err
}

func (s *scripted) most() uint64 { return 5 }

func (s *scripted) tellEmpty() error { s.did = append(s.did, "empty"); return nil }

// newScripted has rounds run until the test ends.
func newScripted(t *testing.T) (*rounds, *scripted) {
	t.Helper()
	m, err := newMailbox()
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{t: t, reads: make(chan struct{}, 1)}
	st := &stream{channel: &channel{Channel: handover.Channel{Name: "ch"}}, out: s}
	s.r = &rounds{mailbox: m, stall: stall{s: st}, log: slog.New(slog.DiscardHandler), of: s}
	go s.r.run() // until end
	t.Cleanup(func() {
		if err := s.r.end(); err != nil {
			t.Error(err)
		}
	})
	return s.r, s
}

// wantDone checks what was done with the ring, on its goroutine.
func (s *scripted) wantDone(want ...string) {
	s.t.Helper()
	var got []string
	if err := s.r.call(func() error { got, s.did = s.did, nil; return nil }); err != nil {
		s.t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(what string) bool { return what == "read" }) // as often as it is woken
	if !slices.Equal(got, want) {
		s.t.Errorf("did %q, want %q", got, want)
	}
}

// awaitRead waits until the ring is read.
func (s *scripted) awaitRead() {
	s.t.Helper()
	select {
	case <-s.reads:
	case <-time.After(30 * time.Second):
		s.t.Fatal("the ring is not read")
	}
}

func TestRoundsReadUntilTheyAreHeld(t *testing.T) {
	r, s := newScripted(t)
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	s.awaitRead() // whatever has woken it
	if err := r.hold(); err != nil {
		t.Fatal(err)
	}
	s.wantDone("started", "flush")
	if err := r.hold(); err != nil { // it is already
		t.Fatal(err)
	}
	s.wantDone()
	if s.wrote != 1 {
		t.Errorf("%d packets, want 1", s.wrote)
	}
}

// TestRoundsStopWithoutWaking stops where nobody waits for the output: the goroutine goes
// on waiting, and reads no more. Where it is at work itself, it stops.
func TestRoundsStopWithoutWaking(t *testing.T) {
	r, s := newScripted(t)
	s.quick = true
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	s.awaitRead()
	before := -1
	wait.Until(t, "the goroutine waits", func() bool {
		r.turn.Lock()
		defer r.turn.Unlock()
		last := before
		before = s.waits
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.wakefd), Events: unix.POLLIN}}, 0)
		return n == 0 && err == nil && last == before
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.turn.Lock()
	if s.waits != before || r.reading || !r.emptied {
		t.Errorf("woken %d times; reading: %v, emptied: %v", s.waits-before, r.reading, r.emptied)
	}
	r.turn.Unlock()
	s.wantDone("started", "flush all")
	busy, release := make(chan struct{}), make(chan struct{})
	var orders sync.WaitGroup
	orders.Go(func() {
		_ = r.call(func() error {
			close(busy)
			<-release
			return nil
		})
	})
	<-busy
	orders.Go(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	close(release)
	orders.Wait()
	s.wantDone("flush all")
}

// TestRoundsGoOnWhenThereIsRoom stops while there is no room for what is left: it is read
// when there is some, but not while the stream is held.
func TestRoundsGoOnWhenThereIsRoom(t *testing.T) {
	for _, quick := range []bool{false, true} {
		t.Run(fmt.Sprintf("prompt %v", quick), func(t *testing.T) { goOnWithRoom(t, quick) })
	}
}

func goOnWithRoom(t *testing.T, quick bool) {
	r, s := newScripted(t)
	s.quick = quick
	s.full = true
	if err := r.stop(); !errors.Is(err, errSpoolFull) {
		t.Fatalf("stop without room: %v", err)
	}
	s.wantDone("flush all")
	if err := r.hold(); err != nil {
		t.Fatal(err)
	}
	if err := r.call(func() error { s.full = false; return nil }); err != nil {
		t.Fatal(err)
	}
	s.r.s.room.Store(true)
	r.wake()
	s.wantDone()
	if err := r.goOn(); err != nil {
		t.Fatal(err)
	}
	r.wake()
	for deadline := time.Now().Add(30 * time.Second); ; {
		var emptied bool
		if err := r.call(func() error { emptied = r.emptied; return nil }); err != nil {
			t.Fatal(err)
		}
		if emptied {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what was left is not read")
		}
	}
	s.wantDone("flush all")
	if s.wrote != 2 {
		t.Errorf("%d packets, want 2", s.wrote)
	}
}

// TestRoundsEndThoughProgramsDoNot stops while each emptying finds no room at first.
func TestRoundsEndThoughProgramsDoNot(t *testing.T) {
	r, s := newScripted(t)
	s.never = true
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	s.wantDone(slices.Repeat([]string{"flush all"}, int(s.most()))...)
	if s.wrote != int(s.most()) {
		t.Errorf("%d packets, want %d", s.wrote, s.most())
	}
}

func TestRoundsTellOfLostPacketsOnce(t *testing.T) {
	r, s := newScripted(t)
	for _, lost := range []bool{false, true} {
		s.r.s.untold.Store(lost)
		if told, err := r.tell(); told != lost || err != nil {
			t.Errorf("lost %v: told %v, %v", lost, told, err)
		}
	}
	s.wantDone("empty")
	if err := r.call(func() error {
		s.full = true
		return s.r.s.WritePacket([]byte("packet"), ctf.PacketInfo{})
	}); err != nil {
		t.Fatal(err)
	}
	if told, err := r.tell(); told || err != nil {
		t.Errorf("without room: told %v, %v", told, err)
	}
	s.wantDone()
}
