// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// weigh returns what is counted for a request and for the archive, and what is there.
func weigh(t *testing.T, a *Archive, id topology.ID) (counted, all uint64, there int64) {
	t.Helper()
	err := a.db.View(func(tx *bbolt.Tx) error {
		all = counter(tx.Bucket(archiveBucket), bytesKey)
		s := open(tx, id)
		if s == nil {
			return nil
		}
		counted = counter(s.all, bytesKey)
		there = int64(s.flowCount()) * flowCost
		return s.events.ForEach(func(k, v []byte) error { there += int64(len(v)) + eventCost; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if int64(counted) != there {
		t.Errorf("%d bytes are counted for a request that has %d", counted, there)
	}
	return counted, all, there
}

// steps returns events of a flow on a host.
func steps(s *record.Scope, from, to int, members string) (all []record.Record) {
	for seq := from; seq < to; seq++ {
		all = append(all, event(s, seq, "rule", members))
	}
	return all
}

// Of a flow that has too many events the first stay and the result; the others are
// counted, once, however often they are sent. Another host's are counted as its own.
func TestTooManyEvents(t *testing.T) {
	a := newTest(t, Options{MaxEvents: 5})
	here, there := scope(1, near), scope(1, far)
	begin := []record.Record{event(here, 0, "start", `"role":"ingress"`)}
	end := []record.Record{event(here, 20, "result", `"role":"ingress","outcome":"Drop"`)}
	for range 2 {
		appendAll(t, a, begin, steps(here, 1, 9, ""), steps(here, 9, 20, ""), end)
	}
	appendAll(t, a, steps(there, 0, 3, `"role":"egress"`))
	got, err := a.Events(t.Context(), request, flowID(1), Select{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"3/0 start", "3/1 rule", "3/2 rule", "3/3 rule", "3/4 rule", "3/20 result"}
	if kinds := kinds(t, got); !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
	f, err := a.Flow(t.Context(), request, flowID(1))
	if err != nil || f.Dropped != 15+3 || f.Verdict != "Drop" {
		t.Errorf("got %d dropped, verdict %q, %v, want 18 and Drop", f.Dropped, f.Verdict, err)
	}
	weigh(t, a, request)
	appendAll(t, a, flow(2, 0, "Drop"))
	if f, err := a.Flow(t.Context(), request, flowID(2)); err != nil || f.Dropped != 0 {
		t.Errorf("another flow: %d dropped, %v", f.Dropped, err)
	}
}

// Events of a flow that are few, and long, are bounded too: who reads them has them in
// memory.
func TestTooLongEvents(t *testing.T) {
	const most = 100 << 10
	a := newTest(t, Options{MaxFlowBytes: most})
	s := scope(1, near)
	long := fmt.Sprintf(`"detail":%q`, strings.Repeat("x", 10<<10))
	appendAll(t, a, steps(s, 0, 30, long))
	f, err := a.Flow(t.Context(), request, flowID(1))
	if err != nil || f.Dropped != 21 {
		t.Errorf("%d dropped, %v, want 21", f.Dropped, err)
	}
	if counted, _, _ := weigh(t, a, request); counted > most {
		t.Errorf("the flow takes %d bytes, more than %d", counted, most)
	}
	appendAll(t, a, steps(s, 0, 2, "")) // they come again, and are shorter
	weigh(t, a, request)
}

// When all flows together are too large the oldest go, of whichever request, and each
// request counts its own.
func TestTooManyBytes(t *testing.T) {
	const size = 20 << 10
	a := newTest(t, Options{MaxBytes: 10 * (size + flowCost)})
	filler := fmt.Sprintf(`"role":"ingress","detail":%q`, strings.Repeat("x", size/2-eventCost-200))
	for i := range 30 {
		s := scope(i, near)
		if i%3 == 0 {
			s.Requests = []topology.ID{other}
		}
		appendAll(t, a, steps(s, i, i+2, filler))
		if _, all, _ := weigh(t, a, request); int64(all) > a.opts.MaxBytes {
			t.Fatalf("after flow %d: %d bytes, want at most %d", i, all, a.opts.MaxBytes)
		}
		weigh(t, a, other)
	}
	kept := len(flows(t, a, Select{}))
	rest, err := a.Flows(t.Context(), other, Select{})
	if err != nil {
		t.Fatal(err)
	}
	if kept+len(rest) < 9 || kept+len(rest) > 11 {
		t.Errorf("%d and %d flows are kept, want about 10", kept, len(rest))
	}
	if got := flows(t, a, Select{Limit: 1}); got[0] < 18 {
		t.Errorf("flow %d is kept, which is not one of the newest", got[0])
	}
	lost, err := a.Lost(t.Context(), request)
	if err != nil || int(lost) != 20-kept {
		t.Errorf("%d flows are counted as lost, %v, want %d", lost, err, 20-kept)
	}
	if lost, err = a.Lost(t.Context(), other); err != nil || int(lost) != 10-len(rest) {
		t.Errorf("of the other %d flows are counted as lost, %v, want %d", lost, err, 10-len(rest))
	}
	for _, id := range []topology.ID{request, other} {
		if err := a.DeleteRequest(id); err != nil {
			t.Fatal(err)
		}
	}
	if _, all, _ := weigh(t, a, request); all != 0 {
		t.Errorf("%d bytes when all is deleted", all)
	}
}

// An archive that may have less than it had becomes smaller step by step.
func TestFewerBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flows.db")
	a := openTest(t, file, Options{MaxFlows: 1 << 20})
	const many = 2*maxExpire + 300
	var batch []record.Record
	for i := range many {
		batch = append(batch, event(scope(i, near), i, "start", ""))
	}
	appendAll(t, a, batch)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openTest(t, file, Options{MaxFlows: 1 << 20, MaxBytes: 1})
	for i, want := range []int{maxExpire + 300, 300, 1} { // a batch makes room for itself, too
		appendAll(t, a, flow(many+i, many+i, "Drop"))
		if got := len(flows(t, a, Select{})); got != want {
			t.Errorf("after batch %d: %d flows, want %d", i, got, want)
		}
		weigh(t, a, request)
	}
}

// A flow that is larger than all may be is kept as long as it is the newest.
func TestOneFlowTooLarge(t *testing.T) {
	a := newTest(t, Options{MaxBytes: 1})
	for i := range 3 {
		appendAll(t, a, flow(i, i, "Drop"))
		if got := flows(t, a, Select{}); !slices.Equal(got, []int{i}) {
			t.Errorf("after flow %d: %v", i, got)
		}
	}
}

// A request counts the flows that its own bound has cost, and not those that were old.
func TestLostFlows(t *testing.T) {
	a := newTest(t, Options{MaxFlows: 2})
	var batch []record.Record
	for i := range 5 { // two of these go while they are being written
		batch = append(batch, flow(i, i, "Drop")...)
	}
	appendAll(t, a, batch, flow(5, 5, "Drop"))
	if lost, err := a.Lost(t.Context(), request); err != nil || lost != 4 {
		t.Errorf("%d, %v, want 4", lost, err)
	}
	weigh(t, a, request)
	if _, err := a.Expire(); err != nil {
		t.Fatal(err)
	}
	if lost, err := a.Lost(t.Context(), request); err != nil || lost != 4 {
		t.Errorf("after the others were too old: %d, %v, want 4", lost, err)
	}
	weigh(t, a, request)
}

// An archive without sizes is measured when it is opened.
func TestUnmeasured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flows.db")
	a := openTest(t, file, Options{})
	appendAll(t, a, flow(1, 0, "Drop"), flow(2, 5, "Forward"))
	counted, _, _ := weigh(t, a, request)
	err := a.db.Update(func(tx *bbolt.Tx) error { // as format 1 has it
		s := open(tx, request)
		for _, n := range []int{1, 2} {
			key := flowKey(s.index.Get(id(n)), flowID(n))
			if err := s.flows.Put(key, fmt.Appendf(nil, `{"hosts":[%q],"verdict":"Drop","done":%d}`, near, n)); err != nil {
				return err
			}
		}
		meta := tx.Bucket(archiveBucket)
		for _, b := range []*bbolt.Bucket{meta, s.all} {
			if err := b.Delete(bytesKey); err != nil {
				return err
			}
		}
		return meta.Put(formatKey, number(formatUnmeasured))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = openTest(t, file, Options{})
	if again, all, _ := weigh(t, a, request); again != counted || all != counted {
		t.Errorf("measured: %d, and %d in all, want %d", again, all, counted)
	}
	appendAll(t, a, steps(scope(1, near), 2, 4, ""))
	weigh(t, a, request)
}

func id(n int) []byte { f := flowID(n); return f[:] }
