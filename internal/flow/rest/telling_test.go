// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/dryrun"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// transit is red's networks on both sides of blue's router, whose filter is a chain of
// red's that red's second router has, too: an administrator has made it so.
const transit = `{
	"bridges": [{"name": "near", "tenantId": "red"}, {"name": "far", "tenantId": "red"}],
	"routers": [
		{"name": "r1", "tenantId": "red", "routes": [{"dst": "10.3.0.0/16", "port": "r1-b", "gateway": "10.9.0.2"}]},
		{"name": "b", "tenantId": "blue", "inboundFilter": "both", "routes": [{"dst": "10.3.0.0/16", "port": "b-r2", "gateway": "10.9.1.2"}]},
		{"name": "r2", "tenantId": "red", "inboundFilter": "both", "routes": [{"dst": "10.3.0.0/24", "port": "r2-far"}]}
	],
	"ports": [
		{"name": "in", "device": "near", "host": "h1", "interface": "in0"},
		{"name": "near-r1", "device": "near"},
		{"name": "r1-near", "device": "r1", "mac": "02:00:00:00:01:01", "address": "10.1.0.1/24", "peer": "near-r1"},
		{"name": "r1-b", "device": "r1", "address": "10.9.0.1/30"},
		{"name": "b-r1", "device": "b", "address": "10.9.0.2/30", "peer": "r1-b"},
		{"name": "b-r2", "device": "b", "address": "10.9.1.1/30"},
		{"name": "r2-b", "device": "r2", "address": "10.9.1.2/30", "peer": "b-r2"},
		{"name": "r2-far", "device": "r2", "address": "10.3.0.1/24"},
		{"name": "far-r2", "device": "far", "peer": "r2-far"},
		{"name": "out", "device": "far", "host": "h1", "interface": "out0"}
	],
	"chains": [{"name": "both", "tenantId": "red", "rules": [
		{"type": "accept", "condition": {"nwProto": 1}}, {"type": "drop", "condition": {"nwProto": 17, "inPorts": ["r2-b"]}}]}]
}`

// station is who is asked for at the far end.
var (
	stationAddr = packet.IPv4(0x0a030009)
	stationMAC  = packet.MAC{2, 0, 0, 0, 3, 9}
)

// transitFixture simulates packets over the networks of transit.
type transitFixture struct {
	*fixture
	known bool // where the station is
}

func newTransit(t *testing.T) *transitFixture {
	f := &transitFixture{fixture: newFixture(t), known: true}
	f.want(http.StatusNoContent, root, "POST", "/topology", transit)
	f.server.opts.Simulator = f
	return f
}

// compile returns the networks as they are.
func (f *transitFixture) compile(ctx context.Context) (*sim.Network, *sim.State) {
	s, err := f.inventory.Load(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	state := sim.NewState(nil)
	if f.known {
		state.Hosts.Store(topology.NamedID(topology.KindBridge, "far"), stationAddr, stationMAC)
	}
	return sim.Compile(s, new(sim.Hits)), state
}

// Simulate implements Simulator.
func (f *transitFixture) Simulate(ctx context.Context, port topology.ID, frame []byte) (Simulation, error) {
	network, state := f.compile(ctx)
	step, err := dryrun.Simulate(network, state, port, frame)
	if err != nil {
		return Simulation{}, err
	}
	result := Simulation{Result: step.Result}
	for _, e := range step.Events {
		b, err := json.Marshal(e)
		if err != nil {
			return Simulation{}, err
		}
		result.Events = append(result.Events, b)
	}
	return result, nil
}

// events keeps records as an agent sends them.
type events []json.RawMessage

func (e *events) Record(s *sim.Event) {
	host := topology.NamedID(topology.KindHost, "h1")
	r := sim.Record{Seq: len(*e), Time: 1700000000000000000, Host: host, Role: "ingress", Event: *s}
	*e = append(*e, r.AppendJSON(nil, nil))
}

// live simulates a packet as an agent does: it waits until the station is known.
func (f *transitFixture) live(frame []byte) []json.RawMessage {
	f.t.Helper()
	f.known = false
	network, state := f.compile(f.t.Context())
	var kept events
	c := sim.NewContext(state)
	c.Recorder, c.NewTraceID = &kept, uuid.New
	if err := c.Ingress(network, frame, topology.NamedID(topology.KindPort, "in"), 0); err != nil {
		f.t.Fatal(err)
	}
	if c.Run() == sim.NotYet {
		state.Hosts.Store(topology.NamedID(topology.KindBridge, "far"), stationAddr, stationMAC)
		c.Resume(network, 0)
		c.Run()
	}
	return kept
}

// frames are one that gets through and one that a rule drops.
func frames() map[string][]byte {
	to := packet.Route{
		EthSrc: packet.MAC{2, 0, 0, 0, 1, 9}, EthDst: packet.MAC{2, 0, 0, 0, 1, 1},
		Src: packet.IPv4(0x0a010009), Dst: stationAddr,
	}
	return map[string][]byte{
		"through": packet.AppendTCP(nil, to, 1000, 80, 2),
		"dropped": packet.AppendUDP(nil, to, 1000, 80, nil),
	}
}

// requests enables requests for devices, and returns their ids.
func (f *transitFixture) requests(token string, devices ...string) (ids []string) {
	for _, d := range devices {
		kind, name, _ := strings.Cut(d, " ")
		id := f.trace(token, kind+"s/"+named(topology.Kind(kind), name))
		f.want(http.StatusNoContent, token, "PUT", "/traces/"+id+"/enabled", "")
		ids = append(ids, id)
	}
	return ids
}

// setups are the devices that red traces, and then blue.
var setups = []struct{ red, blue []string }{
	{nil, []string{"router b"}},
	{nil, []string{"router b", "port b-r1"}},
	{[]string{"bridge near"}, []string{"router b"}},
	{[]string{"router r2"}, []string{"router b"}},
	{[]string{"bridge far"}, []string{"port b-r1", "router b"}},
	{[]string{"router r1", "router r2"}, []string{"router b", "port b-r1"}},
	{[]string{"router r2", "port in", "bridge far"}, []string{"router b"}},
}

// difference shows where what is read with another's requests differs.
func difference(with, without string) string {
	at := 0
	for at < min(len(with), len(without)) && with[at] == without[at] {
		at++
	}
	around := func(s string) string { return s[max(0, at-200):min(len(s), at+300)] }
	return fmt.Sprintf("red reads\n…%s…\nwithout blue's requests\n…%s…", around(with), around(without))
}

// TestDryRunsTellNothingOfOthersRequests has blue trace at its router, which red's
// packets cross: red's dry runs read as before, to the byte.
func TestDryRunsTellNothingOfOthersRequests(t *testing.T) {
	for _, tt := range setups {
		for what, frame := range frames() {
			for _, known := range []bool{true, false} {
				f := newTransit(t)
				f.known = known
				f.requests(red, tt.red...)
				body := fmt.Sprintf(`{"port":"%s","frame":"%x"}`, named(topology.KindPort, "in"), frame)
				ask := func(token string) string {
					return f.want(http.StatusOK, token, "POST", "/simulations", body).body
				}
				before, whole := ask(red), ask(root)
				f.requests(blue, tt.blue...)
				if after := ask(red); after != before {
					t.Errorf("%v, %v, %s, known %v: %s", tt.red, tt.blue, what, known, difference(after, before))
				}
				if ask(root) == whole {
					t.Errorf("%v, %v, %s, known %v: blue's requests trace nothing", tt.red, tt.blue, what, known)
				}
			}
		}
	}
}

// TestEventsTellNothingOfOthersRequests has agents record such packets, which wait for
// ARP on their way, for red's requests with and without blue's.
func TestEventsTellNothingOfOthersRequests(t *testing.T) {
	for _, tt := range setups {
		if tt.red == nil {
			continue
		}
		for what, frame := range frames() {
			f := newTransit(t)
			ids := f.requests(red, tt.red...)
			flow, request := topology.ID{15: 1}, uuid.MustParse(ids[0])
			f.traces.flows = map[topology.ID][]Flow{request: {{ID: flow}}}
			read := func(events []json.RawMessage) []string {
				f.traces.events = map[topology.ID][]json.RawMessage{flow: events}
				var all []string
				for _, query := range []string{"", "?order=desc&limit=3", "?follow=true", "?follow=true&limit=4", "?until=1"} {
					all = append(all, f.want(http.StatusOK, red, "GET", "/traces/"+ids[0]+"/flows/"+flow.String()+"/events"+query, "").body)
				}
				return all
			}
			alone := f.live(frame)
			if len(alone) == 0 {
				continue // it does not come to what red traces
			}
			before := read(alone)
			f.requests(blue, tt.blue...)
			both := f.live(frame)
			if len(both) <= len(alone) {
				t.Errorf("%v, %v, %s: %d records with blue's requests, %d without: they trace nothing", tt.red, tt.blue, what, len(both), len(alone))
			}
			if after := read(both); !slices.Equal(after, before) {
				t.Errorf("%v, %v, %s: %s", tt.red, tt.blue, what, difference(strings.Join(after, "\n"), strings.Join(before, "\n")))
			}
			cut := func(events []json.RawMessage) []json.RawMessage {
				from := slices.IndexFunc(events, func(e json.RawMessage) bool { return strings.Contains(string(e), ids[0]) })
				return events[max(from, 0):]
			}
			if after, before := read(cut(both)), read(cut(alone)); !slices.Equal(after, before) {
				t.Errorf("%v, %v, %s: kept from when red's request took it: %s", tt.red, tt.blue, what, difference(strings.Join(after, "\n"), strings.Join(before, "\n")))
			}
			if !strings.Contains(before[0], `"result"`) || !strings.Contains(before[0], ids[0]) || !strings.Contains(before[2], `"result"`) {
				t.Errorf("%v, %s: red reads no request of its own, or no end: %s", tt.red, what, before)
			}
		}
	}
}

// TestPositionsDoNotCountOthersRules enables blue's request in red's chain: red sees its
// rules where they were, and puts one where it sees the place.
func TestPositionsDoNotCountOthersRules(t *testing.T) {
	f := newTransit(t)
	at := "/chains/" + named(topology.KindChain, "both") + "/rules"
	read := func(token string) string {
		list := f.want(http.StatusOK, token, "GET", at, "")
		all := list.body
		for _, r := range list.array(t) {
			all += "\n" + f.want(http.StatusOK, token, "GET", "/rules/"+r["id"].(string), "").body
		}
		return all + "\n" + f.want(http.StatusBadRequest, token, "POST", at, `{"type":"drop","position":9}`).body
	}
	before, whole := read(red), read(root)
	f.requests(blue, "router b", "port b-r1")
	if after := read(red); after != before {
		t.Errorf("red reads\n%s\nwithout blue's requests\n%s", after, before)
	}
	if read(root) == whole {
		t.Error("an administrator sees no rule of blue's request")
	}
	f.want(http.StatusBadRequest, red, "POST", at, `{"type":"drop","position":4}`)
	second := f.want(http.StatusCreated, red, "POST", at, `{"type":"return","position":2}`).header.Get("Location")
	last := f.want(http.StatusCreated, red, "POST", at, `{"type":"reject","position":4}`).header.Get("Location")
	var types []string
	for i, r := range f.want(http.StatusOK, red, "GET", at, "").array(t) {
		types = append(types, r["type"].(string))
		if r["position"] != float64(i+1) || i == 1 && r["uri"] != second || i == 3 && r["uri"] != last {
			t.Errorf("rule %d: %v", i+1, r)
		}
	}
	if want := []string{"accept", "return", "drop", "reject"}; !slices.Equal(types, want) {
		t.Errorf("rules %v, want %v", types, want)
	}
	for i, r := range f.want(http.StatusOK, root, "GET", at, "").array(t) {
		if trace := r["type"] == "trace"; trace != (i == 0) || r["position"] != float64(i+1) {
			t.Errorf("an administrator reads as rule %d: %v", i+1, r)
		}
	}
}

// TestTenantsSeeTheEndOfLongFlows reads what comes behind as many events as are listed at
// most.
func TestTenantsSeeTheEndOfLongFlows(t *testing.T) {
	f := newFixture(t)
	id, flow := f.trace(red, "bridges/"+redLAN), topology.ID{15: 1}
	request, _ := topology.ParseID(id)
	f.traces.flows = map[topology.ID][]Flow{request: {{ID: flow}}}
	const n = maxLimit + 5
	events := make([]json.RawMessage, n)
	for i := range events {
		events[i] = json.RawMessage(fmt.Sprintf(`{"seq":%d,"time":%d,"host":%q,"role":"egress","run":1,"kind":"note","device":%q}`, i, i*1000000, host1, redLAN))
	}
	f.traces.events = map[topology.ID][]json.RawMessage{flow: events}
	at := "/traces/" + id + "/flows/" + flow.String() + "/events"
	for query, want := range map[string][]int{
		"?order=desc&limit=2":                          {n - 1, n - 2},
		fmt.Sprintf("?since=%d", n-3):                  {n - 3, n - 2, n - 1},
		fmt.Sprintf("?since=%d&limit=1", n-3):          {n - 3},
		fmt.Sprintf("?until=%d&order=desc&limit=1", 2): {1},
	} {
		var got []int
		for _, e := range f.want(http.StatusOK, red, "GET", at+query, "").array(t) {
			seq, _ := e["seq"].(float64)
			got = append(got, int(seq))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: events %v, want %v", query, got, want)
		}
	}
	if got := f.want(http.StatusOK, red, "GET", at, "").array(t); len(got) != defaultLimit {
		t.Errorf("%d events without a limit, want %d", len(got), defaultLimit)
	}
}
