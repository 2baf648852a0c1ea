// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/wait"
)

// sample returns a snapshot of a bridge, a router and hosts with n ports at the
// bridge.
func sample(n int) *topology.Snapshot {
	id := func(kind topology.Kind, name string) topology.ID { return topology.NamedID(kind, name) }
	bridge, router, chain, host, zone, group, addrs := id(topology.KindBridge, "b"), id(topology.KindRouter, "r"), id(topology.KindChain, "c"),
		id(topology.KindHost, "h"), id(topology.KindTunnelZone, "z"), id(topology.KindPortGroup, "g"), id(topology.KindAddrGroup, "a")
	up, down := id(topology.KindPort, "up"), id(topology.KindPort, "down")
	rule := &topology.Rule{ID: id(topology.KindRule, "c/1"), Chain: chain, Type: topology.DropRule}
	request := &topology.TraceRequest{ID: id(topology.KindRequest, "q"), DeviceType: topology.TraceRouter, Device: router, Limit: 3, Name: "q"}
	s := &topology.Snapshot{
		Bridges: map[topology.ID]*topology.Bridge{bridge: {ID: bridge, Name: "b", TenantID: "t1", AdminStateUp: true, InboundFilter: chain}},
		Routers: map[topology.ID]*topology.Router{router: {ID: router, Name: "r", TenantID: "t1", AdminStateUp: true}},
		Ports: map[topology.ID]*topology.Port{
			up: {ID: up, Type: topology.BridgePort, Device: bridge, AdminStateUp: true, Peer: down},
			down: {
				ID: down, Type: topology.RouterPort, Device: router, AdminStateUp: true, Peer: up,
				Network: netip.MustParsePrefix("10.0.0.0/24"), PortAddress: netip.MustParseAddr("10.0.0.1"), PortMAC: packet.MAC{2},
			},
		},
		Chains:      map[topology.ID]*topology.Chain{chain: {ID: chain, Name: "c", TenantID: "t1"}},
		Rules:       map[topology.ID][]*topology.Rule{chain: {rule}},
		Hosts:       map[topology.ID]*topology.Host{host: {ID: host, Name: "h"}},
		TunnelZones: map[topology.ID]*topology.TunnelZone{zone: {ID: zone, Name: "z", Type: "vxlan"}},
		Tunnels:     map[topology.ID]map[topology.ID]netip.Addr{zone: {host: netip.MustParseAddr("192.0.2.1")}},
		PortGroups:  map[topology.ID]*topology.PortGroup{group: {ID: group, Name: "g"}},
		GroupPorts:  map[topology.ID][]topology.ID{group: {up}},
		AddrGroups:  map[topology.ID]*topology.AddrGroup{addrs: {ID: addrs, Name: "a"}},
		GroupAddrs:  map[topology.ID][]netip.Addr{addrs: {netip.MustParseAddr("10.0.0.7")}},
		Requests:    map[topology.ID]*topology.TraceRequest{request.ID: request},
	}
	for i := range n {
		p := &topology.Port{ID: id(topology.KindPort, fmt.Sprint("p", i)), Type: topology.BridgePort, Device: bridge, AdminStateUp: true}
		p.Host, p.Interface = host, fmt.Sprint("tap", i)
		s.Ports[p.ID] = p
	}
	return s
}

// settled returns a snapshot with what an import adds: tunnel keys and Local routes.
func settled(s, imported *topology.Snapshot) map[string]string {
	c := s.Clone()
	for id, p := range s.Ports {
		q := *p
		if imported.Ports[id] != nil {
			q.TunnelKey = imported.Ports[id].TunnelKey
		}
		c.Ports[id] = &q
		if q.PortAddress.IsValid() {
			overlay(&c.Routes, map[topology.ID]*topology.Route{q.LocalRoute().ID: q.LocalRoute()})
		}
	}
	return written(c)
}

func testImport(s *stand) {
	doc := sample(5)
	other := s.newBridge()
	key := s.newBridgePort(other.ID).TunnelKey
	s.ok(s.Import(s.ctx, doc))
	s.checkTree()
	got := s.load()
	for id, p := range got.Ports {
		if p.TunnelKey == 0 || p.TunnelKey == key && p.Device != other.ID {
			s.Errorf("port %v has tunnel key %d", id, p.TunnelKey)
		}
	}
	ours := got.Clone()
	delete(ours.Bridges, other.ID)
	for id, p := range got.Ports {
		if p.Device == other.ID {
			delete(ours.Ports, id)
		}
	}
	if diff := cmp.Diff(settled(doc, got), written(ours)); diff != "" {
		s.Errorf("after an import (- wanted, + there):\n%s", diff)
	}
	s.unchanged("the same import again", func() { s.ok(s.Import(s.ctx, doc)) })

	// Another document of the same objects replaces them and what belongs to them.
	again := sample(3)
	up, down := topology.NamedID(topology.KindPort, "up"), topology.NamedID(topology.KindPort, "down")
	again.Ports[up].Peer, again.Ports[down].Peer = topology.ID{}, topology.ID{}
	again.Ports[down].PortAddress = netip.MustParseAddr("10.0.0.2")
	for id := range again.Bridges {
		again.Bridges[id].InboundFilter = topology.ID{}
	}
	again.Rules, again.GroupPorts, again.Tunnels = nil, nil, nil
	s.ok(s.Import(s.ctx, again))
	s.checkTree()
	snap := s.load()
	if len(snap.Rules)+len(snap.GroupPorts)+len(snap.Tunnels) > 0 || len(snap.Ports) != len(got.Ports) || snap.Ports[up].Interior() {
		s.Errorf("after the second import: %+v", snap)
	}
	if snap.Ports[up].TunnelKey != got.Ports[up].TunnelKey {
		s.Error("an import has changed the tunnel key of a port that was there")
	}

	for property, spoil := range map[string]func(*topology.Snapshot){
		"inboundFilterId": func(d *topology.Snapshot) { d.Chains = nil; d.Ports[up].InboundFilter = nowhere },
		"deviceId":        func(d *topology.Snapshot) { d.Ports[up].Device = nowhere },
		"peerId":          func(d *topology.Snapshot) { d.Ports[up].Peer = nowhere },
		"hosts": func(d *topology.Snapshot) {
			d.Tunnels[topology.NamedID(topology.KindTunnelZone, "z")][nowhere] = netip.Addr{}
		},
		"ports": func(d *topology.Snapshot) {
			d.GroupPorts[topology.NamedID(topology.KindPortGroup, "g")] = []topology.ID{nowhere}
		},
	} {
		bad := sample(1)
		spoil(bad)
		s.unchanged("an import that is refused", func() { s.wantProperty("import", s.Import(s.ctx, bad), property) })
	}
	taken := sample(0)
	taken.Ports[up].TunnelKey = key
	s.want("a tunnel key of another port", s.Import(s.ctx, taken), ErrConflict)
}

// testImportTraced: an import leaves traces of what it replaces enabled, with their
// rules first.
func testImportTraced(s *stand) {
	doc := sample(1)
	s.ok(s.Import(s.ctx, doc))
	bridge, router := topology.NamedID(topology.KindBridge, "b"), topology.NamedID(topology.KindRouter, "r")
	onChain := s.newTrace(bridge)
	s.ok(s.EnableTrace(s.ctx, onChain.ID))
	alone := must(s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TraceRouter, Device: router, Enabled: true}))(s)
	made := must(s.Router(s.ctx, router))(s).InboundFilter
	s.unchanged("the same import", func() { s.ok(s.Import(s.ctx, sample(1))) })
	s.wantEnabled(onChain.ID, topology.NamedID(topology.KindChain, "c"))
	s.wantEnabled(alone.ID, made)

	other := sample(1)
	other.Bridges[bridge].InboundFilter = topology.ID{}
	chain := topology.NamedID(topology.KindChain, "c")
	other.Routers[router].InboundFilter = chain
	s.ok(s.Import(s.ctx, other))
	s.checkTree()
	s.wantEnabled(alone.ID, chain)
	s.wantEnabled(onChain.ID, s.filterOf(bridge))
	if _, err := s.Chain(s.ctx, made); err == nil {
		s.Error("a chain that was made for traces is left without rules")
	}
}

// An import that is larger than a transaction comes in several.
func TestImportLarge(t *testing.T) {
	s := newStand(t, newBolt(t))
	doc := sample(3000)
	s.ok(s.Import(s.ctx, doc))
	got := s.load()
	if diff := cmp.Diff(settled(doc, got), written(got)); diff != "" {
		t.Errorf("after an import (- wanted, + there):\n%s", diff)
	}
	s.unchanged("the same import", func() { s.ok(s.Import(s.ctx, doc)) })
}

// An import makes objects that are not readable anew.
func TestImportMends(t *testing.T) {
	s := newStand(t, newBolt(t))
	s.ok(s.Import(s.ctx, sample(2)))
	bridge := topology.NamedID(topology.KindBridge, "b")
	must(s.raw().Set(s.ctx, s.paths.bridge(bridge), []byte("{"), store.AnyVersion))(s)
	s.ok(s.Import(s.ctx, sample(2)))
	s.equal("the bridge", must(s.Bridge(s.ctx, bridge))(s).Name, "b")
}

// An import does not make an object another tenant's, who would read what its requests
// have traced; one that names no tenant stays whose it is.
func TestImportKeepsOwners(t *testing.T) {
	st := newStand(t, newBolt(t))
	if err := st.Import(t.Context(), sample(2)); err != nil {
		t.Fatal(err)
	}
	bridge, port := topology.NamedID(topology.KindBridge, "b"), topology.NamedID(topology.KindPort, "p0")
	others := topology.ID{7}
	for name, change := range map[string]func(s *topology.Snapshot){
		"bridge": func(s *topology.Snapshot) { s.Bridges[bridge].TenantID = "t2" },
		"router": func(s *topology.Snapshot) { s.Routers[topology.NamedID(topology.KindRouter, "r")].TenantID = "t2" },
		"chain":  func(s *topology.Snapshot) { s.Chains[topology.NamedID(topology.KindChain, "c")].TenantID = "t2" },
		"port group": func(s *topology.Snapshot) {
			s.PortGroups[topology.NamedID(topology.KindPortGroup, "g")].TenantID = "t2"
		},
		"port": func(s *topology.Snapshot) {
			s.Bridges[others] = &topology.Bridge{ID: others, TenantID: "t2"}
			s.Ports[port].Device = others
		},
	} {
		s := sample(2)
		change(s)
		var bad *Error
		if err := st.Import(t.Context(), s); !errors.As(err, &bad) || bad.Object != name || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s of another tenant: got %v, want that the %s stays whose it is", name, err, name)
		}
		if _, err := st.Bridge(t.Context(), others); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: a part of it was imported: %v", name, err)
		}
	}
	s := sample(2)
	s.Bridges[bridge].TenantID, s.Bridges[bridge].Name = "", "renamed"
	if err := st.Import(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if b, err := st.Bridge(t.Context(), bridge); err != nil || b.TenantID != "t1" || b.Name != "renamed" {
		t.Errorf("one that names no tenant: %+v, %v", b, err)
	}
	if s.Bridges[bridge].TenantID != "" {
		t.Error("the caller's snapshot was changed")
	}
}

// An import and who makes a device at the same time do not both give it an id: the import
// waits for its turn, and looks again.
func TestImportTakesTurns(t *testing.T) {
	st := newBolt(t)
	s := newStand(t, st)
	id := topology.ID{5}
	for name, c := range map[string]struct {
		doc  *topology.Snapshot
		want error
	}{
		"another kind": {&topology.Snapshot{Bridges: map[topology.ID]*topology.Bridge{id: {ID: id, TenantID: "t1"}}}, ErrConflict},
		"the same":     {&topology.Snapshot{Routers: map[topology.ID]*topology.Router{id: {ID: id, TenantID: "t1"}}}, nil},
	} {
		leave := must(s.turns.enter(s.ctx, []any{id}))(s)
		result := make(chan error)
		go func() { result <- s.Import(s.ctx, c.doc) }() // ended by leave; the test receives below
		wait.Until(t, name+" waits for its turn", func() bool {
			s.turns.mu.Lock()
			defer s.turns.mu.Unlock()
			return s.turns.held[id].users == 2
		})
		other := s.another(st)
		must(other.CreateRouter(s.ctx, topology.Router{ID: id, TenantID: "t1"}))(s)
		leave()
		if err := <-result; !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		s.ok(other.DeleteRouter(s.ctx, id))
	}
	if len(s.turns.held) > 0 {
		t.Errorf("%d turns are left", len(s.turns.held))
	}
}

// What is exported is imported again without a change, also where objects share names and
// ports are plugged in nowhere.
func TestExportedIsImported(t *testing.T) {
	st := newStand(t, newBolt(t))
	ctx := t.Context()
	for range 2 {
		b, err := st.CreateBridge(ctx, topology.Bridge{Name: "lan", TenantID: "t1", AdminStateUp: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.CreatePort(ctx, topology.Port{Type: topology.BridgePort, Device: b.ID, AdminStateUp: true, VLAN: 5}); err != nil {
			t.Fatal(err)
		}
	}
	before, err := st.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := topology.NewDocument(before, before.PortNames(), nil).Write(&text); err != nil {
		t.Fatal(err)
	}
	d, err := topology.ReadDocument(&text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Ports {
		p.TunnelKey = 0 // as the interface does
	}
	if err := st.Import(ctx, s); err != nil {
		t.Fatal(err)
	}
	after, err := st.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.Bridges, after.Bridges); diff != "" {
		t.Errorf("bridges changed: %s", diff)
	}
	for id, p := range after.Ports {
		if old := before.Ports[id]; old == nil || old.VLAN != p.VLAN || old.Device != p.Device || old.TunnelKey != p.TunnelKey {
			t.Errorf("a port changed: %+v, want %+v", p, old)
		}
	}
}
