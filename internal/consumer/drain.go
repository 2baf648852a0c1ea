// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

const (
	// maxAge is how long an event waits for its packet to end where no timer says
	// less.
	maxAge = time.Second
	// defaultReadTimer is how often a ring is read that does not wake its reader.
	defaultReadTimer = 100 * time.Millisecond
	// beaconMargin is by how much a beacon stays behind the clock: an event that
	// has taken its time may not be in the ring yet.
	beaconMargin = time.Millisecond
)

// drain empties one ring of the kernel, on a goroutine of its own. What the engine
// wants it is told between two rounds.
type drain struct {
	rounds

	// Immutable.
	live  time.Duration
	clock int32 // of the kernel's time stamps, CLOCK_*

	// Owned by the goroutine.
	table     *table
	ledger    *handover.Ledger
	base      uint64 // records accounted for before this process
	gone      uint64 // of them, those that consumers that died had read and not written
	begin     uint64 // time before the first record of the stream that is not in a packet
	untold    bool   // there are losses and no packet yet
	ring      *tracefs.Ring
	filtered  []uint32 // events that it decides about
	kept      [][]byte // pages that snapshots have read
	ringPages int
	conv      *kerneltrace.Converter
	sieve     sieve
	matches   *matches  // nil: nobody asks
	round     time.Time // when it was read last
	before    time.Time // when it was read the time before that
	quiet     int       // rounds since something was in it
	page      []byte
	stats     []byte
	opened    time.Time // no event of the open packet is older than about that; zero without
	beaten    time.Time // last packet or beacon

	counts atomic.Pointer[kerneltrace.Counts] // when last read
	sample sample
}

// wait waits for the ring, for orders and for timers.
func (d *drain) wait() error {
	switch {
	case !d.reading && !d.unfinished:
		_, err := d.ring.WaitFor(d.wakefd, false, -1)
		return err
	case d.s.stalled():
		_, err := d.ring.WaitFor(d.wakefd, false, d.stall.patience())
		return err
	}
	timeout := d.patience()
	if d.live > 0 {
		timeout = min(timeout, max(time.Until(d.beaten.Add(d.live)), 0))
	}
	_, err := d.ring.WaitFor(d.wakefd, true, timeout)
	return err
}

// patience is how long a ring is left alone that does not say that it is filling.
// One in which nothing happens is read less and less often: each look costs about
// 0.1 ms of CPU time. Who has set a timer of his own gets that.
func (d *drain) patience() time.Duration {
	timer := d.s.channel.ReadTimer
	if timer != defaultReadTimer || d.matches != nil {
		return timer
	}
	return min(timer<<min(d.quiet, maxQuiet), maxAge)
}

// maxQuiet is how many rounds without an event make a difference.
const maxQuiet = 4

// read converts what the ring holds.
func (d *drain) read(all bool) {
	d.before, d.round = d.round, time.Now()
	take := d.ring.Drain
	if all {
		take = d.ring.DrainEmpty
	}
	pages, err := take(d.page, d.takePage)
	if err != nil && err != errStalled {
		d.fail(err)
	}
	d.quiet++
	if pages > 0 {
		d.quiet = 0
		c := d.conv.Counts()
		d.counts.Store(&c)
	}
}

// takePage converts a page.
func (d *drain) takePage(page []byte) error {
	err := d.conv.Page(page)
	if err == nil && d.s.stalled() {
		return errStalled
	}
	return err
}

// timers ends packets that are old enough, and tells viewers of idle streams.
func (d *drain) timers() {
	now := time.Now()
	if d.matches != nil {
		d.matches.tell(d.s.channel.ID, now)
	}
	if d.s.stalled() {
		return
	}
	if !d.conv.Pending() {
		d.opened = time.Time{}
	} else if d.opened.IsZero() {
		d.opened = d.before
	}
	age := maxAge
	if t := d.s.channel.SwitchTimer; t > 0 {
		age = min(age, t)
	}
	due := d.live > 0 && now.Sub(d.beaten) >= d.live
	switch {
	case !d.opened.IsZero() && (due || now.Sub(d.opened) >= age):
		if err := d.endPacket(); err != nil {
			d.fail(err)
		}
		d.beaten = now
	case due:
		d.beat()
		d.beaten = now
	}
}

// beat tells that nothing has happened up to now. The ring is read after the
// time is taken: what is older is in it, or was.
func (d *drain) beat() {
	until := d.now()
	d.read(false)
	if d.conv.Pending() {
		if err := d.endPacket(); err != nil {
			d.fail(err)
		}
		return
	}
	until -= uint64(beaconMargin)
	// A relay of LTTng's does not heed a beacon before the first packet.
	if d.s.packets.Load() == 0 {
		if err := d.conv.Empty(until); err != nil {
			d.fail(err)
		}
		return
	}
	d.conv.NotBefore(until)
	if err := d.s.out.beacon(until); err != nil {
		d.fail(err)
	}
}

// now reads the clock of the time stamps.
func (d *drain) now() uint64 { return clockTime(d.clock) }

// endPacket ends the open packet.
func (d *drain) endPacket() error {
	d.opened = time.Time{}
	lost, err := d.lost()
	// Not at the clock's time: what the ring still holds may be older.
	return errors.Join(err, d.conv.Close(max(d.conv.Last(), d.begin), lost))
}

// lost is how many events the ring has lost. It is read after the last page of a
// packet: what is lost later is told by a later packet.
func (d *drain) lost() (uint64, error) {
	text, err := d.ring.Stats(d.stats)
	if err != nil {
		return 0, err
	}
	st, err := ftrace.ParseStats(text)
	if err != nil {
		return 0, fmt.Errorf("counters of a ring: %w", err)
	}
	if d.s.channel.Overwrite {
		return d.gone + st.Overrun, nil
	}
	return d.gone + st.Dropped, nil
}

// resume takes up what a consumer that died has left, and returns the number of
// the first packet. The one that it had open is lost, with its events.
func (d *drain) resume(died bool) (uint64, error) {
	// Readers order packets by their times, also those without events.
	d.begin = max(d.ledger.Begin(d.now()), d.ledger.End()+1)
	if !died {
		return 0, nil
	}
	packets, accounted := d.ledger.Read()
	text, err := d.ring.Stats(d.stats)
	if err != nil {
		return 0, err
	}
	st, err := ftrace.ParseStats(text)
	if err != nil {
		return 0, fmt.Errorf("counters of a ring: %w", err)
	}
	d.base = max(st.Read, accounted)
	d.ledger.Lose(d.base - accounted)
	d.gone = d.ledger.Lost()
	d.untold = packets == 0 && d.gone > 0
	return packets, nil
}

// WritePacket notes a packet and hands it on. It implements ctf.PacketSink.
func (d *drain) WritePacket(packet []byte, info ctf.PacketInfo) error {
	d.ledger.Tell(info.Discarded)
	err := d.s.WritePacket(packet, info)
	c := d.conv.Counts()
	d.ledger.Note(info.Sequence+1, d.base+c.Events+c.UnknownEvents+c.BadRecords+c.Filtered, info.End)
	return err
}

// started implements [emptier], as wait, read, timers and those that follow do.
func (d *drain) started() error {
	d.beaten = time.Now()
	if !d.untold {
		return nil
	}
	// Readers compare a packet's losses with those of the one before.
	d.untold = false
	return d.conv.Empty(d.begin)
}

func (d *drain) flush(all bool) error {
	d.read(all)
	if d.s.stalled() {
		return nil
	}
	return d.endPacket()
}

// most: nothing comes into the ring while it is emptied.
func (d *drain) most() uint64 { return math.MaxUint64 }

func (d *drain) tellEmpty() error { return d.conv.Empty(max(d.conv.Last(), d.begin)) }

func (d *drain) tellAll() error {
	return d.call(func() error {
		text, err := d.ring.Stats(d.stats)
		if err != nil || d.s.stalled() {
			return err
		}
		st, err := ftrace.ParseStats(text)
		if err != nil {
			return fmt.Errorf("counters of a ring: %w", err)
		}
		lost, err := d.lost()
		if err != nil {
			return err
		}
		if !d.emptied {
			lost += st.Entries
		}
		if err := d.conv.Close(max(d.conv.Last(), d.begin), lost); err != nil {
			return err
		}
		_, err = d.tellLost()
		return err
	})
}

func (d *drain) account(to *handover.StreamStatus) {
	if c := d.counts.Load(); c != nil {
		to.Events, to.Unknown, to.Bad, to.Clamped = c.Events, c.UnknownEvents, c.BadRecords, c.Clamped
	}
	to.RingBytes = uint64(d.s.channel.RingBytes)
	to.Usage = d.usage()
	to.Discarded = max(to.Discarded, d.gone+d.sample.lost) // also what no packet tells yet
}

func (d *drain) close() error {
	err := d.end()
	if errors.Is(err, errHung) { // all is the goroutine's; it ends with the process
		return err
	}
	d.s.abandon()
	if text, serr := d.ring.Stats(d.stats); serr == nil && !d.emptied {
		if st, serr := ftrace.ParseStats(text); serr == nil {
			d.s.unread.Store(st.Entries)
		}
	}
	return errors.Join(err, d.ring.Close(), d.ledger.Close())
}
