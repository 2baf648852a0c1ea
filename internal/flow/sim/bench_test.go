// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// network is a compiled document with a context for it.
type testNetwork struct {
	*Network
	doc   *topology.Document
	snap  *topology.Snapshot
	state *State
}

func compile(t testing.TB, text string) *testNetwork {
	t.Helper()
	d, err := topology.ReadDocument(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return &testNetwork{Compile(s, new(Hits)), d, s, NewState(nil)}
}

func (n *testNetwork) port(t testing.TB, name string) topology.ID {
	t.Helper()
	id, err := n.doc.Port(name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func testMAC(last byte) packet.MAC { return packet.MAC{2, 0, 0, 0, 0, last} }

// benchNetwork is bridge, router, bridge, with rules in the inbound filter of the
// router and routes beside the one that counts.
func benchNetwork(t testing.TB, rules, routes, others int) *testNetwork {
	var ruleText, routeText, bridges, ports strings.Builder
	for i := range rules {
		fmt.Fprintf(&ruleText, `{"type":"drop","condition":{"nwProto":6,"tpDst":{"start":%d,"end":%d}}},`, 1000+i, 1000+i)
	}
	for i := range routes {
		fmt.Fprintf(&routeText, `{"dst":"10.%d.%d.0/24","port":"r1"},`, 100+i/250, i%250)
	}
	for i := range others {
		fmt.Fprintf(&bridges, `,{"name":"o%d"}`, i)
		fmt.Fprintf(&ports, `,{"name":"p%d","device":"o%d","workload":{"mac":"02:00:00:01:00:01","address":"10.9.0.1"}}`, i, i)
	}
	return compile(t, `{
	"bridges":[{"name":"b1"},{"name":"b2"}`+bridges.String()+`],
	"routers":[{"name":"r","inboundFilter":"c","routes":[`+routeText.String()+`{"dst":"10.0.1.0/24","port":"r2"}]}],
	"ports":[
		{"name":"b1r","device":"b1","peer":"r1"},{"name":"r1","device":"r","mac":"02:00:00:00:00:01","address":"10.0.0.1/24"},
		{"name":"b2r","device":"b2","peer":"r2"},{"name":"r2","device":"r","mac":"02:00:00:00:00:02","address":"10.0.1.1/24"},
		{"name":"w1","device":"b1","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.0.10"}},
		{"name":"w2","device":"b2","workload":{"mac":"02:00:00:00:00:0b","address":"10.0.1.10"}}`+ports.String()+`],
	"chains":[{"name":"c","rules":[`+strings.TrimSuffix(ruleText.String(), ",")+`]}]}`)
}

// learned makes the addresses of the bench network known.
func (n *testNetwork) learned(t testing.TB) {
	for _, r := range n.doc.Routers {
		id := topology.NamedID(topology.KindRouter, r.Name)
		n.state.ARP.Store(Neighbour{id, 0x0a00010a}, testMAC(0xb), 0)
	}
	b2 := topology.NamedID(topology.KindBridge, "b2")
	n.state.MACs.Learn(Station{Bridge: b2, MAC: testMAC(0xb)}, n.port(t, "w2"), 0)
}

var benchFrame = packet.AppendTCP(nil, packet.Route{EthDst: testMAC(1), EthSrc: testMAC(0xa), Src: 0x0a00000a, Dst: 0x0a00010a}, 40000, 80, 2)

// cpuTime is what the process has run. On a machine that others use it says more than
// the clock.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportRate(b *testing.B, begin time.Duration) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(b.N)/(cpuTime(b)-begin).Seconds(), "packets/cpu-s")
}

func BenchmarkSimulate(b *testing.B) {
	for _, tt := range []struct{ rules, routes, others int }{{20, 1000, 0}, {20, 1000, 10000}, {20, 30000, 0}, {0, 1, 0}, {200, 1000, 0}} {
		b.Run(fmt.Sprintf("rules=%d/routes=%d/others=%d", tt.rules, tt.routes, tt.others), func(b *testing.B) {
			n := benchNetwork(b, tt.rules, tt.routes, tt.others)
			n.learned(b)
			c := NewContext(n.state)
			w1 := n.port(b, "w1")
			b.ReportAllocs()
			cpu := cpuTime(b)
			for b.Loop() {
				if err := c.Ingress(n.Network, benchFrame, w1, 0); err != nil {
					b.Fatal(err)
				}
				if o := c.Run(); o != Forward {
					b.Fatal(o)
				}
			}
			reportRate(b, cpu)
		})
	}
}

// keeper keeps records, as an agent that sends them would.
type keeper struct {
	records []Record
	json    []byte
}

func (k *keeper) Record(e *Event) {
	k.records = append(k.records, Record{Seq: len(k.records), Event: *e})
}

func BenchmarkSimulateTraced(b *testing.B) {
	for _, asJSON := range []bool{false, true} {
		b.Run(fmt.Sprintf("json=%v", asJSON), func(b *testing.B) {
			n := benchNetwork(b, 20, 1000, 0)
			n.learned(b)
			k := &keeper{}
			c := NewContext(n.state)
			c.Recorder, c.RecordAll, c.NewTraceID = k, true, uuid.New
			w1 := n.port(b, "w1")
			b.ReportAllocs()
			cpu := cpuTime(b)
			for b.Loop() {
				k.records, k.json = k.records[:0], k.json[:0]
				if err := c.Ingress(n.Network, benchFrame, w1, 0); err != nil {
					b.Fatal(err)
				}
				if o := c.Run(); o != Forward {
					b.Fatal(o)
				}
				if asJSON {
					for i := range k.records {
						k.json = k.records[i].AppendJSON(k.json, nil)
					}
				}
			}
			reportRate(b, cpu)
			b.ReportMetric(float64(len(k.records)), "records/packet")
		})
	}
}
