// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/wait"
)

func testSpool(t *testing.T, memory, disk int64) *spool {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	q := newSpool(memory, disk, dir)
	t.Cleanup(func() { q.close(); q.free(); dir.Close() })
	return q
}

func put(t *testing.T, q *spool, n uint64, packet []byte) {
	t.Helper()
	if err := q.put(item{info: ctf.PacketInfo{Sequence: n}}, packet); err != nil {
		t.Fatal(err)
	}
}

// now is a context that has ended: what would wait fails.
func now(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestSpoolKeepsOrderOverMemoryAndDisk(t *testing.T) {
	q := testSpool(t, 1000, 5000)
	var want [][]byte
	for i := range uint64(20) {
		p := bytes.Repeat([]byte{byte(i)}, 100+int(i)*10)
		want = append(want, p)
		put(t, q, i, p)
	}
	if q.memory > 1000 || q.disk == 0 {
		t.Errorf("%d bytes in memory, %d on disk", q.memory, q.disk)
	}
	for range 2 { // sent to one relay, then to another
		for i, w := range want {
			it, err := q.next(now(t))
			if err != nil || it.info.Sequence != uint64(i) || !bytes.Equal(it.data, w) {
				t.Fatalf("item %d: got %d with %d bytes, %v", i, it.info.Sequence, len(it.data), err)
			}
		}
		if !q.idle() {
			t.Error("there is more")
		}
		q.rewind(none)
	}
}

func TestSpoolIsFull(t *testing.T) {
	q := testSpool(t, 100, 100)
	put(t, q, 0, make([]byte, 100))
	put(t, q, 1, make([]byte, 100))
	woken := &stream{}
	if err := q.put(item{stream: woken}, make([]byte, 1)); !errors.Is(err, errSpoolFull) || !noRoom(err) {
		t.Fatalf("got %v, want %v", err, errSpoolFull)
	}
	if !q.status().full {
		t.Error("the status does not tell that it is full")
	}
	for range 2 {
		if _, err := q.next(now(t)); err != nil {
			t.Fatal(err)
		}
	}
	if woken.room.Load() {
		t.Error("the stream is woken without room")
	}
	q.confirm(func(it *item) bool { return it.info.Sequence == 0 })
	q.tell()
	if !woken.room.Load() {
		t.Error("the stream is not woken")
	}
	put(t, q, 2, make([]byte, 100))
	if st := q.status(); st.bytes != 200 || st.full {
		t.Errorf("got %+v, want 200 bytes", st)
	}
	// A packet that is larger than all room goes through an empty spool.
	q.takePackets()
	put(t, q, 3, make([]byte, 1000))
}

func TestSpoolConfirmsInOrder(t *testing.T) {
	q := testSpool(t, 1000, 0)
	for i := range uint64(4) {
		put(t, q, i, []byte{1})
	}
	for range 3 {
		if _, err := q.next(now(t)); err != nil {
			t.Fatal(err)
		}
	}
	q.confirm(func(it *item) bool { return it.info.Sequence != 1 })
	if len(q.items) != 3 || q.sent != 2 {
		t.Errorf("%d items, %d sent; want 3, 2: nothing is dropped behind one that is not confirmed", len(q.items), q.sent)
	}
	q.confirm(func(*item) bool { return true })
	if len(q.items) != 1 || q.items[0].info.Sequence != 3 {
		t.Errorf("got %d items: what was not sent cannot be confirmed", len(q.items))
	}
}

// TestSpoolRewinds checks what another relay is sent: packets that were not
// confirmed and orders that were not carried out, but no metadata.
func TestSpoolRewinds(t *testing.T) {
	q := testSpool(t, 1000, 0)
	order := item{do: func(*connection) error { return nil }}
	text := order
	text.metadata = true
	for _, it := range []item{text, order} {
		if err := q.put(it, nil); err != nil {
			t.Fatal(err)
		}
	}
	put(t, q, 0, []byte{1})
	for range 3 {
		if _, err := q.next(now(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, it := range []item{text, order} {
		if err := q.put(it, nil); err != nil {
			t.Fatal(err)
		}
	}
	q.rewind(none)
	var kinds []string
	for !q.idle() {
		it, err := q.next(now(t))
		switch {
		case err != nil:
			t.Fatal(err)
		case it.size > 0:
			kinds = append(kinds, "packet")
		case it.metadata:
			kinds = append(kinds, "metadata")
		default:
			kinds = append(kinds, "order")
		}
	}
	if want := []string{"packet", "order"}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

// TestSpoolAccounts compares the spool's account with a slow one over random use.
func TestSpoolAccounts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	q := testSpool(t, 500, 1500)
	next, confirmed := uint64(0), uint64(0)
	for range 5000 {
		switch r.IntN(4) {
		case 0, 1:
			if q.put(item{info: ctf.PacketInfo{Sequence: next}}, bytes.Repeat([]byte{byte(next)}, 1+r.IntN(200))) == nil {
				next++
			}
		case 2:
			if it, err := q.next(now(t)); err == nil && (len(it.data) == 0 || it.data[0] != byte(it.info.Sequence)) {
				t.Fatalf("packet %d has other bytes", it.info.Sequence)
			}
		case 3:
			to := confirmed + uint64(r.IntN(3))
			q.confirm(func(it *item) bool { return it.info.Sequence < to })
			if len(q.items) > 0 {
				confirmed = q.items[0].info.Sequence
			} else {
				confirmed = next
			}
		}
		memory, disk := int64(0), int64(0)
		for i, it := range q.items {
			if it.info.Sequence != confirmed+uint64(i) {
				t.Fatalf("item %d is packet %d, want %d", i, it.info.Sequence, confirmed+uint64(i))
			}
			if it.data != nil {
				memory += it.size
			} else {
				disk += it.size
			}
		}
		if memory != q.memory || disk != q.disk || memory > 500 || disk > 1500 || q.sent > len(q.items) {
			t.Fatalf("account %d and %d bytes, want %d and %d; %d of %d sent", q.memory, q.disk, memory, disk, q.sent, len(q.items))
		}
	}
	if next < 500 {
		t.Errorf("only %d packets", next)
	}
}

func TestSpoolEnds(t *testing.T) {
	q := testSpool(t, 100, 0)
	put(t, q, 0, make([]byte, 100))
	q.close()
	if err := q.put(item{}, make([]byte, 100)); !errors.Is(err, errSpoolClosed) {
		t.Errorf("got %v, want %v", err, errSpoolClosed)
	}
	if _, err := q.next(now(t)); err != nil {
		t.Errorf("what is there is still to be had: %v", err)
	}
	if _, err := q.next(t.Context()); !errors.Is(err, errSpoolClosed) {
		t.Errorf("at the end: got %v", err)
	}
	s := new(stream)
	q = testSpool(t, 1000, 0)
	for range 3 {
		if err := q.put(item{stream: s}, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if all, _ := q.takePackets(); len(all) != 3 || all[0].stream != s || q.status().bytes != 0 || !q.settled() {
		t.Errorf("took %d packets, left %d bytes; want 3, 0", len(all), q.status().bytes)
	}
}

// none says that a relay has nothing.
func none(*item) bool { return false }

func TestSpoolDropsWhatTheRelayHas(t *testing.T) {
	q := testSpool(t, 150, 1000)
	for i := range uint64(4) {
		put(t, q, i, make([]byte, 100))
	}
	q.rewind(func(it *item) bool { return it.info.Sequence < 2 })
	it, err := q.next(now(t))
	if err != nil || it.info.Sequence != 2 || q.status().bytes != 200 {
		t.Errorf("got packet %d, %v, %d bytes; want 2 and 200 bytes", it.info.Sequence, err, q.status().bytes)
	}
}

// TestSpoolDiscardsUnsent drops what waits, and neither what was sent nor orders.
func TestSpoolDiscardsUnsent(t *testing.T) {
	q := testSpool(t, 250, 1000)
	s := new(stream)
	for i := range uint64(5) {
		if err := q.put(item{stream: s, info: ctf.PacketInfo{Sequence: i}}, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.put(item{do: func(*connection) error { return nil }}, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := q.next(now(t)); err != nil {
			t.Fatal(err)
		}
	}
	if lost := q.discardUnsent(); lost[s] != 3 || q.status().bytes != 200 {
		t.Errorf("%d packets dropped, %d bytes left; want 3 and 200", lost[s], q.status().bytes)
	}
	it, err := q.next(now(t))
	if err != nil || it.do == nil || !q.idle() {
		t.Errorf("next: packet %d, %v; want the order, and nothing behind it", it.info.Sequence, err)
	}
	q.rewind(none)
	for want := range uint64(2) {
		if it, err := q.next(now(t)); err != nil || it.info.Sequence != want {
			t.Errorf("sent again: packet %d, %v; want %d", it.info.Sequence, err, want)
		}
	}
}

// TestSpoolMergesBeacons keeps one beacon of a stream behind its last packet.
func TestSpoolMergesBeacons(t *testing.T) {
	q := testSpool(t, 1000, 0)
	a, b := new(stream), new(stream)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for until := range uint64(100) {
		must(q.beat(a, until))
		must(q.beat(b, 100+until))
	}
	must(q.put(item{stream: a}, []byte{1}))
	must(q.beat(a, 200))
	must(q.beat(a, 201))
	type sent struct {
		of    *stream
		until uint64 // 0: a packet
	}
	for i, want := range []sent{{a, 99}, {b, 199}, {a, 0}, {a, 201}} {
		it, err := q.next(now(t))
		must(err)
		got := sent{of: it.stream}
		if it.beacon != nil {
			got.until = it.beacon.until
		}
		if got != want {
			t.Errorf("item %d: got until %d of %p, want %d of %p", i, got.until, got.of, want.until, want.of)
		}
	}
	must(q.beat(a, 300)) // the last one is on its way
	if q.idle() {
		t.Error("a beacon was added to one that was sent")
	}
	q.rewind(none)
	if n := len(q.items); n != 1 {
		t.Errorf("%d items for another relay, want the packet", n)
	}
	must(q.beat(a, 400))
	if n := len(q.items); n != 2 {
		t.Errorf("%d items, want the packet and a beacon", n)
	}
}

// TestNoBeaconWithoutRelay drops beacons while the relay is lost.
func TestNoBeaconWithoutRelay(t *testing.T) {
	q := testSpool(t, 1000, 0)
	w := &relayWriter{&relayOutput{spool: q, lostAt: time.Now()}, new(stream)}
	if err := w.beacon(1); err != nil || !q.settled() {
		t.Errorf("got %v, settled %v; want nothing in the spool", err, q.settled())
	}
}

// TestSnapshotWaitsForRoom has a snapshot wait for room in the spool, and give up at
// the end of the process.
func TestSnapshotWaitsForRoom(t *testing.T) {
	q := testSpool(t, 100, 0)
	w := &relayWriter{&relayOutput{spool: q}, new(stream)}
	e := &engine{}
	e.waits, e.hurry = context.WithCancel(t.Context())
	p := packet{bytes: make([]byte, 100)}
	if err := e.writeSnapshot(w, p); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- e.writeSnapshot(w, p) }()
	wait.Until(t, "it waits", func() bool { return q.status().full })
	q.takePackets()
	if err := <-written; err != nil {
		t.Errorf("after there was room: %v", err)
	}
	go func() { written <- e.writeSnapshot(w, p) }()
	wait.Until(t, "it waits", func() bool { return q.status().full })
	e.hurry()
	if err := <-written; !errors.Is(err, errSpoolFull) || !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: got %v", err)
	}
}
