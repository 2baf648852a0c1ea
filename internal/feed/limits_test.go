// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/journal"
)

// states are the names of all feeds with "aborted (REASON)" behind those that were given
// up.
func (s *stand) states() string {
	var all []string
	for _, i := range s.m.List(root) {
		text := i.Name
		if i.Aborted != nil {
			text += " " + i.Aborted.Reason
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func (s *stand) wantStates(when, want string) {
	s.t.Helper()
	if got := s.states(); got != want {
		s.t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

// look has the manager look for feeds that are over their limits; at the disk, too, if space
// is set.
func (s *stand) look(space bool) { s.m.collect(context.Background(), s.clock(), space) }

func TestFeedsAreGivenUpByTheirLimits(t *testing.T) {
	s := newStand(t, nil)
	none, size, bytes := client.Seconds(0), uint64(10), uint64(2000)
	hour := client.Seconds(time.Hour)
	off := uint64(0)
	s.create(client.CreateOptions{Name: "never", AbortTimeout: &none, AbortSize: &off, AbortBytes: &off})
	s.create(client.CreateOptions{Name: "size", AbortSize: &size})
	s.create(client.CreateOptions{Name: "time", AbortTimeout: &hour})
	s.append(9)
	s.create(client.CreateOptions{Name: "bytes", AbortBytes: &bytes})
	_, before := s.bounds()

	s.pass(59 * time.Minute)
	s.look(true)
	s.wantStates("within all limits", "never, size, time, bytes")
	s.append(2)
	s.look(false)
	s.wantStates("11 records", "never, size size, time, bytes")
	s.pass(2 * time.Minute)
	s.look(false)
	s.wantStates("61 minutes", "never, size size, time timeout, bytes")
	s.append(60)
	s.look(false)
	s.wantStates("many bytes", "never, size size, time timeout, bytes bytes")

	if i := s.info("bytes"); i.Aborted.First != before+1 || i.Bytes > 0 && i.Available != 0 {
		t.Errorf("given up: got %+v, want what it lost from %d on, and nothing available", i, before+1)
	}
	if i := s.info("never"); i.Available != 71+3 || i.Aborted != nil {
		t.Errorf("the other: %d records are available, want all 71 and a warning of each that was given up", i.Available)
	}
	s.m.trimAll(t.Context())
	if first, _ := s.bounds(); first > s.info("never").First {
		t.Errorf("trimmed to %d, and the feed without limits needs %d", first, s.info("never").First)
	}
}

// TestProductOfTimeAndRecords has a feed that holds many records be idle for less long.
func TestProductOfTimeAndRecords(t *testing.T) {
	s := newStand(t, nil)
	product := uint64(36_000)
	s.create(client.CreateOptions{Name: "few", AbortProduct: &product})
	s.create(client.CreateOptions{Name: "changed"})
	if _, err := s.m.Set(t.Context(), root, "changed", client.CreateOptions{AbortProduct: &product}); err != nil {
		t.Fatal(err)
	}
	s.append(9)
	n := s.attach("few")
	_, last := s.bounds()
	_, err := n.Cancel(t.Context(), last-1)
	must(t, err)
	if i := s.info("changed"); i.AbortProduct != product || !strings.HasSuffix(i.AbortIn, " or 36000 seconds times records") {
		t.Errorf("got %d, given up in %q, want %d", i.AbortProduct, i.AbortIn, product)
	}
	s.pass(time.Hour)
	s.look(true)
	s.wantStates("10 records for an hour, less than the limit", "few, changed")
	s.append(1)
	s.look(false)
	s.wantStates("11 records and more for an hour", "few, changed product")
	s.pass(9 * time.Hour)
	s.look(true)
	s.wantStates("few records for long", "few product, changed product")
}

// TestIdleFeedWithNothingToReadIsKept has time count only while records wait.
func TestIdleFeedWithNothingToReadIsKept(t *testing.T) {
	s := newStand(t, nil)
	hour := client.Seconds(time.Hour)
	s.create(client.CreateOptions{Name: "f", AbortTimeout: &hour})
	n := s.attach("f")
	if _, err := n.Cancel(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.pass(1000 * time.Hour)
	s.look(true)
	s.wantStates("nothing to read for long", "f")
}

// TestSpace has feeds given up while the store takes too much: first the one whose last
// cancel is the oldest.
func TestSpace(t *testing.T) {
	disk := &space{free: 1 << 40}
	s := newStand(t, disk)
	for _, name := range []string{"a", "b", "c", "idle"} {
		s.create(client.CreateOptions{Name: name})
		s.pass(time.Minute)
	}
	s.append(5)
	for _, name := range []string{"b", "a"} { // c never has
		n, err := s.m.Attach(root, name, false)
		must(t, err)
		_, last := s.bounds()
		_, err = n.Cancel(t.Context(), last-1)
		must(t, err, n.Close(t.Context(), false))
		s.pass(time.Minute)
	}
	idle := s.attach("idle")
	_, err := idle.Cancel(t.Context(), 0)
	must(t, err)
	s.look(true)
	s.wantStates("room enough", "a, b, c, idle")
	disk.free = minFree - 1
	for _, want := range []string{
		"a, b, c space, idle", "a, b space, c space, idle", "a space, b space, c space, idle",
		"a space, b space, c space, idle", // it holds nothing
	} {
		s.look(true)
		s.wantStates("the disk is full", want)
	}
}

// TestWarningBeforeSpaceIsShort has the feed warned of that is the next to be given up for
// space, once, and another when it has cancelled.
func TestWarningBeforeSpaceIsShort(t *testing.T) {
	disk := &space{free: 2 * minFree}
	s := newStand(t, disk)
	for _, name := range []string{"a", "b"} {
		s.create(client.CreateOptions{Name: name})
		s.pass(time.Minute)
	}
	s.append(5)
	reader := s.attach("b")
	want := func(when, feed string) {
		t.Helper()
		for _, space := range []bool{true, false, true} {
			s.look(space)
		}
		got := ""
		for _, m := range s.warnings(reader) {
			got += m.Feed + " " + m.Reason
		}
		if got != feed {
			t.Errorf("%s: got a warning of %q, want %q", when, got, feed)
		}
		s.wantStates(when, "a, b")
	}
	want("half is taken", "")
	disk.free = minFree + minFree/4
	want("four fifths are taken", "cl1-a space")
	disk.free = minFree + minFree/2
	want("two thirds are taken", "")
	s.pass(time.Minute)
	n := s.attach("a")
	_, err := n.Cancel(t.Context(), 0)
	must(t, err, n.Close(t.Context(), false))
	disk.free = minFree + minFree/4
	s.append(1)
	want("a has cancelled", "cl2-b space")
}

// TestWarningOfOnesOwn has a reader who may see nothing told that his feed is near a limit,
// and not that others are.
func TestWarningOfOnesOwn(t *testing.T) {
	s := newStand(t, nil)
	s.m.opts.Access = blind{}
	size, owner := uint64(20), uint32(3001)
	s.create(client.CreateOptions{Name: "own", AbortSize: &size, Owner: &owner, Restricted: true})
	s.create(client.CreateOptions{Name: "other", AbortSize: &size})
	s.append(16)
	s.look(false)
	n, err := s.m.Attach(Caller{UID: owner}, "own", false)
	must(t, err)
	got := s.warnings(n)
	if len(got) != 1 || got[0].Feed != "cl1-own" || got[0].Reason != abortSize {
		t.Errorf("got %+v, want a warning of the own feed", got)
	}
	if all := s.warnings(s.attach("other")); len(all) != 2 {
		t.Errorf("who sees all: got %+v, want two warnings", all)
	}
}

// blind has users see nothing.
type blind struct{}

func (blind) View(Caller, Scene) (Viewer, error)            { return blind{}, nil }
func (blind) Reach(Caller, string) error                    { return nil }
func (blind) Show(*changelog.Record) bool                   { return false }
func (blind) Paths(changelog.FID) (paths []string, _ error) { return nil, nil }
func (blind) Close()                                        {}

// stuckStore is a store whose disk does not answer.
type stuckStore struct {
	journal.Store

	asked, release chan struct{}
}

func (s *stuckStore) PutFeed(ctx context.Context, f journal.Feed) error {
	s.asked <- struct{}{}
	<-s.release
	return s.Store.PutFeed(ctx, f)
}

// TestInfoDoesNotWaitForTheDisk asks while a cancel is being stored.
func TestInfoDoesNotWaitForTheDisk(t *testing.T) {
	s := newStand(t, nil)
	i := s.create(client.CreateOptions{Name: "f"})
	last := s.append(2)
	n := s.attach("f")
	stuck := &stuckStore{Store: s.m.store, asked: make(chan struct{}), release: make(chan struct{})}
	s.m.store = stuck
	done := make(chan error, 1)
	go func() {
		_, err := n.Cancel(context.Background(), 0)
		done <- err
	}()
	<-stuck.asked
	if got := s.info("f"); got.Cancelled != i.Cancelled || got.Last != last {
		t.Errorf("while a cancel is stored: got %d cancelled of %d, want %d of %d", got.Cancelled, got.Last, i.Cancelled, last)
	}
	if l := s.m.List(root); len(l) != 1 {
		t.Errorf("LIST: got %+v", l)
	}
	stuck.release <- struct{}{}
	must(t, <-done)
	s.m.store = stuck.Store
	if got := s.info("f"); got.Cancelled != last {
		t.Errorf("after it: got %d cancelled, want %d", got.Cancelled, last)
	}
}

// TestFilteredFeedAdvances has a feed that lets nothing through not hold the journal.
func TestFilteredFeedAdvances(t *testing.T) {
	s := newStand(t, nil)
	s.create(client.CreateOptions{Name: "f", Filter: json.RawMessage(`{"name":["nothing"]}`)})
	n := s.attach("f")
	_, _, err := batch(t.Context(), n, client.ReadOptions{})
	must(t, err)
	before := s.info("f").Cancelled
	s.sh("mkdir a b c end; ln -s x l") // none of which it wants
	s.await("SLINK l")
	_, _, err = batch(t.Context(), n, client.ReadOptions{})
	must(t, err)
	if got := s.info("f").Cancelled; got != before {
		t.Errorf("at once: got %d cancelled, want %d", got, before)
	}
	s.pass(advanceEvery)
	_, _, err = batch(t.Context(), n, client.ReadOptions{Keep: true})
	must(t, err)
	i := s.info("f")
	if i.Cancelled != i.Last || i.Available != 0 || i.Asked != before {
		t.Errorf("after %v: got %d cancelled of %d, %d asked for, want all, and %d", advanceEvery, i.Cancelled, i.Last, i.Asked, before)
	}
	if _, err := n.Cancel(t.Context(), 0); err != nil || s.info("f").Asked != before {
		t.Errorf("cancelled again: got %d asked for, %v, want %d", s.info("f").Asked, err, before)
	}
	s.sh("mkdir e")
	s.await("MKDIR e")
	_, err = n.Cancel(t.Context(), 0)
	must(t, err)
	if i := s.info("f"); i.Asked != i.Last {
		t.Errorf("all cancelled: got %d asked for, want %d", i.Asked, i.Last)
	}
}

// Who asks while the agent starts waits until it runs.
func TestAskedBeforeItRuns(t *testing.T) {
	s := newStand(t, nil)
	run := s.m.ctx
	s.m.ctx = nil
	asked := make(chan error, 1)
	go func() {
		i, err := s.m.Create(t.Context(), Caller{Admin: true}, client.CreateOptions{Source: s.fs.Dir})
		if err == nil {
			err = s.m.Destroy(t.Context(), Caller{Admin: true}, i.ID)
		}
		asked <- err
	}()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.m.Create(late, Caller{Admin: true}, client.CreateOptions{Source: s.fs.Dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("asked by someone who waits no longer: %v, want %v", err, context.Canceled)
	}
	s.m.mu.Lock()
	s.m.ctx = run // as Run does
	close(s.m.started)
	s.m.mu.Unlock()
	must(t, <-asked)
}
