// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"encoding/hex"
	"encoding/json"

	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Results of packets that wait for something when the step ends. The others are those
// of sim.Outcome.
const (
	NeedsARP = "needs-arp" // nobody answers for the next hop
	NeedsNAT = "needs-nat" // no port for a translation
)

// Step is what became of a frame.
type Step struct {
	Delivered     []Delivery     `json:"delivered"`
	Hops          []Hop          `json:"hops"`
	FilterReached map[string]int `json:"filterReached"`
	Result        string         `json:"result"`
	Events        []Record       `json:"events"`

	Outcome sim.Outcome  `json:"-"`
	Decided sim.Decision `json:"-"`
	Wait    sim.Wait     `json:"-"` // of Outcome NotYet
}

// Delivery is a frame that left by an exterior port.
type Delivery struct {
	Port      string `json:"port"`
	Frame     Frame  `json:"hex"`
	Generated bool   `json:"generated"` // by a device

	ID topology.ID `json:"-"` // of the port
}

// Frame is the bytes of a frame. Its text is hexadecimal.
type Frame []byte

// MarshalText returns the frame in hexadecimal.
func (f Frame) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, f), nil }

// Hop is a port that the frame passed.
type Hop struct {
	Port string `json:"port"`
	Dir  string `json:"dir"` // in or out of the device
}

// Record is a step of the simulation, with the names of objects.
type Record struct {
	sim.Record
	names *Names
}

// MarshalJSON returns the record as sim.Record does, with names in place of IDs.
func (r Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil, r.names.Of), nil }

var _ json.Marshaler = Record{}

// Names is what objects are called.
type Names struct{ of map[topology.ID]string }

// Of returns the name of an object, and its ID if it has none.
func (n *Names) Of(id topology.ID) string {
	if name, ok := n.of[id]; ok {
		return name
	}
	return id.String()
}

// stage is what the filters of a device or port are called.
func (n *Names) stage(s sim.Stage) string {
	if s.Port {
		return "port:" + n.Of(s.Owner)
	}
	return "device:" + n.Of(s.Owner)
}

// recorder keeps the records of the last run of a frame.
type recorder struct {
	names   *Names
	dry     bool
	records []Record
	hops    []Hop
	reached map[string]int
}

func newRecorder(n *Names, dry bool) *recorder {
	return &recorder{names: n, dry: dry, reached: map[string]int{}}
}

// Record implements sim.Recorder. Records of all runs are kept, hops and filters of
// the last one.
func (r *recorder) Record(e *sim.Event) {
	r.records = append(r.records, Record{sim.Record{Seq: len(r.records), Role: "ingress", Dry: r.dry, Event: *e}, r.names})
	switch e.Kind {
	case sim.EventStart:
		r.hops = r.hops[:0]
		clear(r.reached)
	case sim.EventPortIn:
		r.hops = append(r.hops, Hop{r.names.Of(e.Port), "in"})
	case sim.EventPortOut:
		r.hops = append(r.hops, Hop{r.names.Of(e.Port), "out"})
	}
}

// Reached implements sim.FilterObserver.
func (r *recorder) Reached(s sim.Stage) { r.reached[r.names.stage(s)]++ }
