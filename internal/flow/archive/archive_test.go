// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

var (
	epoch          = time.Date(2026, 11, 29, 5, 0, 0, 0, time.UTC)
	request, other = topology.ID{1}, topology.ID{2}
	near, far      = topology.ID{3}, topology.ID{4} // hosts
	port           = topology.ID{5}
)

func flowID(n int) topology.ID { return topology.ID{9, byte(n >> 8), byte(n)} }

// scope is a flow on a host.
func scope(flow int, host topology.ID) *record.Scope {
	proto := uint8(17)
	return &record.Scope{
		Flow: flowID(flow), Host: host, Requests: []topology.ID{request},
		Header: record.Header{EthSrc: packet.MAC{2}, EtherType: 0x800, Src: netip.MustParseAddr("10.0.0.1"), Proto: &proto},
	}
}

// event is a record of a flow: its number is that on the host and its seconds after
// the epoch.
func event(s *record.Scope, seq int, kind, members string) record.Record {
	return record.Record{
		Scope: s, Time: epoch.Add(time.Duration(seq) * time.Second), Level: slog.LevelDebug, Seq: uint64(seq), Kind: kind,
		Event: json.RawMessage("{" + members + "}"),
	}
}

// flow returns the records of a flow that begins some seconds after the epoch.
func flow(n, begin int, verdict string) []record.Record {
	s := scope(n, near)
	return []record.Record{
		event(s, begin, "start", fmt.Sprintf(`"role":"ingress","inputPort":%q`, port)),
		event(s, begin+1, "result", fmt.Sprintf(`"role":"ingress","outcome":%q`, verdict)),
	}
}

func openTest(t testing.TB, file string, opts Options) *Archive {
	t.Helper()
	a, err := Open(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func newTest(t testing.TB, opts Options) *Archive {
	t.Helper()
	return openTest(t, filepath.Join(t.TempDir(), "flows.db"), opts)
}

func appendAll(t testing.TB, a *Archive, batches ...[]record.Record) {
	t.Helper()
	for _, b := range batches {
		if err := a.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// flows returns the numbers of the flows that are selected.
func flows(t *testing.T, a *Archive, sel Select) (n []int) {
	t.Helper()
	all, err := a.Flows(t.Context(), request, sel)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		n = append(n, int(f.ID[1])<<8|int(f.ID[2]))
	}
	return n
}

// kinds returns host, number and kind of events.
func kinds(t *testing.T, events []json.RawMessage) (out []string) {
	t.Helper()
	for _, e := range events {
		var v eventView
		if err := json.Unmarshal(e, &v); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		out = append(out, fmt.Sprintf("%d/%d %s", v.Host[0], v.Seq, v.Kind))
	}
	return out
}

func TestFlow(t *testing.T) {
	a := newTest(t, Options{})
	appendAll(t, a, flow(1, 10, "Forward"))
	got, err := a.Flow(t.Context(), request, flowID(1))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != flowID(1) || !got.Time.Equal(epoch.Add(10*time.Second)) || got.Ingress != port || got.Host != near ||
		!slices.Equal(got.Hosts, []topology.ID{near}) || got.Verdict != "Forward" {
		t.Errorf("got %+v", got)
	}
	if want := `{"ethDst":"00:00:00:00:00:00","ethSrc":"02:00:00:00:00:00","etherType":2048,"networkProto":17,"networkSrc":"10.0.0.1"}`; string(got.Header) != want {
		t.Errorf("header %s, want %s", got.Header, want)
	}
	for _, id := range [][2]topology.ID{{other, flowID(1)}, {request, flowID(2)}} {
		if _, err := a.Flow(t.Context(), id[0], id[1]); !errors.Is(err, ErrNotFound) {
			t.Errorf("flow %v of %v: got %v, want %v", id[1], id[0], err, ErrNotFound)
		}
		if _, err := a.Events(t.Context(), id[0], id[1], Select{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("events of flow %v of %v: got %v, want %v", id[1], id[0], err, ErrNotFound)
		}
	}
	if all, err := a.Flows(t.Context(), other, Select{}); len(all) > 0 || err != nil {
		t.Errorf("flows of a request without: got %v, %v", all, err)
	}
	both := scope(7, near)
	both.Requests = []topology.ID{request, other}
	appendAll(t, a, []record.Record{event(both, 0, "start", "")})
	for _, r := range both.Requests {
		if _, err := a.Flow(t.Context(), r, flowID(7)); err != nil {
			t.Errorf("a flow of two requests, of %v: %v", r, err)
		}
	}
}

func TestSelect(t *testing.T) {
	a := newTest(t, Options{})
	for i := range 6 {
		verdict := "Forward"
		if i%2 == 1 {
			verdict = "Drop"
		}
		appendAll(t, a, flow(i, 10*i, verdict))
	}
	appendAll(t, a, []record.Record{event(scope(2, far), 30, "egress", `"role":"egress"`)})
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name string
		sel  Select
		want []int
	}{
		{"all", Select{}, []int{0, 1, 2, 3, 4, 5}},
		{"newest first", Select{Descending: true}, []int{5, 4, 3, 2, 1, 0}},
		{"since", Select{Since: at(30)}, []int{3, 4, 5}},
		{"until", Select{Until: at(30)}, []int{0, 1, 2}},
		{"both", Select{Since: at(11), Until: at(41)}, []int{2, 3, 4}},
		{"both, newest first", Select{Since: at(11), Until: at(41), Descending: true}, []int{4, 3, 2}},
		{"until after all, newest first", Select{Until: at(900), Descending: true, Limit: 2}, []int{5, 4}},
		{"limit", Select{Limit: 2}, []int{0, 1}},
		{"verdict", Select{Verdict: "Drop"}, []int{1, 3, 5}},
		{"verdict in lower case", Select{Verdict: "drop"}, []int{1, 3, 5}},
		{"verdict, limit, newest first", Select{Verdict: "Drop", Limit: 2, Descending: true}, []int{5, 3}},
		{"host", Select{Host: far}, []int{2}},
		{"nothing", Select{Since: at(20), Until: at(20)}, nil},
	} {
		if got := flows(t, a, c.sel); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// Events of a host are in the order of their numbers, those of the ingress host before
// the others, whatever their clocks say and in whatever order they come.
func TestEvents(t *testing.T) {
	a := newTest(t, Options{})
	in, out := scope(1, near), scope(1, far)
	late := event(in, 2, "result", `"role":"ingress","outcome":"Forward"`)
	late.Time = epoch.Add(-time.Hour)
	appendAll(t, a,
		[]record.Record{event(out, 0, "state-received", `"role":"egress"`), late},
		[]record.Record{event(out, 1, "egress", `"role":"egress"`), event(in, 0, "start", `"role":"ingress"`)},
		[]record.Record{event(in, 1, "rule", `"role":"ingress"`), event(out, 1, "egress", `"role":"egress"`)}) // one comes twice
	get := func(sel Select) []string {
		t.Helper()
		events, err := a.Events(t.Context(), request, flowID(1), sel)
		if err != nil {
			t.Fatal(err)
		}
		return kinds(t, events)
	}
	all := []string{"3/0 start", "3/1 rule", "3/2 result", "4/0 state-received", "4/1 egress"}
	if got := get(Select{}); !slices.Equal(got, all) {
		t.Errorf("events %q, want %q", got, all)
	}
	if got, want := get(Select{Descending: true, Limit: 2}), []string{"4/1 egress", "4/0 state-received"}; !slices.Equal(got, want) {
		t.Errorf("the last two: %q, want %q", got, want)
	}
	if got, want := get(Select{Since: epoch, Until: epoch.Add(time.Second)}), []string{"3/0 start", "4/0 state-received"}; !slices.Equal(got, want) {
		t.Errorf("of a second: %q, want %q", got, want)
	}
	f, err := a.Flow(t.Context(), request, flowID(1))
	if err != nil || f.Host != near || !slices.Equal(f.Hosts, []topology.ID{far, near}) || f.Verdict != "Forward" {
		t.Errorf("the flow: got %+v, %v", f, err)
	}
	bad := event(in, 9, "x", "")
	bad.Event = json.RawMessage("no object")
	if err := a.Append(t.Context(), []record.Record{event(in, 8, "x", ""), bad}); err == nil {
		t.Error("a record that is none: no error")
	}
	if got := get(Select{}); !slices.Equal(got, all) {
		t.Errorf("after a batch that was refused: %q, want %q", got, all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Append(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("append: got %v, want %v", err, context.Canceled)
	}
}

// size returns how many pairs there are of a request, by bucket.
func size(t *testing.T, a *Archive) (flows, events, done int) {
	t.Helper()
	err := a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return nil
		}
		flows, events, done = s.flows.Stats().KeyN, s.events.Stats().KeyN, s.done.Stats().KeyN
		if n := s.index.Stats().KeyN; n != flows || uint64(n) != s.flowCount() {
			t.Errorf("%d flows, %d in the index, %d counted", flows, n, s.flowCount())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return flows, events, done
}

func TestRetention(t *testing.T) {
	now := epoch.Add(time.Hour)
	a := newTest(t, Options{MaxAge: time.Hour, MaxFlows: 5, Now: func() time.Time { return now }})
	for i := range 8 {
		appendAll(t, a, flow(i, 10*i, "Forward"))
	}
	if got, want := flows(t, a, Select{}), []int{3, 4, 5, 6, 7}; !slices.Equal(got, want) {
		t.Errorf("flows %v, want the last %v", got, want)
	}
	if f, e, d := size(t, a); f != 5 || e != 10 || d != 5 {
		t.Errorf("%d flows, %d events, %d done, want 5, 10, 5", f, e, d)
	}
	for _, c := range []struct {
		after time.Duration
		want  []int
	}{{0, []int{3, 4, 5, 6, 7}}, {31 * time.Second, []int{4, 5, 6, 7}}, {61 * time.Second, []int{7}}, {time.Hour, nil}} {
		now = epoch.Add(time.Hour + c.after)
		before, _, _ := size(t, a)
		n, err := a.Expire()
		if got := flows(t, a, Select{}); err != nil || !slices.Equal(got, c.want) || n != before-len(c.want) {
			t.Errorf("after %v: %d deleted, %v, flows %v, want %v", c.after, n, err, got, c.want)
		}
	}
	if f, e, d := size(t, a); f+e+d != 0 {
		t.Errorf("after all: %d flows, %d events, %d done", f, e, d)
	}
}

// A batch of more flows than a request has leaves the last ones.
func TestBatchBeyondRetention(t *testing.T) {
	a := newTest(t, Options{MaxFlows: 3})
	var batch []record.Record
	for i := range 10 {
		batch = append(batch, flow(i, 10*i, "Forward")...)
	}
	appendAll(t, a, batch)
	if got, want := flows(t, a, Select{}), []int{7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("flows %v, want %v", got, want)
	}
	if f, e, d := size(t, a); f != 3 || e != 6 || d != 3 {
		t.Errorf("%d flows, %d events, %d done, want 3, 6, 3", f, e, d)
	}
}

// Many old flows go in several transactions.
func TestExpireMany(t *testing.T) {
	a := newTest(t, Options{Now: func() time.Time { return epoch.Add(48 * time.Hour) }})
	var batch []record.Record
	for i := range 2*maxExpire + 10 {
		batch = append(batch, event(scope(i, near), i, "start", ""))
	}
	appendAll(t, a, batch)
	if n, err := a.Expire(); n != 2*maxExpire+10 || err != nil {
		t.Errorf("got %d, %v, want %d", n, err, 2*maxExpire+10)
	}
}

func TestDeleteRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flows.db")
	a := openTest(t, file, Options{})
	appendAll(t, a, flow(1, 0, "Drop"))
	status := HostStatus{near, 7, true}
	if err := a.SetStatus(request, status); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openTest(t, file, Options{})
	if got := flows(t, a, Select{}); !slices.Equal(got, []int{1}) {
		t.Errorf("after opening it again: %v", got)
	}
	if all, err := a.Status(t.Context(), request); err != nil || !slices.Equal(all, []HostStatus{status}) {
		t.Errorf("status: got %v, %v", all, err)
	}
	for range 2 {
		if err := a.DeleteRequest(request); err != nil {
			t.Fatal(err)
		}
		if got := flows(t, a, Select{}); len(got) > 0 {
			t.Errorf("after it was deleted: %v", got)
		}
		if all, err := a.Status(t.Context(), request); err != nil || len(all) > 0 {
			t.Errorf("status: got %v, %v", all, err)
		}
	}
}

func TestOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flows.db")
	a := openTest(t, file, Options{})
	err := a.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(archiveBucket).Put(formatKey, number(format+1)) })
	if err := errors.Join(err, a.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil {
		t.Error("a format to come: no error")
	}
	if err := a.Append(t.Context(), flow(1, 0, "Drop")); err == nil {
		t.Error("append to a closed archive: no error")
	}
}

// Who follows gets what is there and then each flow whose verdict becomes known, once.
func TestFollowFlows(t *testing.T) {
	a := newTest(t, Options{})
	appendAll(t, a, flow(1, 0, "Forward"), flow(2, 10, "Drop"), flow(3, 20, "Drop")[:1])
	ctx, stop := context.WithCancel(t.Context())
	got, over := make(chan Flow), make(chan struct{})
	go func() { // ended by stop; over says so
		defer close(over)
		for f, err := range a.FollowFlows(ctx, request, Select{Verdict: "Drop"}) {
			if err != nil {
				t.Error(err)
			}
			got <- f
		}
	}()
	want := func(n int) {
		t.Helper()
		select {
		case f := <-got:
			if f.ID != flowID(n) || f.Verdict != "Drop" {
				t.Errorf("got %+v, want flow %d", f, n)
			}
		case <-time.After(time.Minute):
			t.Fatalf("flow %d does not come", n)
		}
	}
	want(2)
	appendAll(t, a, flow(4, 30, "Forward"), flow(5, 40, "Drop"))
	want(5)
	appendAll(t, a, flow(3, 20, "Drop")) // known by now
	want(3)
	appendAll(t, a, flow(5, 40, "Drop")) // once more
	if err := a.DeleteRequest(request); err != nil {
		t.Fatal(err)
	}
	appendAll(t, a, flow(6, 50, "Drop"))
	want(6)
	stop()
	<-over
	for _, err := range a.FollowFlows(t.Context(), request, Select{}) {
		if err != nil {
			t.Errorf("one that is left: %v", err)
		}
		break
	}
}

func TestFollowEvents(t *testing.T) {
	a := newTest(t, Options{})
	in, out := scope(1, near), scope(1, far)
	appendAll(t, a, []record.Record{event(in, 1, "rule", ""), event(in, 0, "start", "")})
	ctx, stop := context.WithCancel(t.Context())
	got, over := make(chan json.RawMessage), make(chan struct{})
	go func() { // ended by stop; over says so
		defer close(over)
		for e, err := range a.FollowEvents(ctx, request, flowID(1), Select{}) {
			if err != nil {
				t.Error(err)
			}
			got <- e
		}
	}()
	want := func(text string) {
		t.Helper()
		select {
		case e := <-got:
			if k := kinds(t, []json.RawMessage{e}); k[0] != text {
				t.Errorf("got %s, want %s", k[0], text)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s does not come", text)
		}
	}
	want("3/0 start")
	want("3/1 rule")
	appendAll(t, a, []record.Record{event(in, 1, "rule", ""), event(in, 2, "result", "")})
	want("3/2 result")
	appendAll(t, a, []record.Record{event(out, 0, "egress", `"role":"egress"`)})
	want("4/0 egress")
	stop()
	<-over
	n := 0
	for _, err := range a.FollowEvents(t.Context(), request, flowID(1), Select{Limit: 2}) {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	for _, err := range a.FollowEvents(t.Context(), request, flowID(9), Select{}) {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("of no flow: got %v, want %v", err, ErrNotFound)
		}
	}
}

// Hosts append at once: nothing is lost, and counts are right.
func TestConcurrentAppends(t *testing.T) {
	const hosts, each = 8, 20
	a := newTest(t, Options{})
	var all sync.WaitGroup
	for h := range hosts {
		all.Go(func() { // ends by itself; the test waits below
			for i := range each {
				if err := a.Append(t.Context(), flow(h*each+i, i, "Forward")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if f, e, d := size(t, a); f != hosts*each || e != 2*f || d != f {
		t.Errorf("%d flows, %d events, %d done, want %d flows", f, e, d, hosts*each)
	}
}

// BenchmarkAppend measures batches of 1000 records, 20 of each flow.
func BenchmarkAppend(b *testing.B) {
	a := newTest(b, Options{MaxFlows: 1 << 20})
	body := fmt.Sprintf(`"role":"ingress","run":1,"chain":%q,"rule":%q,"position":3,"type":"drop","matched":false,"applied":false,"result":"continue"`, port, port)
	n := 0
	for b.Loop() {
		batch := make([]record.Record, 0, 1000)
		for len(batch) < 1000 {
			n++
			s := scope(n, near)
			s.Flow = topology.ID{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
			for seq := range 20 {
				batch = append(batch, event(s, seq, "rule", body))
			}
		}
		if err := a.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
}

// TestFollowLeavesNothingOut follows a request that has more flows than a list has, and
// then with a limit, which ends it.
func TestFollowLeavesNothingOut(t *testing.T) {
	const many = MaxLimit + 50
	a := newTest(t, Options{MaxFlows: 2 * many})
	var batch []record.Record
	for n := range many {
		batch = append(batch, flow(n, n, "Drop")...)
	}
	appendAll(t, a, batch)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	next := 0
	for f, err := range a.FollowFlows(ctx, request, Select{}) {
		if err != nil || f.ID != flowID(next) {
			t.Fatalf("flow %d: %+v, %v", next, f, err)
		}
		if next++; next == many {
			break
		}
	}
	n := 0
	for range a.FollowFlows(ctx, request, Select{Limit: 3}) {
		n++
	}
	if n != 3 {
		t.Errorf("with a limit of 3: %d flows", n)
	}
}

// TestResetStatus forgets how hosts count for one request.
func TestResetStatus(t *testing.T) {
	a := newTest(t, Options{})
	appendAll(t, a, flow(1, 0, "Drop"))
	for _, r := range []topology.ID{request, other} {
		if err := a.SetStatus(r, HostStatus{Host: near, Hits: 2}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []topology.ID{request, {77}} {
		if err := a.ResetStatus(r); err != nil {
			t.Fatal(err)
		}
	}
	for r, want := range map[topology.ID]int{request: 0, other: 1} {
		if got, err := a.Status(t.Context(), r); err != nil || len(got) != want {
			t.Errorf("status of %v: %v, %v, want %d", r, got, err, want)
		}
	}
	if got := flows(t, a, Select{}); !slices.Equal(got, []int{1}) {
		t.Errorf("flows %v, want them to stay", got)
	}
}

// TestUnboundedEvents reads a flow that has more events than are returned at most.
func TestUnboundedEvents(t *testing.T) {
	a := newTest(t, Options{MaxEvents: MaxLimit + 1})
	s := scope(1, near)
	batch := make([]record.Record, MaxLimit+1)
	for i := range batch {
		batch[i] = event(s, i, "rule", "")
	}
	appendAll(t, a, batch)
	for _, c := range []struct {
		sel  Select
		want int
	}{{Select{}, MaxLimit}, {Select{Limit: 3}, 3}, {Select{Unbounded: true}, MaxLimit + 1}, {Select{Limit: 3, Unbounded: true}, MaxLimit + 1}} {
		if got, err := a.Events(t.Context(), request, flowID(1), c.sel); err != nil || len(got) != c.want {
			t.Errorf("%+v: %d events, %v, want %d", c.sel, len(got), err, c.want)
		}
	}
}

// TestNothingToForget looks that a request that nothing was traced for costs no write when
// it is made, enabled, disabled and deleted.
func TestNothingToForget(t *testing.T) {
	a := newTest(t, Options{})
	writes := func() (n int) {
		if err := a.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := writes()
	if err := errors.Join(a.ResetStatus(request), a.DeleteRequest(request)); err != nil {
		t.Fatal(err)
	}
	if got := writes(); got != before {
		t.Errorf("%d transactions of the file, want none", got-before)
	}
}
