// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/ctf"
)

// item is one thing for the relay, in the order in which it was given.
type item struct {
	stream *stream // nil: not of a stream
	info   ctf.PacketInfo
	data   []byte // of a packet that is in memory
	offset int64  // of one that is on disk
	size   int64  // of a packet, bytes; 0 of other things
	at     time.Time

	// do is what another thing than a packet does; it is done once.
	do       func(*connection) error
	metadata bool // it appends to the metadata
	beacon   *beacon
}

// beacon tells that nothing happens in a stream up to a time, which moves on until
// the beacon is sent.
type beacon struct{ until uint64 }

var (
	// errSpoolClosed reports that nobody takes what is put.
	errSpoolClosed = errors.New("the output is closed")
	// errSpoolFull reports a packet for which there is no room now.
	errSpoolFull = errors.New("the spool is full")
)

// spool keeps what the relay has not confirmed: packets in memory first, then in
// a file. It is a queue with two ends and a mark: what lies before the mark has
// been sent, and goes when the relay confirms it, or is sent again to another
// one.
//
// While the spool is full packets wait with their streams, whose rings are not
// read: these lose events by their own rules, and count them.
type spool struct {
	// Immutable.
	maxMemory, maxDisk int64
	dir                *os.File // nil: no disk

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change; guarded by mu
	items   []item        // guarded by mu
	sent    int           // of items; guarded by mu
	memory  int64         // bytes of packets; guarded by mu
	disk    int64         // likewise
	file    *os.File      // guarded by mu; nil until it is needed
	end     int64         // of the file
	waiting []*stream     // that were refused since there was room; guarded by mu
	full    bool          // one was
	level   level         // guarded by mu
	later   *time.Timer   // tells when that is not too soon any more; nil: nothing is to be told; guarded by mu
	closed  bool
	beacons map[*stream]*beacon // behind the last packet of each stream, not sent; guarded by mu
}

func newSpool(maxMemory, maxDisk int64, dir *os.File) *spool {
	if dir == nil {
		maxDisk = 0
	}
	return &spool{maxMemory: maxMemory, maxDisk: maxDisk, dir: dir, changed: make(chan struct{}), beacons: make(map[*stream]*beacon)}
}

// change wakes all who wait. The caller holds mu.
func (q *spool) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// put appends an item, of a packet's bytes a copy. A packet for which there is no
// room is refused with errSpoolFull; its stream is woken when there is some.
func (q *spool) put(it item, packet []byte) error {
	defer q.tell()
	return q.add(it, packet)
}

// add is put without telling, which the caller does once it holds no lock.
func (q *spool) add(it item, packet []byte) error {
	it.at, it.size = time.Now(), int64(len(packet))
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errSpoolClosed
	}
	switch done, err := q.tryPut(it, packet); {
	case err != nil:
		return err
	case done:
		q.change()
		return nil
	}
	q.full = true
	if it.stream != nil && !slices.Contains(q.waiting, it.stream) {
		q.waiting = append(q.waiting, it.stream)
	}
	return errSpoolFull
}

// beat appends a beacon, or moves the one on that waits behind the stream's last
// packet: there are no more beacons than packets and streams.
func (q *spool) beat(s *stream, until uint64) error {
	q.mu.Lock()
	b := q.beacons[s]
	if b != nil {
		b.until = max(b.until, until)
	}
	q.mu.Unlock()
	if b != nil {
		return nil
	}
	return q.put(item{stream: s, beacon: &beacon{until}}, nil)
}

// tell wakes streams for which there is room now, and tells how full the spool is,
// if that is due. Who calls it holds no lock: the daemon may be slow to listen.
func (q *spool) tell() {
	q.mu.Lock()
	var woken []*stream
	if !q.full {
		woken, q.waiting = q.waiting, nil
	}
	told, due, wait := q.level.look(q.memory+q.disk, q.maxMemory+q.maxDisk, q.full, time.Now())
	if wait > 0 && q.later == nil && !q.closed { // nobody may come along by then
		q.later = time.AfterFunc(wait, q.tellLater)
	}
	q.mu.Unlock()
	for _, s := range woken {
		s.hasRoom()
	}
	if due {
		q.level.tell(told)
	}
}

// tellLater tells what was too soon to be told.
func (q *spool) tellLater() {
	q.mu.Lock()
	q.later = nil
	closed := q.closed
	q.mu.Unlock()
	if !closed {
		q.tell()
	}
}

// watch returns a channel that is closed at the next change.
func (q *spool) watch() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

// tryPut appends if there is room. An empty spool has room for any packet.
func (q *spool) tryPut(it item, packet []byte) (bool, error) {
	switch size := it.size; {
	case size == 0:
	case q.memory+size <= q.maxMemory || q.memory+q.disk == 0:
		it.data = append(make([]byte, 0, size), packet...)
		q.memory += size
	case q.disk+size <= q.maxDisk:
		if err := q.store(&it, packet); noRoom(err) {
			return false, nil // as if there were less of it
		} else if err != nil {
			return false, err
		}
		q.disk += size
	default:
		return false, nil
	}
	switch {
	case it.beacon != nil:
		q.beacons[it.stream] = it.beacon
	case it.size > 0:
		delete(q.beacons, it.stream)
	}
	q.items = append(q.items, it)
	return true, nil
}

// next returns the item behind the mark, with the packet's bytes, and moves the
// mark. It waits for one until ctx ends.
func (q *spool) next(ctx context.Context) (item, error) {
	for {
		q.mu.Lock()
		if q.sent < len(q.items) {
			it := q.items[q.sent]
			q.sent++
			if it.beacon != nil && q.beacons[it.stream] == it.beacon {
				delete(q.beacons, it.stream)
			}
			file := q.file
			q.mu.Unlock()
			return q.load(it, file)
		}
		wait, closed := q.changed, q.closed
		q.mu.Unlock()
		if closed {
			return item{}, errSpoolClosed
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return item{}, context.Cause(ctx)
		}
	}
}

// idle reports whether there is nothing behind the mark.
func (q *spool) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sent == len(q.items)
}

// confirm drops sent items for which done is true, from the oldest on up to the
// first packet for which it is not. What is no packet is done when it was sent.
// The caller tells.
func (q *spool) confirm(done func(*item) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < q.sent && (q.items[n].size == 0 || done(&q.items[n])) {
		q.drop(&q.items[n])
		n++
	}
	if n == 0 {
		return
	}
	clear(q.items[:n])
	q.items = q.items[n:]
	q.sent -= n
	q.change()
}

// rewind puts the mark before everything that is kept, to be sent to another
// relay, but drops packets that has says are there. Things that were done stay
// done, and metadata goes: all of it is sent first. Beacons go, as others follow.
// The caller tells.
func (q *spool) rewind(has func(*item) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.items[:0]
	for i := range q.items {
		switch it := q.items[i]; {
		case it.size > 0 && has(&it):
			q.drop(&it)
		case it.size > 0, i >= q.sent && !it.metadata && it.beacon == nil:
			kept = append(kept, it)
		}
	}
	clear(q.items[len(kept):])
	q.items, q.sent = kept, 0
	clear(q.beacons)
	q.change()
}

// empty waits until everything is confirmed.
func (q *spool) empty(ctx context.Context) error {
	for {
		q.mu.Lock()
		n, wait := len(q.items), q.changed
		q.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return fmt.Errorf("%d packets and orders not confirmed by the relay: %w", n, context.Cause(ctx))
		}
	}
}

// parts are those of which there are packets.
func (q *spool) parts() map[part]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make(map[part]bool)
	for i := range q.items {
		if q.items[i].size > 0 {
			all[q.items[i].stream.in] = true
		}
	}
	return all
}

// settled reports whether everything is confirmed.
func (q *spool) settled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) == 0
}

// takePackets takes all packets out, in order, with the file that has the bytes of
// those on disk: until free. What is no packet is dropped.
func (q *spool) takePackets() ([]item, *os.File) {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := slices.DeleteFunc(q.items, func(it item) bool { return it.size == 0 })
	q.items, q.sent, q.memory, q.disk, q.full = nil, 0, 0, 0, false
	clear(q.beacons)
	q.change()
	return all, q.file
}

// discardUnsent drops the packets behind the mark and returns how many of each
// stream. What is no packet stays.
func (q *spool) discardUnsent() map[*stream]uint64 {
	defer q.tell()
	q.mu.Lock()
	defer q.mu.Unlock()
	lost := make(map[*stream]uint64)
	kept := q.items[:q.sent]
	for i := q.sent; i < len(q.items); i++ {
		it := q.items[i]
		if it.size == 0 {
			kept = append(kept, it)
			continue
		}
		lost[it.stream]++
		q.drop(&it)
	}
	clear(q.items[len(kept):])
	q.items = kept
	q.change()
	return lost
}

// close ends the spool: puts fail, next ends when nothing is left.
func (q *spool) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.later != nil {
		q.later.Stop() // where it is too late, it tells nothing
		q.later = nil
	}
	q.change()
}

// spoolStatus is what a spool holds.
type spoolStatus struct {
	bytes  int64
	oldest time.Time
	full   bool
}

func (q *spool) status() spoolStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := spoolStatus{bytes: q.memory + q.disk, full: q.full}
	if len(q.items) > 0 {
		s.oldest = q.items[0].at
	}
	return s
}
