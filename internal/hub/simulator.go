// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"

	"github.com/weir-io/weir/internal/flow/dryrun"
	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// simulator makes dry runs on the networks as they are.
type simulator struct {
	inventory *inventory.Inventory
}

// Simulate runs a frame from a port through the networks, with what bridges have
// learned. Trace rules apply as if they had traced nothing yet.
func (s *simulator) Simulate(ctx context.Context, port topology.ID, frame []byte) (rest.Simulation, error) {
	snapshot, err := s.inventory.Load(ctx)
	if err != nil {
		return rest.Simulation{}, err
	}
	state, err := s.state(ctx, snapshot)
	if err != nil {
		return rest.Simulation{}, err
	}
	step, err := dryrun.Simulate(sim.Compile(snapshot, new(sim.Hits)), state, port, frame)
	if err != nil {
		return rest.Simulation{}, &rest.Fault{
			Status: 400, Message: "Validation error(s) found", Violations: []topology.Violation{{Property: "frame", Message: err.Error()}},
		}
	}
	result := rest.Simulation{Result: step.Result}
	for _, e := range step.Events {
		b, err := json.Marshal(e)
		if err != nil {
			return rest.Simulation{}, err
		}
		result.Events = append(result.Events, b)
	}
	return result, nil
}

// state is the tables of all bridges.
func (s *simulator) state(ctx context.Context, snapshot *topology.Snapshot) (*sim.State, error) {
	state := sim.NewState(nil)
	vlans := make(map[topology.ID]map[uint16]bool)
	for id := range snapshot.Bridges {
		vlans[id] = map[uint16]bool{0: true}
	}
	for _, p := range snapshot.Ports {
		if of := vlans[p.Device]; of != nil {
			of[p.VLAN] = true
		}
	}
	for bridge, of := range vlans {
		for vlan := range of {
			stations, err := s.inventory.MACTable(ctx, bridge, vlan)
			if err != nil {
				return nil, err
			}
			for _, e := range stations {
				state.MACs.Learn(sim.Station{Bridge: bridge, MAC: e.MAC, VLAN: vlan}, e.Port, 0)
			}
		}
		known, err := s.inventory.ARPTable(ctx, bridge)
		if err != nil {
			return nil, err
		}
		for _, e := range known {
			state.Hosts.Store(bridge, packet.FromAddr(e.Addr), e.MAC)
		}
	}
	return state, nil
}
