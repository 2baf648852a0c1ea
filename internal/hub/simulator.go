// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/weir-io/weir/internal/flow/dryrun"
	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// simulator makes dry runs on the networks as they are. It is safe for concurrent use.
type simulator struct {
	// Immutable after newSimulator.
	inventory *inventory.Inventory
	present   *inventory.Present

	mu sync.Mutex
	// Guarded by mu.
	snapshot *topology.Snapshot
	network  *sim.Network // of the snapshot
	hits     *sim.Hits    // of the network
	ports    map[topology.ID][]*topology.Port
}

func newSimulator(v *inventory.Inventory) *simulator {
	return &simulator{inventory: v, present: v.Present()}
}

// Close ends what the simulator has with the store.
func (s *simulator) Close() error { return s.present.Close() }

// Simulate runs a frame from a port through the networks, with what bridges have
// learned. Trace rules apply as if they had traced nothing yet.
func (s *simulator) Simulate(ctx context.Context, port topology.ID, frame []byte) (rest.Simulation, error) {
	snapshot, err := s.present.Snapshot(ctx)
	if err != nil {
		return rest.Simulation{}, err
	}
	s.mu.Lock()
	s.compileLocked(snapshot)
	bridges := s.reachedLocked(port)
	s.mu.Unlock()
	state, err := s.state(ctx, bridges)
	if err != nil {
		return rest.Simulation{}, err
	}
	step, err := s.run(snapshot, state, port, frame)
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

// compileLocked makes the network of a snapshot, unless it is there.
func (s *simulator) compileLocked(snapshot *topology.Snapshot) {
	if s.snapshot == snapshot {
		return
	}
	s.snapshot, s.hits, s.ports = snapshot, new(sim.Hits), make(map[topology.ID][]*topology.Port)
	s.network = sim.Compile(snapshot, s.hits)
	for _, p := range snapshot.Ports {
		s.ports[p.Device] = append(s.ports[p.Device], p)
	}
}

// run simulates one frame after the other: what trace rules have counted is forgotten
// between them.
func (s *simulator) run(snapshot *topology.Snapshot, state *sim.State, port topology.ID, frame []byte) (*dryrun.Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compileLocked(snapshot)
	for request := range snapshot.Requests {
		s.hits.Reset(request)
	}
	return dryrun.Simulate(s.network, state, port, frame)
}

// reachedLocked returns the bridges that frames from a port can come to, with the VLANs
// of their ports.
func (s *simulator) reachedLocked(port topology.ID) map[topology.ID]map[uint16]bool {
	bridges := make(map[topology.ID]map[uint16]bool)
	first := s.snapshot.Ports[port]
	if first == nil {
		return bridges
	}
	seen := map[topology.ID]bool{first.Device: true}
	for next := []topology.ID{first.Device}; len(next) > 0; next = next[1:] {
		vlans := map[uint16]bool{0: true}
		for _, p := range s.ports[next[0]] {
			vlans[p.VLAN] = true
			if peer := s.snapshot.Ports[p.Peer]; peer != nil && !seen[peer.Device] {
				seen[peer.Device] = true
				next = append(next, peer.Device)
			}
		}
		if s.snapshot.Bridges[next[0]] != nil {
			bridges[next[0]] = vlans
		}
	}
	return bridges
}

// state is the tables of bridges.
func (s *simulator) state(ctx context.Context, bridges map[topology.ID]map[uint16]bool) (*sim.State, error) {
	state := sim.NewState(nil)
	for bridge, of := range bridges {
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
