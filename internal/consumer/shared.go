// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/ust/ring"
)

// tornPatience is how long a program may take between reserve and commit when others
// need the room.
const tornPatience = 5 * time.Second

// fastestLoss is what an event at least takes that finds no room.
const fastestLoss = 4 * time.Nanosecond

// shared reads a ring in memory that it shares with programs. What is in it are
// packets already; their headers are written anew, as programs may have written
// anything there.
type shared struct {
	rounds

	// Immutable.
	ring   *ring.Reader
	pipe   *os.File // programs write to it when a sub-buffer is complete
	pipefd int      // of it
	waiter *waiter
	live   time.Duration
	uuid   [16]byte

	mayHold bool // a processor of Go's scheduler while it waits

	// Owned by the goroutine.
	holder  tracefs.Holder
	listens bool                 // for the pipe
	alone   bool                 // nobody may wait any more for what other goroutines wait for
	woken   time.Time            // when programs did that last
	gap     time.Duration        // since they had before
	packet  []byte               // a copy
	head    [ring.HeaderLen]byte // of a packet that is where programs have left it
	more    bool                 // there was more to read when the last pass had read its part
	last    uint64               // end of the last packet, or beacon
	told    uint64               // lost events
	began   bool                 // a packet was given

	torn       uint64    // position of a sub-buffer that is not committed
	tornSince  time.Time // when it was first seen
	opened     time.Time
	lostBefore uint64 // events, before that

	flushed time.Time // when it was last
	broken  bool      // the memory is corrupt: it is read no more

	bad  atomic.Uint64 // sub-buffers that no program that keeps the rules has left
	lost atomic.Uint64 // events
	used atomic.Uint64 // bytes
}

func (e *engine) newShared(s *stream, o handover.Stream, files []*os.File) (source, error) {
	if err := want(handover.OpStream, files, 2); err != nil {
		return nil, err
	}
	defer files[0].Close()
	g := ring.Geometry{SubbufBytes: uint64(o.SubbufBytes), Overwrite: s.channel.Overwrite}
	if o.SubbufBytes > 0 {
		g.Subbufs = uint64(s.channel.RingBytes) / g.SubbufBytes
	}
	r, err := ring.Open(files[0], g)
	if err != nil {
		files[1].Close()
		return nil, err
	}
	return e.readShared(s, g, r, files[1])
}

// readShared begins to wait for a ring, which it takes over with the pipe by which programs
// wake its reader.
func (e *engine) readShared(s *stream, g ring.Geometry, r *ring.Reader, pipe *os.File) (source, error) {
	m, err := newMailbox()
	if err != nil {
		return nil, errors.Join(err, r.Close(), pipe.Close())
	}
	pipefd := int(pipe.Fd()) // which makes it one that blocks
	w, err := newWaiter(m.wakefd)
	if err == nil {
		err = unix.SetNonblock(pipefd, true)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close(), pipe.Close(), unix.Close(m.wakefd))
	}
	d := &shared{
		rounds: rounds{mailbox: m, stall: stall{s: s}, log: e.log}, ring: r, pipe: pipe, pipefd: pipefd, waiter: w, live: e.hello.LiveTimer,
		uuid: s.in.uuid, packet: make([]byte, g.SubbufBytes), flushed: time.Now(),
		opened: time.Now(),
	}
	d.of = d
	d.mayHold = len(e.streams) < maxHolding
	if d.mayHold {
		giveProcessors(len(e.streams) + 1)
	}
	go d.serve() // until close
	return d, nil
}

// serve serves until the orders end. What was lost before is read here, where a page that
// is gone does not end the process.
func (d *shared) serve() {
	debug.SetPanicOnFault(true) // the ring has its memory's faults told as errors
	d.lostBefore = min(d.ring.Lost(), clockTime(unix.CLOCK_MONOTONIC)/uint64(fastestLoss))
	d.run()
}

// read takes the sub-buffers that are complete, as long as there is room for them: those
// that are there as it begins, as programs may be faster than the disk, or only say so, and
// orders are not to wait for their end. All is true where nobody writes any more: what is
// not complete never will be.
func (d *shared) read(all bool) {
	d.more = false
	if err := d.count(); err != nil {
		if !d.broken {
			d.breaks(err)
		}
		return
	}
	_, end, err := d.ring.Positions()
	for n := d.subbufs() + 1; err == nil && n > 0 && !d.s.stalled() && !d.broken; n-- {
		var more bool
		if more, err = d.readNext(end, all); !more {
			break
		}
	}
	if err != nil {
		d.breaks(err)
	}
	if d.s.stalled() || d.broken {
		return
	}
	if at, write, err := d.ring.Positions(); err == nil {
		d.more = d.ring.State(at, write) == ring.Complete
	}
}

// readNext takes the next sub-buffer, if it is complete and before an end. It reports
// whether there may be another.
func (d *shared) readNext(end uint64, all bool) (bool, error) {
	at, write, err := d.ring.Positions()
	if err != nil {
		return false, err
	}
	switch d.ring.State(at, end) {
	case ring.Complete:
		return true, d.take(at)
	case ring.Torn:
		if !all && !d.pressing(at, write) {
			return false, nil
		}
		d.skip("a program has died, or was stopped, as it wrote", at)
		d.ring.Mend(at)
		return true, d.ring.Release(at)
	default:
		return false, nil
	}
}

// subbufs is how many sub-buffers the ring has.
func (d *shared) subbufs() uint64 { return uint64(d.s.channel.RingBytes) / uint64(len(d.packet)) }

// pressing reports whether a torn sub-buffer holds up a ring that is full, and has done so
// for long: its program is taken for dead. One that goes on later writes into what is no
// more its own; one that is not waited for loses what all others would write.
func (d *shared) pressing(at, write uint64) bool {
	if d.tornSince.IsZero() || d.torn != at {
		d.torn, d.tornSince = at, time.Now()
	}
	full := d.ring.Subbuf(write)-d.ring.Subbuf(at)+1 >= d.subbufs()
	return full && time.Since(d.tornSince) > tornPatience
}

// count takes note of how much is lost, and waits. Programs say so, and may lie: what they
// cannot have lost yet is none of theirs.
func (d *shared) count() error {
	consumed, write, err := d.ring.Positions()
	if err != nil {
		return err
	}
	lost, most := d.ring.Lost(), d.lostBefore+uint64(time.Since(d.opened)/fastestLoss)
	if lost > most || lost < d.lost.Load() {
		return fmt.Errorf("%w: %d events lost, after %d: want %d at most", ring.ErrCorrupt, lost, d.lost.Load(), most)
	}
	d.lost.Store(lost)
	d.used.Store(write - consumed)
	return nil
}

// skip counts a sub-buffer that is no packet.
func (d *shared) skip(why string, at uint64) {
	d.bad.Add(1)
	d.s.lose(1)
	d.fail(fmt.Errorf("sub-buffer %d is lost: %s", d.ring.Subbuf(at), why))
}

// breaks ends the reading of memory that is corrupt.
func (d *shared) breaks(err error) {
	d.broken = true
	d.bad.Add(1)
	d.fail(err)
}

// endPacket ends the packet that programs write, and takes what there is.
func (d *shared) endPacket(all, empty bool) {
	d.flushed = time.Now()
	d.read(all)
	if d.s.stalled() || d.broken {
		return
	}
	d.ring.Flush(clockTime(unix.CLOCK_MONOTONIC), empty || d.lost.Load() > d.told)
	d.read(all)
}

// started implements [emptier], as wait, read, timers and those that follow do.
func (d *shared) started() error {
	d.flushed = time.Now()
	return nil
}

func (d *shared) flush(all bool) error {
	d.endPacket(all, false)
	return nil
}

// most: each time that there is no room a sub-buffer at least was taken. After as many as
// there can be, and the one that is ended, programs write on that should not.
func (d *shared) most() uint64 { return d.subbufs() + 2 }

func (d *shared) tellEmpty() error {
	d.endPacket(false, true)
	return nil
}

func (d *shared) tellAll() error {
	return d.call(func() error {
		d.endPacket(true, d.s.untold.Load())
		return nil
	})
}

func (d *shared) account(to *handover.StreamStatus) {
	to.RingBytes, to.Usage, to.Bad = uint64(d.s.channel.RingBytes), d.used.Load(), d.bad.Load()
	to.Discarded = max(to.Discarded, d.lost.Load())
}

func (d *shared) close() error {
	err := d.mailbox.end()
	if errors.Is(err, errHung) { // all is the goroutine's; it ends with the process
		return err
	}
	d.s.abandon()
	return errors.Join(err, d.ring.Close(), d.pipe.Close(), d.waiter.close())
}

// snapshot copies what the ring holds, the newest up to a number of bytes, 0 for all.
func (d *shared) snapshot(most int64) (all packets, err error) {
	err = d.call(func() error {
		d.ring.Flush(clockTime(unix.CLOCK_MONOTONIC), false)
		at, write, err := d.ring.Positions()
		if err != nil {
			d.breaks(err)
			return nil
		}
		d.last = 0 // a snapshot may begin before the last one's end
		for ; d.ring.State(at, write) != ring.Writing; at += uint64(len(d.packet)) {
			if d.ring.State(at, write) != ring.Complete {
				continue
			}
			h, n, ok := d.ring.Read(at, d.packet)
			if !ok || n == 0 {
				continue // writers have taken it
			}
			info := d.settle(&h, at, d.packet[:n])
			d.told, d.last = info.Discarded, info.End
			_ = all.WritePacket(d.packet[:n], info) // keeps a copy, which does not fail
		}
		d.told = 0
		return nil
	})
	return all.newest(most), err
}

// forget lets go of what the ring holds.
func (d *shared) forget() error {
	return d.call(func() error {
		d.ring.Flush(clockTime(unix.CLOCK_MONOTONIC), false)
		d.ring.Forget()
		return nil
	})
}
