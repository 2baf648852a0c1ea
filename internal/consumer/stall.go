// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
)

// retryPeriod is how often it is tried to write packets that found no room, where
// nobody tells that there is some.
const retryPeriod = 5 * time.Second

// noRoom reports an error of a file system or a spool that is full, or of a user
// who may not have more of it: there may be room later.
func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, errSpoolFull)
}

// errStalled ends the reading of a ring whose packets find no room.
var errStalled = errors.New("packets wait for room")

// stall is what the goroutine of a stream does while its packets find no room:
// nothing is read, and the ring or the source counts what it loses. The packets
// that were finished wait, no more than one page makes.
type stall struct {
	s          *stream
	retryAt    time.Time
	unfinished bool // stopped: what is left is read when there is room
	left       bool // as unfinished, while it is held
}

// WritePacket hands a packet on. It implements ctf.PacketSink: an error means
// that the packet is lost, which its successor's number tells. One that finds no
// room waits, as do those behind it.
func (s *stream) WritePacket(p []byte, info ctf.PacketInfo) error {
	s.tellDiscarded(info)
	if len(s.waiting) == 0 {
		err := s.give(p, info)
		if !noRoom(err) {
			return err
		}
	}
	return s.waiting.WritePacket(p, info)
}

func (s *stream) tellDiscarded(info ctf.PacketInfo) {
	if before := s.discarded.Swap(info.Discarded); info.Discarded > before {
		s.tellLoss(info.Discarded-before, 0)
	}
}

// writeLent is WritePacket of a packet in memory that programs write to, which has begun
// with other bytes than head. Where it finds no room, it is to be given again as a copy,
// or as what comes back. That is so as well where the output is no lentWriter.
func (s *stream) writeLent(head, body []byte, info ctf.PacketInfo, taken func() bool) (back []byte, err error) {
	w, ok := s.out.(lentWriter)
	if !ok || len(s.waiting) > 0 {
		return nil, errSpoolFull
	}
	s.tellDiscarded(info)
	s.begin(info)
	back, err = w.writeLent(head, body, info, taken)
	s.given(len(head)+len(body), err)
	return back, err
}

// give writes a packet to the output.
func (s *stream) give(p []byte, info ctf.PacketInfo) error {
	s.begin(info)
	err := s.out.write(p, info)
	s.given(len(p), err)
	return err
}

// begin takes note of the first packet.
func (s *stream) begin(info ctf.PacketInfo) {
	if s.first.Load() == 0 {
		s.first.Store(info.Sequence + 1)
	}
}

// given counts a packet that was written, or was not.
func (s *stream) given(n int, err error) {
	switch {
	case err == nil:
		s.packets.Add(1)
		s.bytes.Add(uint64(n))
		s.untold.Store(false)
	case !noRoom(err) && err != errTakenBack:
		s.lose(1)
	}
}

// stalled reports whether packets wait.
func (s *stream) stalled() bool { return len(s.waiting) > 0 }

// retry writes those that wait, as far as there is room.
func (s *stream) retry() error {
	for i, p := range s.waiting {
		if err := s.give(p.bytes, p.info); noRoom(err) {
			s.waiting = s.waiting[i:]
			return fmt.Errorf("%d packets wait, the ring is not read: %w", len(s.waiting), err)
		}
	}
	s.waiting = nil
	return nil
}

// abandon counts those that wait as lost.
func (s *stream) abandon() {
	s.lose(uint64(len(s.waiting)))
	s.waiting = nil
}

// due retries if it is time, and reports whether there is room.
func (t *stall) due() bool {
	if !t.s.stalled() {
		return true
	}
	if !t.s.room.Swap(false) && time.Now().Before(t.retryAt) {
		return false
	}
	t.retryAt = time.Now().Add(retryPeriod)
	return t.s.retry() == nil // the output has told why
}

// patience is how long to wait for the next attempt; below 0 for ever.
func (t *stall) patience() time.Duration {
	if !t.s.stalled() {
		return -1
	}
	return max(time.Until(t.retryAt), 0)
}
