// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// dangling returns what refers to objects that are not there, conditions and jumps
// apart: those may.
func dangling(s *Snapshot) (bad []string) {
	check := func(what string, kind Kind, id ID) {
		if id != (ID{}) && !s.has(kind, id) {
			bad = append(bad, what+" names "+string(kind)+" "+id.String())
		}
	}
	for _, b := range s.Bridges {
		check("bridge", KindChain, b.InboundFilter)
		check("bridge", KindChain, b.OutboundFilter)
	}
	for _, r := range s.Routers {
		check("router", KindChain, r.InboundFilter)
		check("router", KindChain, r.OutboundFilter)
	}
	for _, p := range s.Ports {
		check("port", KindChain, p.InboundFilter)
		check("port", KindChain, p.OutboundFilter)
		check("port", KindPort, p.Peer)
		check("port", KindHost, p.Host)
		if _, ok := s.Tenant(p.ID); !ok {
			bad = append(bad, "port without a device")
		}
	}
	for _, r := range s.Routes {
		check("route", KindRouter, r.Router)
		check("route", KindPort, r.NextHopPort)
	}
	for chain, rules := range s.Rules {
		for _, r := range rules {
			check("rule", KindChain, chain)
			if r.Type == TraceRule {
				check("trace rule", KindRequest, r.Request)
			}
		}
	}
	for group, ports := range s.GroupPorts {
		check("member", KindPortGroup, group)
		for _, p := range ports {
			check("port group", KindPort, p)
		}
	}
	for zone, hosts := range s.Tunnels {
		check("tunnel", KindTunnelZone, zone)
		for host := range hosts {
			check("tunnel zone", KindHost, host)
		}
	}
	for _, t := range s.Requests {
		if _, ok := s.Tenant(t.Device); !ok {
			bad = append(bad, "request for a device that is gone")
		}
	}
	return bad
}

// traced returns the two tenants' topology with two enabled trace requests: one in a
// filter of its own on bridge web, one in the chain db-in of bridge db.
func traced(t testing.TB) (*Document, *Snapshot) {
	d, s := twoTenants(t)
	for i, b := range s.Bridges {
		if b.Name == "blue-lan" {
			continue
		}
		request := &TraceRequest{
			ID: NamedID(KindRequest, b.Name), DeviceType: TraceBridge, Device: i, Limit: 1,
			Enabled: true, EnabledRule: NamedID(KindRule, b.Name),
		}
		s.Requests[request.ID] = request
		chain := b.InboundFilter
		if chain == (ID{}) {
			chain = NamedID(KindChain, request.ID.String())
			s.Chains[chain] = &Chain{ID: chain, Name: TraceChainPrefix + request.ID.String()}
			b.InboundFilter = chain
		}
		s.Rules[chain] = slices.Insert(s.Rules[chain], 0, &Rule{
			ID: request.EnabledRule, Chain: chain, Type: TraceRule, Request: request.ID, Device: i, Limit: 1,
		})
	}
	return d, s
}

// all returns every object.
func all(s *Snapshot) (refs []Ref) {
	for id := range s.Bridges {
		refs = append(refs, Ref{KindBridge, id})
	}
	for id := range s.Routers {
		refs = append(refs, Ref{KindRouter, id})
	}
	for id := range s.Ports {
		refs = append(refs, Ref{KindPort, id})
	}
	for id := range s.Routes {
		refs = append(refs, Ref{KindRoute, id})
	}
	for id := range s.Chains {
		refs = append(refs, Ref{KindChain, id})
	}
	for _, rules := range s.Rules {
		for _, r := range rules {
			if r.Type != TraceRule { // by hand, not by a user
				refs = append(refs, Ref{KindRule, r.ID})
			}
		}
	}
	for id := range s.PortGroups {
		refs = append(refs, Ref{KindPortGroup, id})
	}
	for id := range s.AddrGroups {
		refs = append(refs, Ref{KindAddrGroup, id})
	}
	for id := range s.Hosts {
		refs = append(refs, Ref{KindHost, id})
	}
	for id := range s.TunnelZones {
		refs = append(refs, Ref{KindTunnelZone, id})
	}
	for id := range s.Requests {
		refs = append(refs, Ref{KindRequest, id})
	}
	slices.SortFunc(refs, func(a, b Ref) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return refs
}

// TestDeleteLeavesNothingDangling deletes objects in any order.
func TestDeleteLeavesNothingDangling(t *testing.T) {
	_, first := traced(t)
	if bad := dangling(first); len(bad) > 0 {
		t.Fatalf("before: %q", bad)
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := first
		for refs := all(s); len(refs) > 0; refs = all(s) {
			ref := rapid.SampledFrom(refs).Draw(rt, "object")
			next, d, err := s.Delete(ref.Kind, ref.ID)
			if errors.Is(err, ErrTaken) && ref.Kind == KindHost {
				continue
			}
			if err != nil {
				rt.Fatalf("delete %v: %v", ref, err)
			}
			if last := d.Removed[len(d.Removed)-1]; last != ref {
				rt.Errorf("delete %v says that it removed %v last", ref, last)
			}
			if bad := dangling(next); len(bad) > 0 {
				rt.Fatalf("after the deletion of %v: %q", ref, bad)
			}
			for _, gone := range d.Removed {
				if next.has(gone.Kind, gone.ID) || !s.has(gone.Kind, gone.ID) {
					rt.Errorf("delete %v says that it removed %v", ref, gone)
				}
			}
			s = next
		}
	})
	if len(all(first)) == 0 {
		t.Error("deletions changed the snapshot that they began with")
	}
}

func TestDeletePortUnplugsItsPeer(t *testing.T) {
	d, s := traced(t)
	edge, _ := d.Port("edge-web")
	web, _ := d.Port("web-edge")
	next, del, err := s.Delete(KindPort, edge)
	if err != nil {
		t.Fatal(err)
	}
	if p := next.Ports[web]; p.Peer != (ID{}) || p.Interior() || s.Ports[web].Peer != edge {
		t.Errorf("peer of web-edge = %v, and in the old snapshot %v", p.Peer, s.Ports[web].Peer)
	}
	if !slices.Equal(del.Unlinked, []ID{web}) {
		t.Errorf("Unlinked = %v, want web-edge", del.Unlinked)
	}
	for _, r := range next.Routes {
		if r.NextHopPort == edge {
			t.Errorf("route %+v of the port is still there", r)
		}
	}
}

func TestDeleteRequestTakesItsRule(t *testing.T) {
	_, s := traced(t)
	for id, request := range maps.Clone(s.Requests) {
		next, _, err := s.Delete(KindRequest, id)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := next.Rule(request.EnabledRule); ok {
			t.Error("the trace rule is still there")
		}
		b := next.Bridges[request.Device]
		if own := b.Name == "web"; own != (b.InboundFilter == ID{}) {
			t.Errorf("bridge %s has the filter %v", b.Name, b.InboundFilter)
		}
	}
}

func TestDeleteOfWhatIsNotThere(t *testing.T) {
	_, s := traced(t)
	for _, kind := range []Kind{
		KindBridge, KindRouter, KindPort, KindRoute, KindChain, KindRule, KindPortGroup,
		KindAddrGroup, KindHost, KindTunnelZone, KindRequest, "x",
	} {
		if _, _, err := s.Delete(kind, ID{7}); !errors.Is(err, ErrAbsent) {
			t.Errorf("delete of a %s that is not there: %v, want ErrAbsent", kind, err)
		}
	}
}

func TestCheckLink(t *testing.T) {
	d, s := traced(t)
	port := func(name string) *Port {
		id, err := d.Port(name)
		if err != nil {
			t.Fatal(err)
		}
		return s.Ports[id]
	}
	free := func(device, kind string, vlan uint16) *Port {
		p := &Port{ID: NamedID(KindPort, device, kind), Device: NamedID(KindBridge, device), Type: PortType(kind), VLAN: vlan}
		return p
	}
	for _, tt := range []struct {
		name  string
		a, b  *Port
		taken bool
		good  bool
	}{
		{"bridge and router", free("web", "Bridge", 0), free("x", "Router", 0), false, true},
		{"two routers", free("y", "Router", 0), free("x", "Router", 0), false, true},
		{"two bridges, one VLAN", free("web", "Bridge", 3), free("x", "Bridge", 0), false, true},
		{"two bridges", free("web", "Bridge", 0), free("x", "Bridge", 0), false, false},
		{"two bridges, two VLANs", free("web", "Bridge", 3), free("x", "Bridge", 3), false, false},
		{"itself", port("spare"), port("spare"), false, false},
		{"linked", port("web-edge"), free("x", "Router", 0), true, false},
		{"bound", free("x", "Router", 0), port("w1"), true, false},
		{"VLAN in use", free("blue-lan", "Bridge", 7), free("x", "Router", 0), true, false},
	} {
		err := s.CheckLink(tt.a, tt.b)
		if (err == nil) != tt.good || errors.Is(err, ErrTaken) != tt.taken {
			t.Errorf("%s: CheckLink = %v, want good %v, taken %v", tt.name, err, tt.good, tt.taken)
		}
	}
}
