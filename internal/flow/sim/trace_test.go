// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// traced puts a trace rule for a request into a chain: where the store would put it,
// or behind the others.
func (n *testNetwork) traced(chain string, owner topology.ID, request topology.ID, limit int64, last bool, condition topology.Condition) {
	id := topology.NamedID(topology.KindChain, chain)
	r := &topology.Rule{ID: uuid.New(), Chain: id, Type: topology.TraceRule, Request: request, Limit: limit, Device: owner, Condition: condition}
	rules := n.snap.Rules[id]
	if last {
		n.snap.Rules[id] = append(slices.Clone(rules), r)
	} else {
		n.snap.Rules[id] = append([]*topology.Rule{r}, rules...)
	}
}

// tracer is a context that keeps records and makes identifiers that can be told apart.
type tracer struct {
	*Context
	keeper
	ids uint64
}

func newTracer(s *State) *tracer {
	t := &tracer{Context: NewContext(s)}
	t.Recorder = &t.keeper
	t.NewTraceID = func() (id topology.ID) {
		t.ids++
		binary.BigEndian.PutUint64(id[8:], t.ids)
		return id
	}
	return t
}

func (t *tracer) send(tt testing.TB, n *testNetwork, frame []byte, port string) Outcome {
	tt.Helper()
	t.records = nil
	if err := t.Ingress(n.Network, frame, n.port(tt, port), 0); err != nil {
		tt.Fatal(err)
	}
	return t.Run()
}

func (t *tracer) kinds() (kinds []Kind) {
	for _, r := range t.records {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

func TestTraceRestarts(t *testing.T) {
	n := benchNetwork(t, 3, 1, 0)
	n.learned(t)
	router := topology.NamedID(topology.KindRouter, "r")
	one, two := uuid.New(), uuid.New()
	n.traced("c", router, one, 10, false, topology.Condition{})
	n.traced("c", router, two, 10, true, topology.Condition{})
	hits := new(Hits)
	n.Network = Compile(n.snap, hits)
	c := newTracer(n.state)
	if o := c.send(t, n, benchFrame, "w1"); o != Forward || c.Runs() != 3 {
		t.Errorf("two requests: %v after %d runs, want Forward after 3", o, c.Runs())
	}
	first, requests := c.Traced()
	if !slices.Equal(requests, []topology.ID{one, two}) || first == (topology.ID{}) {
		t.Errorf("traced as %v by %v, want both", first, requests)
	}
	starts := 0
	for i := range c.records {
		if c.records[i].Kind == EventStart {
			starts++
			if next := c.records[i+1].Kind; next != EventPortIn {
				t.Errorf("behind a start comes %v, want all from the first step on", next)
			}
		}
	}
	if k := c.kinds(); k[0] != EventRestart || starts != 2 || k[len(k)-1] != EventResult {
		t.Errorf("records %v, want a restart, and two starts", k)
	}
	if hits.Count(one) != 1 || hits.Count(two) != 1 {
		t.Errorf("hits %d and %d, want 1 and 1", hits.Count(one), hits.Count(two))
	}
	c.send(t, n, benchFrame, "w1")
	if second, _ := c.Traced(); second == first {
		t.Error("the next packet has the same identifier")
	}
	if hits.Count(one) != 2 {
		t.Errorf("after the second packet %d hits, want 2", hits.Count(one))
	}
}

func TestTraceLimitAndOwner(t *testing.T) {
	router, request := topology.NamedID(topology.KindRouter, "r"), uuid.New()
	tests := []struct {
		name      string
		owner     topology.ID
		condition topology.Condition
		last      bool
		want      int64 // hits of three packets with a limit of 2
	}{
		{"limit", router, topology.Condition{}, false, 2},
		{"behind a rule that drops", router, topology.Condition{}, true, 2},
		{"of another device with the same chain", topology.NamedID(topology.KindBridge, "b1"), topology.Condition{}, false, 0},
		{"condition", router, topology.Condition{EtherType: packet.TypeARP}, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := benchNetwork(t, 1, 1, 0)
			n.learned(t)
			id := topology.NamedID(topology.KindChain, "c")
			n.snap.Rules[id] = []*topology.Rule{{ID: uuid.New(), Chain: id, Type: topology.DropRule}}
			n.traced("c", tt.owner, request, 2, tt.last, tt.condition)
			hits := new(Hits)
			n.Network = Compile(n.snap, hits)
			c := newTracer(n.state)
			for i := range int64(3) {
				o := c.send(t, n, benchFrame, "w1")
				if o != Drop {
					t.Errorf("outcome %v, want Drop: tracing changes nothing", o)
				}
				if traced := len(c.records) > 0; traced != (i < tt.want) {
					t.Errorf("packet %d is traced: %v", i+1, traced)
				}
			}
			if got := hits.Count(request); got != tt.want {
				t.Errorf("%d hits, want %d", got, tt.want)
			}
		})
	}
}

// A packet that waits for ARP is counted once, keeps its identifier, and is traced
// when it goes on, also if the limit was reached meanwhile.
func TestTraceOverARP(t *testing.T) {
	n := benchNetwork(t, 1, 1, 0)
	router, request := topology.NamedID(topology.KindRouter, "r"), uuid.New()
	n.traced("c", router, request, 1, false, topology.Condition{})
	hits := new(Hits)
	n.Network = Compile(n.snap, hits)
	c := newTracer(n.state)
	if o := c.send(t, n, benchFrame, "w1"); o != NotYet || len(c.Generated()) != 1 {
		t.Fatalf("%v with %d generated frames, want NotYet with one", o, len(c.Generated()))
	}
	first, _ := c.Traced()
	want := Wait{Reason: ReasonNeighbour, Neighbour: Neighbour{router, 0x0a00010a}, Port: n.port(t, "r2")}
	if c.Waiting() != want {
		t.Errorf("waits for %v, want %v", c.Waiting(), want)
	}
	if next := newTracer(n.state); next.send(t, n, benchFrame, "w1") != NotYet || len(next.records) != 0 {
		t.Error("another packet was traced beyond the limit")
	}
	n.learned(t)
	c.records = nil
	c.Resume(n.Network, 1)
	if o := c.Run(); o != Forward {
		t.Fatalf("%v, want Forward", o)
	}
	if second, _ := c.Traced(); second != first || hits.Count(request) != 1 {
		t.Errorf("traced as %v with %d hits, want %v with 1", second, hits.Count(request), first)
	}
	if k := c.kinds(); len(k) < 3 || k[0] != EventRestart || k[1] != EventStart || k[len(k)-1] != EventResult {
		t.Errorf("records after ARP: %v", k)
	}
}

func TestTraceLimitIsExact(t *testing.T) {
	n := benchNetwork(t, 1, 1, 0)
	n.learned(t)
	request := uuid.New()
	const limit, workers, packets = 1000, 8, 500
	n.traced("c", topology.NamedID(topology.KindRouter, "r"), request, limit, false, topology.Condition{})
	hits := new(Hits)
	n.Network = Compile(n.snap, hits)
	w1 := n.port(t, "w1")
	var traced [workers]int
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			c := NewContext(n.state)
			for range packets {
				if c.Ingress(n.Network, benchFrame, w1, 0) != nil || c.Run() != Forward {
					return
				}
				if c.Runs() == 2 {
					traced[i]++
				}
			}
		})
	}
	wg.Wait()
	all := 0
	for _, n := range traced {
		all += n
	}
	if all != limit || hits.Count(request) != limit {
		t.Errorf("%d packets traced and %d counted, want %d", all, hits.Count(request), limit)
	}
	hits.Reset(request)
	if hits.Count(request) != 0 {
		t.Error("a reset leaves hits")
	}
}

// What devices make is not traced.
func TestGeneratedFramesAreNotTraced(t *testing.T) {
	n := benchNetwork(t, 1, 1, 0)
	b1 := n.snap.Bridges[topology.NamedID(topology.KindBridge, "b1")]
	b1.InboundFilter = topology.NamedID(topology.KindChain, "c")
	request := uuid.New()
	n.traced("c", b1.ID, request, 10, false, topology.Condition{})
	hits := new(Hits)
	n.Network = Compile(n.snap, hits)
	c := newTracer(n.state)
	frame := packet.AppendARPRequest(nil, testMAC(1), 0x0a000001, 0x0a00000a)
	if err := c.Egress(n.Network, frame, n.port(t, "r1"), 0); err != nil {
		t.Fatal(err)
	}
	if o := c.Run(); o != Forward || hits.Count(request) != 0 || len(c.records) != 0 {
		t.Errorf("%v with %d hits and %d records, want Forward without", o, hits.Count(request), len(c.records))
	}
	if o := c.send(t, n, benchFrame, "w1"); o != NotYet || hits.Count(request) != 1 {
		t.Errorf("a packet: %v with %d hits, want one", o, hits.Count(request))
	}
}

func TestNoAllocations(t *testing.T) {
	n := benchNetwork(t, 20, 1000, 0)
	n.learned(t)
	w1 := n.port(t, "w1")
	c := NewContext(n.state)
	buf := make([]byte, 0, 256)
	allocs := testing.AllocsPerRun(100, func() {
		if err := c.Ingress(n.Network, benchFrame, w1, 0); err != nil {
			t.Fatal(err)
		}
		if o := c.Run(); o != Forward {
			t.Fatal(o)
		}
		buf = c.AppendFrame(buf[:0], &c.Outputs()[0])
	})
	if allocs != 0 {
		t.Errorf("a simulation without records made %v allocations, want 0", allocs)
	}
}

// A packet that waits while its network changes goes on with the new one; without its
// port it ends.
func TestResumeOnAnotherNetwork(t *testing.T) {
	n := benchNetwork(t, 1, 1, 0)
	request := uuid.New()
	n.traced("c", topology.NamedID(topology.KindRouter, "r"), request, 1, false, topology.Condition{})
	n.Network = Compile(n.snap, nil)
	c := newTracer(n.state)
	if o := c.send(t, n, benchFrame, "w1"); o != NotYet {
		t.Fatalf("%v, want NotYet", o)
	}
	n.learned(t)
	c.Resume(Compile(n.snap, nil), 1)
	if o := c.Run(); o != Forward || !slices.Contains(c.Tags(), Tag{Kind: TagRequest, ID: request}) {
		t.Errorf("on a new network: %v with tags %v, want Forward and that of the request", o, c.Tags())
	}
	delete(n.snap.Ports, n.port(t, "w1"))
	for range 2 {
		c.Resume(Compile(n.snap, nil), 2)
		if o := c.Run(); o != ErrorDrop || c.Decided().Reason != ReasonPortGone {
			t.Errorf("without its port: %v, %v", o, c.Decided())
		}
	}
	n = benchNetwork(t, 1, 1, 0)
	delete(n.snap.Bridges, topology.NamedID(topology.KindBridge, "b1"))
	n.Network = Compile(n.snap, nil)
	if o := c.send(t, n, benchFrame, "w1"); o != ErrorDrop || c.Decided().Reason != ReasonDeviceGone {
		t.Errorf("without its bridge: %v, %v", o, c.Decided())
	}
}
