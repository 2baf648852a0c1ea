// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// memoryTraces is a trace store and a simulator that a test fills.
type memoryTraces struct {
	flows  map[topology.ID][]Flow // of a request
	events map[topology.ID][]json.RawMessage
	more   func() // called when what is there has been followed
	cut    error  // that ends those who follow flows
	asked  []Select
	result Simulation
	kept   []record.Record
	status map[topology.ID][]HostStatus // of a request, beside that of h1
}

func (m *memoryTraces) Append(_ context.Context, records []record.Record) error {
	m.kept = append(m.kept, records...)
	return nil
}

func (m *memoryTraces) SetStatus(_ context.Context, request topology.ID, s HostStatus) error {
	if m.status == nil {
		m.status = make(map[topology.ID][]HostStatus)
	}
	m.status[request] = append(m.status[request], s)
	return nil
}

func (m *memoryTraces) ResetStatus(_ context.Context, request topology.ID) error {
	delete(m.status, request)
	return nil
}

func (m *memoryTraces) Lost(_ context.Context, request topology.ID) (uint64, error) {
	return uint64(len(m.flows[request])), nil // as many as there are, for the tests
}

func (m *memoryTraces) Flows(_ context.Context, request topology.ID, s Select) ([]Flow, error) {
	m.asked = append(m.asked, s)
	return m.flows[request], nil
}

func (m *memoryTraces) Flow(_ context.Context, request, flow topology.ID) (Flow, error) {
	i := slices.IndexFunc(m.flows[request], func(f Flow) bool { return f.ID == flow })
	if i < 0 {
		return Flow{}, &inventory.Error{Object: "flow", ID: flow, Err: inventory.ErrNotFound}
	}
	return m.flows[request][i], nil
}

func (m *memoryTraces) Events(_ context.Context, _, flow topology.ID, s Select) ([]json.RawMessage, error) {
	m.asked = append(m.asked, s)
	events := slices.Clone(m.events[flow])
	if s.Descending {
		slices.Reverse(events)
	}
	if !s.Unbounded && len(events) > maxLimit {
		events = events[:maxLimit]
	}
	return events, nil
}

func (m *memoryTraces) FollowFlows(_ context.Context, request topology.ID, _ Select) iter.Seq2[Flow, error] {
	return func(yield func(Flow, error) bool) {
		for _, f := range m.flows[request] {
			if !yield(f, nil) {
				return
			}
		}
		if m.cut != nil {
			yield(Flow{}, m.cut)
			return
		}
		m.followed()
	}
}

func (m *memoryTraces) FollowEvents(_ context.Context, _, flow topology.ID, _ Select) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, e := range m.events[flow] {
			if !yield(e, nil) {
				return
			}
		}
		m.followed()
	}
}

func (m *memoryTraces) Delete(_ context.Context, request topology.ID) error {
	delete(m.flows, request)
	return nil
}

func (m *memoryTraces) followed() {
	if m.more != nil {
		m.more()
	}
}

func (m *memoryTraces) Status(context.Context, topology.ID) ([]HostStatus, error) {
	return []HostStatus{{Host: topology.NamedID(topology.KindHost, "h1"), Hits: 3, LimitReached: true}}, nil
}

func (m *memoryTraces) Simulate(context.Context, topology.ID, []byte) (Simulation, error) {
	if m.result.Result == "panic" {
		panic("a fault of the simulator")
	}
	return m.result, nil
}
