// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// model is what a feed is to be, in the plainest words.
type model struct {
	explicit           bool
	cancelled          uint64 // what is not needed
	delivered          uint64 // what the consumer has
	last               uint64 // what there is
	skipped            bool   // a gap stands before the next record
	attached, told     bool   // told: of that gap
	aborted, abortTold bool
	since              time.Time // the last cancel, or the creation
}

// machine drives a feed and its model.
type machine struct {
	*stand

	f       client.Info
	is      model
	n       *Consumer // nil: nobody has it
	stale   *Consumer // had it before it was taken away
	timeout time.Duration
	size    uint64
}

// TestConsumersFollowTheModel compares random lives of feeds with the model: every row of
// the states of consumers and of the rules of cancelling.
func TestConsumersFollowTheModel(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "keeper"}) // has the source stay
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{stand: s, timeout: time.Hour, size: 40}
		m.begin(rt)
		defer m.end(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"":            m.check,
			"append":      m.appendSome,
			"open":        m.open,
			"steal":       m.steal,
			"read":        m.read,
			"keep":        m.keep,
			"cancel":      m.cancel,
			"use stale":   m.useStale,
			"close":       m.close,
			"wait long":   m.waitLong,
			"look":        m.look,
			"reset":       m.reset,
			"destroy":     m.destroy,
			"trim":        func(*rapid.T) { s.m.trimAll(context.Background()) },
			"other opens": m.otherOpens,
		})
	})
}

func (m *machine) begin(rt *rapid.T) {
	m.is = model{explicit: rapid.Bool().Draw(rt, "explicit"), since: m.clock()}
	mode := client.ModeOneshot
	if m.is.explicit {
		mode = client.ModeExplicit
	}
	timeout := client.Seconds(m.timeout)
	m.f = m.create(client.CreateOptions{Mode: mode, AbortTimeout: &timeout, AbortSize: &m.size})
	_, m.is.last = m.bounds()
	m.is.cancelled, m.is.delivered = m.is.last, m.is.last
	m.n, m.stale = nil, nil
}

func (m *machine) end(rt *rapid.T) {
	if err := m.m.Destroy(context.Background(), root, m.f.ID); err != nil {
		rt.Fatal(err)
	}
}

// check compares what GETINFO tells.
func (m *machine) check(rt *rapid.T) {
	_, m.is.last = m.bounds() // marks of other feeds' ends are records too
	i := m.info(m.f.ID)
	// What the consumer holds is not given again, and is not cancelled.
	state, available, first := "active", m.is.last-max(m.is.delivered, m.is.cancelled), m.is.cancelled+1
	if m.is.aborted {
		state, available = "aborted", 0
	}
	if m.is.aborted || m.is.cancelled == m.is.last {
		first = 0
	}
	got := fmt.Sprint(i.State, i.Cancelled, i.Available, i.First, i.Last, i.Consumer != nil, i.Delivered)
	want := fmt.Sprint(state, m.is.cancelled, available, first, m.is.last, m.is.attached, max(m.is.delivered, m.is.cancelled))
	if got != want {
		rt.Fatalf("GETINFO: got %s, want %s (state, cancelled, available, first, last, attached, delivered)", got, want)
	}
	if i.Consumer != nil && !m.is.told && i.Consumer.Held != m.is.delivered-min(m.is.delivered, m.is.cancelled) {
		// A batch that is cancelled in part counts as a whole.
		if i.Consumer.Held < m.is.delivered-min(m.is.delivered, m.is.cancelled) {
			rt.Fatalf("held: got %d, want %d at least", i.Consumer.Held, m.is.delivered-m.is.cancelled)
		}
	}
	if first, _ := m.bounds(); !m.is.aborted && first > m.is.cancelled+1 {
		rt.Fatalf("the journal begins at %d, and %d is needed", first, m.is.cancelled+1)
	}
}

func (m *machine) appendSome(rt *rapid.T) {
	m.is.last = m.stand.append(rapid.IntRange(1, 8).Draw(rt, "n"))
}

// taken is what an OPEN that succeeds comes to.
func (m *machine) taken(n *Consumer) {
	m.n, m.is.attached, m.is.told = n, true, false
	m.is.delivered = m.is.cancelled
}

func (m *machine) open(rt *rapid.T) {
	n, err := m.m.Attach(root, m.f.ID, false)
	want := client.Code("")
	if m.is.attached {
		want = client.CodeBusy
	}
	if code(err) != want {
		rt.Fatalf("OPEN: got %v, want %q", err, want)
	}
	if err == nil {
		m.taken(n)
	}
}

func (m *machine) otherOpens(rt *rapid.T) {
	other := Caller{UID: 4711}
	if _, err := m.m.Attach(other, m.f.ID, false); code(err) != client.CodeDenied {
		rt.Fatalf("OPEN by another user: got %v, want %s", err, client.CodeDenied)
	}
}

// lost is what becomes of the consumer that had the feed.
func (m *machine) lost() {
	if m.n != nil {
		m.stale = m.n
	}
	m.n, m.is.attached, m.is.told = nil, false, false
	m.is.delivered = m.is.cancelled
}

func (m *machine) steal(rt *rapid.T) {
	had := m.n
	n, err := m.m.Attach(root, m.f.ID, true)
	if err != nil {
		rt.Fatalf("steal: %v", err)
	}
	m.lost()
	m.taken(n)
	if had != nil {
		<-had.Done()
	}
}

// useStale has a consumer that was disconnected do what it could before.
func (m *machine) useStale(rt *rapid.T) {
	if m.stale == nil {
		return // nobody was disconnected
	}
	_, err := m.stale.Cancel(context.Background(), 0)
	_, _, readErr := batch(context.Background(), m.stale, client.ReadOptions{})
	if err == nil || readErr == nil {
		rt.Fatalf("a consumer that was disconnected: CANCEL got %v, READ %v, want errors", err, readErr)
	}
}

func (m *machine) read(rt *rapid.T) { m.readWith(rt, false) }
func (m *machine) keep(rt *rapid.T) { m.readWith(rt, true) }

func (m *machine) readWith(rt *rapid.T, keep bool) {
	if m.n == nil {
		return // nobody has it
	}
	most := rapid.IntRange(1, 10).Draw(rt, "max")
	if !keep && !m.is.explicit { // asking for more cancels what was delivered
		m.cancelled(m.is.delivered)
	}
	records, r, err := batch(context.Background(), m.n, client.ReadOptions{MaxRecords: most, Keep: keep})
	switch {
	case m.is.aborted && m.is.abortTold:
		if code(err) != client.CodeAborted {
			rt.Fatalf("READ of what was given up: got %v, want %s", err, client.CodeAborted)
		}
		return
	case m.is.aborted:
		m.is.abortTold = true
		m.wantMark(rt, records, err, changelog.MarkAbort)
		return
	case m.is.skipped && !m.is.told:
		m.is.told = true
		m.wantMark(rt, records, err, changelog.MarkGap)
		return
	case err != nil:
		rt.Fatalf("READ: %v", err)
	}
	n := min(uint64(most), m.is.last-m.is.delivered)
	if uint64(len(records)) != n || r.Count != len(records) {
		rt.Fatalf("READ: got %d records, want %d (%d to %d)", len(records), n, m.is.delivered+1, m.is.last)
	}
	for i, rec := range records {
		if want := m.is.delivered + 1 + uint64(i); rec.Index != want {
			rt.Fatalf("record %d of the batch: got index %d, want %d", i, rec.Index, want)
		}
	}
	m.is.delivered += n
	if r.Through != m.is.delivered || r.More != (m.is.delivered < m.is.last) {
		rt.Fatalf("READ: got through %d, more %v, want %d, %v", r.Through, r.More, m.is.delivered, m.is.delivered < m.is.last)
	}
}

func (m *machine) wantMark(rt *rapid.T, records []*changelog.Record, err error, kind changelog.MarkKind) {
	if err != nil || len(records) != 1 || records[0].Mark == nil || records[0].Mark.Kind != kind {
		rt.Fatalf("READ: got %v, %v, want MARK %v alone", records, err, kind)
	}
}

// cancelled is what a cancel through an index comes to.
func (m *machine) cancelled(through uint64) {
	if m.is.told {
		m.is.skipped, m.is.told = false, false
	}
	if through > m.is.cancelled {
		m.is.cancelled, m.is.since = through, m.clock()
		m.is.delivered = max(m.is.delivered, through)
	}
}

func (m *machine) cancel(rt *rapid.T) {
	if m.n == nil {
		return // nobody has it
	}
	through := rapid.OneOf(
		rapid.Just(uint64(0)),
		rapid.Uint64Range(0, m.is.cancelled),
		rapid.Uint64Range(m.is.cancelled, m.is.last),
		rapid.Uint64Range(m.is.last+1, m.is.last+3),
		rapid.Just(^uint64(0)),
	).Draw(rt, "through")
	got, err := m.n.Cancel(context.Background(), through)
	if through > m.is.last {
		if code(err) != client.CodeBadArgument {
			rt.Fatalf("CANCEL %d, the last being %d: got %v, want %s", through, m.is.last, err, client.CodeBadArgument)
		}
		return
	}
	if through == 0 {
		through = m.is.last
	}
	m.cancelled(through)
	if err != nil || got != m.is.cancelled {
		rt.Fatalf("CANCEL %d: got %d, %v, want %d", through, got, err, m.is.cancelled)
	}
}

// close is CLOSE with and without commit; the latter is what a lost connection comes to.
func (m *machine) close(rt *rapid.T) {
	if m.n == nil {
		return // nobody has it
	}
	commit := rapid.Bool().Draw(rt, "commit")
	if commit {
		m.cancelled(m.is.delivered)
	}
	if err := m.n.Close(context.Background(), commit); err != nil {
		rt.Fatalf("CLOSE: %v", err)
	}
	m.n, m.is.attached, m.is.told = nil, false, false
	m.is.delivered = m.is.cancelled
}

func (m *machine) waitLong(rt *rapid.T) {
	m.pass(time.Duration(rapid.IntRange(1, 50).Draw(rt, "minutes")) * time.Minute)
}

// look has the manager look for feeds that are over their limits.
func (m *machine) look(rt *rapid.T) {
	_, last := m.bounds()
	m.m.collect(context.Background(), m.clock(), rapid.Bool().Draw(rt, "space"))
	behind := last - m.is.cancelled
	over := behind > m.size || behind > 0 && m.clock().Sub(m.is.since) > m.timeout
	if m.is.aborted || !over {
		return
	}
	m.is.aborted = true
	m.lost()
}

func (m *machine) reset(rt *rapid.T) {
	first, last := m.bounds()
	from, at := "now", last
	if rapid.Bool().Draw(rt, "oldest") {
		from, at = "oldest", first-1
	}
	if _, err := m.m.Reset(context.Background(), root, m.f.ID, from, false); err != nil {
		rt.Fatalf("reset from %s: %v", from, err)
	}
	m.lost()
	if at > m.is.cancelled || m.is.aborted {
		m.is.skipped = true
	}
	m.is.aborted, m.is.abortTold = false, false
	m.is.cancelled, m.is.delivered, m.is.since = at, at, m.clock()
}

func (m *machine) destroy(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "really") != 0 {
		return // not often
	}
	m.end(rt)
	m.lost()
	if _, err := m.m.Attach(root, m.f.ID, false); code(err) != client.CodeNotFound {
		rt.Fatalf("OPEN of what was destroyed: got %v, want %s", err, client.CodeNotFound)
	}
	was := m.f.ID
	stale := m.stale
	m.begin(rt)
	m.stale = stale
	if m.f.ID == was {
		rt.Fatalf("id %s was given again", was)
	}
}
