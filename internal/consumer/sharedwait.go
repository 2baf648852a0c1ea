// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/tracefs"
)

// readPeriod is how often a ring is looked at whose programs wake nobody: for what they
// lose, and for one that has died before it could.
const readPeriod = time.Second

// maxGap is how seldom programs may wake a goroutine that lingers: the longer it waits
// so, the more it costs.
const maxGap = 60 * time.Millisecond

// maxHolding is how many rings may be waited for while holding a processor of Go's
// scheduler: there is one for each.
const maxHolding = 64

// wait waits for programs, for orders and for timers.
func (d *shared) wait() error {
	listen, timeout := true, time.Duration(-1)
	switch {
	case !d.reading && !d.unfinished || d.broken:
		listen = false
	case d.s.stalled():
		listen, timeout = false, d.stall.patience()
	case d.more:
		timeout = 0
	default:
		timeout = d.s.channel.ReadTimer
		if age := d.age(); age > 0 {
			timeout = min(timeout, max(time.Until(d.flushed.Add(age)), 0))
		}
	}
	if err := d.listen(listen); err != nil {
		d.fail(err)
	}
	if !listen || !d.linger(timeout) {
		d.turn.Unlock()
		err := d.waiter.wait(timeout)
		d.turn.Lock()
		if err != nil {
			d.fail(err)
		}
		d.alone = true
	}
	if listen {
		var b [4096]byte
		if n, _ := quietRead(d.pipefd, b[:]); n > 0 { // how many they are does not matter
			now := time.Now()
			d.gap, d.woken = now.Sub(d.woken), now
		}
	}
	return nil
}

// linger waits for a while in such a way that waking costs little, if programs wake the
// goroutine often enough for that. It reports whether that is all of the wait.
//
// The thread that has been woken here was the one that waits for all that goroutines of
// this process wait for: for other rings, for orders, for the time. Go's scheduler sees to
// it that another one does when this one comes back to it, or its monitor does. But this
// thread does not come back for as long as the program goes on, and the monitor sleeps, as
// nothing here tells it of calls to the kernel. So another one is woken before.
func (d *shared) linger(timeout time.Duration) bool {
	if d.gap > maxGap || !d.mayHold || timeout >= 0 && timeout < time.Millisecond {
		return false
	}
	most := min(tracefs.HoldTime, 4*d.gap)
	if timeout >= 0 {
		most = min(most, timeout)
	}
	if d.alone {
		runtime.Gosched()
		d.alone = false
	}
	fds := [...]unix.PollFd{{Fd: int32(d.wakefd), Events: unix.POLLIN}, {Fd: int32(d.pipefd), Events: unix.POLLIN}}
	d.turn.Unlock()
	n, err := d.holder.Hold(fds[:], most)
	d.turn.Lock()
	if n == 0 {
		d.gap = time.Hour // until programs wake it again
	}
	if err != nil {
		d.fail(err)
	}
	return n > 0 || err != nil || most == timeout
}

// listen has programs wake the goroutine, or not.
func (d *shared) listen(on bool) error {
	if on == d.listens {
		return nil
	}
	change := d.waiter.remove
	if on {
		change = d.waiter.add
	}
	if err := change(d.pipefd); err != nil {
		return fmt.Errorf("wake-up of a ring: %w", err)
	}
	d.listens = on
	return nil
}

// age is after which time a packet ends; 0: when it is full.
func (d *shared) age() time.Duration {
	age := d.s.channel.SwitchTimer
	if d.live > 0 && (age == 0 || d.live < age) {
		age = d.live
	}
	return age
}

// timers ends packets that are old enough, and tells viewers of idle streams.
func (d *shared) timers() {
	age := d.age()
	if age == 0 || d.s.stalled() || d.broken || time.Since(d.flushed) < age {
		return
	}
	d.flushed = time.Now()
	now := clockTime(unix.CLOCK_MONOTONIC)
	// A relay of LTTng's does not heed a beacon before the first packet.
	d.ring.Flush(now, d.live > 0 && !d.began)
	d.read(false)
	if d.live == 0 || d.s.stalled() {
		return
	}
	consumed, write, err := d.ring.Positions()
	until := now - uint64(beaconMargin)
	if err != nil || until <= d.last || d.ring.Subbuf(consumed) != d.ring.Subbuf(write) {
		return // there is something to come that may be older
	}
	d.last = until
	if err := d.s.out.beacon(until); err != nil {
		d.fail(err)
	}
}
