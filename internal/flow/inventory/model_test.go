// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store/bolt"
)

// testModel makes random changes. After each the tree is that of its objects, and what
// a deletion leaves is what the model of package topology says.
func testModel(s *stand) {
	steps, most := 0, 150
	if _, local := s.store.(*bolt.DB); !local {
		most = 40 // a server is slow
	}
	rapid.Check(s.T, func(rt *rapid.T) {
		if steps > most {
			return
		}
		for range rapid.IntRange(5, 15).Draw(rt, "steps") {
			steps++
			if err := s.randomStep(rt); err != nil {
				rt.Fatal(err)
			}
		}
		s.checkTree()
		if s.Failed() {
			rt.Fatal("see above")
		}
	})
}

// allowed returns no error for those that random steps may have.
func allowed(err error) error {
	for _, kind := range []error{nil, ErrConflict, ErrInUse, ErrInvalid} {
		if errors.Is(err, kind) {
			return nil
		}
	}
	return err
}

func pick[V any](rt *rapid.T, m map[topology.ID]V, label string) topology.ID {
	if len(m) == 0 {
		return topology.ID{}
	}
	return rapid.SampledFrom(sorted(m)).Draw(rt, label)
}

// randomStep makes one change.
func (s *stand) randomStep(rt *rapid.T) error {
	snap := s.load()
	bridge, router, port, chain, request := pick(rt, snap.Bridges, "bridge"), pick(rt, snap.Routers, "router"),
		pick(rt, snap.Ports, "port"), pick(rt, snap.Chains, "chain"), pick(rt, snap.Requests, "request")
	none := topology.ID{}
	if rapid.Bool().Draw(rt, "no filter") {
		chain = none
	}
	switch what := rapid.IntRange(0, 13).Draw(rt, "what"); {
	case what == 0 || bridge == none:
		s.newBridge()
	case what == 1 || router == none:
		s.newRouter()
	case what == 2 || port == none:
		s.newBridgePort(bridge)
		s.newRouterPort(router, "10.0.0.1/24")
	case what == 3:
		s.newRule(s.newChain().ID, 1)
	case what == 4:
		return allowed(s.Link(s.ctx, port, pick(rt, snap.Ports, "peer")))
	case what == 5:
		b := *snap.Bridges[bridge]
		b.InboundFilter, b.OutboundFilter = chain, pick(rt, snap.Chains, "outbound")
		return s.UpdateBridge(s.ctx, b)
	case what == 6:
		p := *snap.Ports[port]
		p.InboundFilter = chain
		return s.UpdatePort(s.ctx, p)
	case what == 7:
		q := topology.TraceRequest{DeviceType: topology.TraceBridge, Device: bridge, Enabled: rapid.Bool().Draw(rt, "enabled")}
		if rapid.Bool().Draw(rt, "of a port") {
			q.DeviceType, q.Device = topology.TracePort, port
		}
		_, err := s.CreateTrace(s.ctx, q)
		return err
	case what == 8 && request != none:
		return s.EnableTrace(s.ctx, request)
	case what == 9 && request != none:
		return s.DisableTrace(s.ctx, request)
	case what == 10 && request != none:
		return s.deleteLikeModel(snap, topology.KindRequest, request, s.DeleteTrace(s.ctx, request))
	case what == 11:
		return s.deleteLikeModel(snap, topology.KindPort, port, s.DeletePort(s.ctx, port))
	case what == 12:
		return s.deleteLikeModel(snap, topology.KindBridge, bridge, s.DeleteBridge(s.ctx, bridge))
	case what == 13 && chain != none:
		return s.deleteLikeModel(snap, topology.KindChain, chain, s.DeleteChain(s.ctx, chain))
	}
	return nil
}

// deleteLikeModel compares what a deletion left, by kind and number, with the model.
func (s *stand) deleteLikeModel(before *topology.Snapshot, k topology.Kind, id topology.ID, err error) error {
	if err != nil {
		return err
	}
	want, _, err := before.Delete(k, id)
	if err != nil {
		return err
	}
	got := s.load()
	for _, c := range []struct {
		kind      string
		got, want []topology.ID
	}{
		{"bridges", sorted(got.Bridges), sorted(want.Bridges)},
		{"routers", sorted(got.Routers), sorted(want.Routers)},
		{"ports", sorted(got.Ports), sorted(want.Ports)},
		{"routes", sorted(got.Routes), sorted(want.Routes)},
		{"requests", sorted(got.Requests), sorted(want.Requests)},
	} {
		if !slices.Equal(c.got, c.want) {
			s.Errorf("%s after deletion of %s %v: got %v, want %v", c.kind, k, id, c.got, c.want)
		}
	}
	for id, p := range got.Ports {
		if p.Peer != want.Ports[id].Peer {
			s.Errorf("peer of port %v: got %v, want %v", id, p.Peer, want.Ports[id].Peer)
		}
	}
	return nil
}
