// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// intake takes whole packets from a socket: from sources that make packets
// themselves. While it does not read, the socket's buffer fills, and the source
// counts what it cannot send.
type intake struct {
	*mailbox
	stall

	log  *slog.Logger
	conn *handover.PacketConn
	live time.Duration
	kept *keptPackets // for snapshots; nil: packets go to the output

	// Owned by the goroutine.
	reading bool
	last    uint64 // end of the last packet, or beacon
	failure error  // reported once
}

func (e *engine) newIntake(s *stream, files []*os.File) (source, error) {
	if err := want(handover.OpStream, files, 1); err != nil {
		return nil, err
	}
	conn, err := handover.NewPacketConn(files[0])
	if err != nil {
		return nil, err
	}
	m, err := newMailbox()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	in := &intake{mailbox: m, stall: stall{s: s}, log: e.log, conn: conn, live: e.hello.LiveTimer}
	if e.hello.Snapshot {
		in.kept = &keptPackets{most: s.channel.RingBytes}
	}
	go in.run() // until close
	return in, nil
}

func (in *intake) run() {
	defer close(in.ended)
	for {
		fds := []unix.PollFd{{Fd: int32(in.wakefd), Events: unix.POLLIN}, {Fd: int32(in.conn.FD()), Events: unix.POLLIN}}
		timeout := -1
		switch {
		case !in.reading && !in.unfinished:
			fds = fds[:1]
		case in.s.stalled():
			fds, timeout = fds[:1], int(in.patience().Milliseconds())+1
		case in.live > 0:
			timeout = int(in.live.Milliseconds())
		}
		if _, err := unix.Poll(fds, timeout); err != nil && err != unix.EINTR {
			in.fail(err)
		}
		if !in.obey() {
			return
		}
		switch {
		case !in.reading && !in.unfinished || !in.due():
		case in.unfinished:
			in.read()
			in.unfinished = in.s.stalled()
		case in.read() == 0 && in.live > 0:
			in.beat()
		}
	}
}

// read takes the packets that wait, as long as there is room for them.
func (in *intake) read() (n int) {
	for !in.s.stalled() {
		packet, info, err := in.conn.Receive()
		switch {
		case errors.Is(err, unix.EAGAIN):
			return n
		case err != nil:
			in.fail(err)
			in.reading = false // the source is gone
			return n
		}
		n++
		in.last = max(in.last, info.End)
		if in.kept != nil {
			in.s.discarded.Store(info.Discarded)
			in.kept.add(packet, info)
			continue
		}
		if err := in.s.WritePacket(packet, info); err != nil {
			in.fail(err)
		}
	}
	return n
}

// beat tells that nothing happened. A source sends what it has within its own
// live timer, so that what is older than two of these was sent.
func (in *intake) beat() {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // the clock exists
	until := uint64(t.Nano() - 2*int64(in.live))
	if until <= in.last {
		return
	}
	in.last = until
	if err := in.s.out.beacon(until); err != nil {
		in.fail(err)
	}
}

func (in *intake) fail(err error) {
	if in.failure == nil || in.failure.Error() != err.Error() {
		in.failure = err
		in.log.Error("packets not taken", "channel", in.s.channel.Name, "cpu", in.s.cpu, "err", err)
	}
}

func (in *intake) start() error {
	return in.call(func() error {
		in.reading, in.unfinished, in.left, in.retryAt = true, false, false, time.Time{}
		return nil
	})
}

func (in *intake) hold() error {
	return in.call(func() error {
		if !in.reading {
			in.unfinished, in.left = false, in.unfinished
			return nil
		}
		in.reading, in.retryAt = false, time.Time{}
		if in.due() {
			in.read()
		}
		return nil
	})
}

// stop takes what the source has sent, which is all.
func (in *intake) stop() error {
	return in.call(func() error {
		in.reading, in.unfinished, in.left = false, true, false
		for {
			if err := in.s.retry(); err != nil {
				in.retryAt = time.Now().Add(retryPeriod)
				return err
			}
			if in.read(); !in.s.stalled() {
				in.unfinished = false
				return nil
			}
		}
	})
}

func (in *intake) goOn() error {
	return in.call(func() error {
		in.unfinished, in.left, in.retryAt = in.left, false, time.Time{}
		return nil
	})
}

// tell can do nothing: packets are the source's, which numbers them.
func (in *intake) tell() (bool, error) { return false, nil }

func (in *intake) tellAll() error { return nil }

func (in *intake) account(to *handover.StreamStatus) { to.Events = in.conn.Events() }

func (in *intake) close() error {
	err := in.end()
	if errors.Is(err, errHung) { // all is the goroutine's; it ends with the process
		return err
	}
	in.s.abandon()
	for { // what the source has sent and nobody had room for
		if _, _, err := in.conn.Receive(); err != nil {
			break
		}
		in.s.lose(1)
	}
	return errors.Join(err, in.conn.Close())
}
