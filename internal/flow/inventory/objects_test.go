// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// nowhere is the id of nothing.
var nowhere = topology.ID{0xff}

func testDevices(s *stand) {
	b := s.newBridge()
	s.equal("the bridge", must(s.Bridge(s.ctx, b.ID))(s), b)
	_, err := s.CreateBridge(s.ctx, b)
	s.want("create a bridge twice", err, ErrExists)
	_, err = s.CreateBridge(s.ctx, topology.Bridge{Name: strings.Repeat("n", 256)})
	s.wantProperty("a name that is too long", err, "name")
	_, err = s.CreateBridge(s.ctx, topology.Bridge{InboundFilter: nowhere})
	s.wantProperty("a filter that is not there", err, "inboundFilterId")
	_, err = s.CreateRouter(s.ctx, topology.Router{OutboundFilter: nowhere})
	s.wantProperty("a filter that is not there", err, "outboundFilterId")
	s.want("update what is not there", s.UpdateBridge(s.ctx, topology.Bridge{ID: nowhere}), ErrNotFound)
	s.want("delete what is not there", s.DeleteRouter(s.ctx, nowhere), ErrNotFound)
	_, err = s.Router(s.ctx, b.ID)
	s.want("a router with the id of a bridge", err, ErrNotFound)

	b.Name, b.AdminStateUp = "other", false
	s.ok(s.UpdateBridge(s.ctx, b))
	s.equal("the bridge after an update", must(s.Bridges(s.ctx))(s), []topology.Bridge{b})
	s.unchanged("an update to what is there", func() { s.ok(s.UpdateBridge(s.ctx, b)) })
	moved := b
	moved.TenantID = "t2"
	s.wantProperty("another tenant", s.UpdateBridge(s.ctx, moved), "tenantId")

	r := s.newRouter()
	for range 3 {
		s.newBridgePort(b.ID)
		s.newRouterPort(r.ID, "10.0.0.1/24")
	}
	r.Name = "other"
	s.ok(s.UpdateRouter(s.ctx, r))
	s.checkTree()
	for device, d := range map[topology.DeviceType]topology.ID{topology.TraceBridge: b.ID, topology.TraceRouter: r.ID, topology.TracePort: must(s.DevicePorts(s.ctx, r.ID))(s)[0].ID} {
		if tenant, err := s.TenantOf(s.ctx, device, d); tenant != "t1" || err != nil {
			s.Errorf("tenant of %s: got %q, %v", device, tenant, err)
		}
	}
	s.ok(s.DeleteRouter(s.ctx, r.ID))
	s.ok(s.DeleteBridge(s.ctx, b.ID))
	if snap := s.load(); len(snap.Bridges)+len(snap.Routers)+len(snap.Ports)+len(snap.Routes) > 0 {
		s.Errorf("after the devices: got %+v", snap)
	}
}

func testPorts(s *stand) {
	b, r := s.newBridge(), s.newRouter()
	keys := make(map[uint32]bool)
	for range 5 {
		p := s.newBridgePort(b.ID)
		if p.TunnelKey < 1 || p.TunnelKey > topology.MaxTunnelKey || keys[p.TunnelKey] {
			s.Errorf("tunnel key %d after %v", p.TunnelKey, keys)
		}
		keys[p.TunnelKey] = true
		data, _, err := s.raw().Get(s.ctx, s.paths.tunnelKey(p.TunnelKey), nil)
		if err != nil || string(data) != `"`+p.ID.String()+`"` {
			s.Errorf("node of tunnel key %d: got %s, %v, want port %v", p.TunnelKey, data, err, p.ID)
		}
	}
	p := s.newRouterPort(r.ID, "10.1.0.1/16")
	if p.PortMAC.IsZero() || p.PortMAC.IsGroup() || p.PortMAC[0]&2 == 0 {
		s.Errorf("MAC %v, want one of a single station, locally administered", p.PortMAC)
	}
	local := func(address string) {
		s.Helper()
		routes := must(s.Routes(s.ctx, r.ID))(s)
		if len(routes) != 1 || routes[0].Type != topology.LocalRoute || routes[0].Dst.String() != address || routes[0].NextHopPort != p.ID || routes[0].Weight != 0 {
			s.Errorf("routes: got %+v, want the Local one to %s", routes, address)
		}
	}
	local("10.1.0.1/32")
	change := p
	change.PortAddress, change.PortMAC, change.TunnelKey = netip.MustParseAddr("10.1.0.2"), packet.MAC{}, 0
	s.ok(s.UpdatePort(s.ctx, change))
	local("10.1.0.2/32")
	if got := must(s.Port(s.ctx, p.ID))(s); got.PortMAC != p.PortMAC || got.TunnelKey != p.TunnelKey {
		s.Errorf("after an update without: MAC %v, key %d, want %v, %d", got.PortMAC, got.TunnelKey, p.PortMAC, p.TunnelKey)
	}
	change.Device = b.ID
	s.wantProperty("another device", s.UpdatePort(s.ctx, change), "deviceId")

	for _, c := range []struct {
		name     string
		port     topology.Port
		property string
	}{
		{"no type", topology.Port{Device: b.ID}, "type"},
		{"made linked", topology.Port{Type: topology.BridgePort, Device: b.ID, Peer: p.ID}, "type"},
		{"an address outside of the network", topology.Port{
			Type: topology.RouterPort, Device: r.ID, Network: netip.MustParsePrefix("10.0.0.0/8"), PortAddress: netip.MustParseAddr("11.0.0.1"),
		}, "portAddress"},
		{"no such filter", topology.Port{Type: topology.BridgePort, Device: b.ID, InboundFilter: nowhere}, "inboundFilterId"},
	} {
		_, err := s.CreatePort(s.ctx, c.port)
		s.wantProperty(c.name, err, c.property)
	}
	_, err := s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: r.ID})
	s.want("a bridge port of a router", err, ErrNotFound)
	_, err = s.CreatePort(s.ctx, p)
	s.want("a port twice", err, ErrExists)
	s.ok(s.DeletePort(s.ctx, p.ID))
	s.want("delete twice", s.DeletePort(s.ctx, p.ID), ErrNotFound)
	if routes := must(s.Routes(s.ctx, r.ID))(s); len(routes) != 0 {
		s.Errorf("after the port: routes %+v", routes)
	}
}

func testLinks(s *stand) {
	b1, b2, r := s.newBridge(), s.newBridge(), s.newRouter()
	plain, other, router := s.newBridgePort(b1.ID), s.newBridgePort(b2.ID), s.newRouterPort(r.ID, "10.0.0.1/24")
	vlan := must(s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: b1.ID, VLAN: 7}))(s)
	vlan2 := must(s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: b1.ID, VLAN: 7}))(s)
	s.wantProperty("two bridges without a VLAN", s.Link(s.ctx, plain.ID, other.ID), "peerId")
	s.wantProperty("a port with itself", s.Link(s.ctx, plain.ID, plain.ID), "peerId")
	s.want("no such peer", s.Link(s.ctx, plain.ID, nowhere), ErrNotFound)
	s.ok(s.Link(s.ctx, vlan.ID, other.ID))
	s.ok(s.Link(s.ctx, plain.ID, router.ID))
	s.checkTree()
	third := s.newBridgePort(b2.ID)
	s.want("linked already", s.Link(s.ctx, plain.ID, third.ID), ErrConflict)
	s.want("peer linked already", s.Link(s.ctx, third.ID, plain.ID), ErrConflict)
	s.want("VLAN used on the bridge", s.Link(s.ctx, vlan2.ID, third.ID), ErrConflict)
	if got := must(s.Port(s.ctx, router.ID))(s); got.Peer != plain.ID {
		s.Errorf("peer of the router port: got %v, want %v", got.Peer, plain.ID)
	}
	if peers := must(s.PeerPorts(s.ctx, b1.ID))(s); len(peers) != 2 {
		s.Errorf("peers of the bridge: got %+v", peers)
	}
	if names := must(s.raw().Children(s.ctx, s.paths.logicalPorts(b1.ID), nil))(s); len(names) != 2 {
		s.Errorf("logical ports: got %q", names)
	}
	linked := must(s.Port(s.ctx, vlan.ID))(s)
	linked.VLAN = 8
	s.want("another VLAN of a linked port", s.UpdatePort(s.ctx, linked), ErrConflict)
	s.ok(s.Unlink(s.ctx, other.ID))
	s.ok(s.Unlink(s.ctx, other.ID)) // not linked
	s.ok(s.Link(s.ctx, vlan2.ID, third.ID))
	s.ok(s.DeletePort(s.ctx, router.ID))
	if got := must(s.Port(s.ctx, plain.ID))(s); got.Interior() {
		s.Errorf("the peer of a deleted port: got peer %v", got.Peer)
	}
	s.checkTree()
	s.ok(s.DeleteBridge(s.ctx, b2.ID))
	if got := must(s.Port(s.ctx, vlan2.ID))(s); got.Interior() {
		s.Errorf("the peer of a port of a deleted bridge: got peer %v", got.Peer)
	}
}

func testBindings(s *stand) {
	b, h := s.newBridge(), s.newHost()
	p, q := s.newBridgePort(b.ID), s.newBridgePort(b.ID)
	s.want("a host in no zone", s.Bind(s.ctx, Binding{h.ID, p.ID, "eth0"}), ErrConflict)
	z := must(s.CreateTunnelZone(s.ctx, topology.TunnelZone{Name: "z", Type: "vxlan"}))(s)
	s.ok(s.AddTunnelHost(s.ctx, z.ID, h.ID, netip.MustParseAddr("192.0.2.1")))
	s.want("no such host", s.Bind(s.ctx, Binding{nowhere, p.ID, "eth0"}), ErrNotFound)
	s.want("no such port", s.Bind(s.ctx, Binding{h.ID, nowhere, "eth0"}), ErrNotFound)
	for _, name := range []string{"", "a/b", "a b", "..", "sixteen-chars-xx", "a\x01"} {
		s.wantProperty(fmt.Sprintf("interface %q", name), s.Bind(s.ctx, Binding{h.ID, p.ID, name}), "interfaceName")
	}
	s.ok(s.Bind(s.ctx, Binding{h.ID, p.ID, "eth0"}))
	s.checkTree()
	s.want("port bound already", s.Bind(s.ctx, Binding{h.ID, p.ID, "eth1"}), ErrConflict)
	s.want("interface used already", s.Bind(s.ctx, Binding{h.ID, q.ID, "eth0"}), ErrConflict)
	bound := must(s.Port(s.ctx, p.ID))(s)
	bound.VLAN = 5
	s.want("a VLAN for a bound port", s.UpdatePort(s.ctx, bound), ErrConflict)
	tagged := must(s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: b.ID, VLAN: 5}))(s)
	s.want("binding of a port with a VLAN", s.Bind(s.ctx, Binding{h.ID, tagged.ID, "eth5"}), ErrConflict)
	s.ok(s.DeletePort(s.ctx, tagged.ID))
	s.want("link of a bound port", s.Link(s.ctx, p.ID, q.ID), ErrConflict)
	s.ok(s.Bind(s.ctx, Binding{h.ID, q.ID, "eth1"}))
	s.equal("bindings", len(must(s.Bindings(s.ctx, h.ID))(s)), 2)
	s.want("delete of a host with ports", s.DeleteHost(s.ctx, h.ID), ErrInUse)
	s.want("unbind from another host", s.Unbind(s.ctx, nowhere, p.ID), ErrNotFound)
	s.ok(s.Unbind(s.ctx, h.ID, p.ID))
	s.want("unbind twice", s.Unbind(s.ctx, h.ID, p.ID), ErrNotFound)
	s.ok(s.DeletePort(s.ctx, q.ID))
	s.equal("bindings after all are gone", must(s.Bindings(s.ctx, h.ID))(s), []Binding(nil))
	s.ok(s.DeleteHost(s.ctx, h.ID))
	s.equal("hosts of the zone", len(must(s.TunnelHosts(s.ctx, z.ID))(s)), 0)
}

func testChains(s *stand) {
	c, other := s.newChain(), s.newChain()
	s.newRule(c.ID, 1)
	jump := must(s.CreateRule(s.ctx, topology.Rule{Chain: other.ID, Type: topology.JumpRule, JumpChain: c.ID}, 1, nil))(s)
	b := must(s.CreateBridge(s.ctx, topology.Bridge{InboundFilter: c.ID, OutboundFilter: c.ID}))(s)
	r := must(s.CreateRouter(s.ctx, topology.Router{InboundFilter: other.ID, OutboundFilter: c.ID}))(s)
	p := must(s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: b.ID, InboundFilter: c.ID}))(s)
	s.checkTree()
	_, err := s.CreateChain(s.ctx, c)
	s.want("a chain twice", err, ErrExists)
	s.ok(s.DeleteChain(s.ctx, c.ID))
	s.want("delete twice", s.DeleteChain(s.ctx, c.ID), ErrNotFound)
	s.equal("chains", must(s.Chains(s.ctx))(s), []topology.Chain{other})
	if got := must(s.Bridge(s.ctx, b.ID))(s); got.InboundFilter != (topology.ID{}) || got.OutboundFilter != (topology.ID{}) {
		s.Errorf("the bridge has filters: %+v", got)
	}
	if got := must(s.Router(s.ctx, r.ID))(s); got.InboundFilter != other.ID || got.OutboundFilter != (topology.ID{}) {
		s.Errorf("filters of the router: %+v, want only the other one", got)
	}
	if got := must(s.Port(s.ctx, p.ID))(s); got.InboundFilter != (topology.ID{}) {
		s.Errorf("the port has a filter: %+v", got)
	}
	s.equal("the jump", must(s.Rules(s.ctx, other.ID))(s), []topology.Rule{jump})
}

func testRules(s *stand) {
	c := s.newChain()
	first := s.newRule(c.ID, 1)
	second := s.newRule(c.ID, 2)
	zeroth := s.newRule(c.ID, 1)
	middle := s.newRule(c.ID, 3)
	order := func(want ...topology.Rule) {
		s.Helper()
		s.equal("rules", must(s.Rules(s.ctx, c.ID))(s), want)
		for i, r := range want {
			if got, position, err := s.Rule(s.ctx, r.ID); position != i+1 || err != nil || got.ID != r.ID {
				s.Errorf("rule %v: got position %d, %v, want %d", r.ID, position, err, i+1)
			}
		}
	}
	order(zeroth, first, middle, second)
	for _, position := range []int{-1, 0, 6} {
		_, err := s.CreateRule(s.ctx, topology.Rule{Chain: c.ID, Type: topology.DropRule}, position, nil)
		s.wantProperty(fmt.Sprint("position ", position), err, "position")
	}
	_, err := s.CreateRule(s.ctx, topology.Rule{Chain: c.ID, Type: topology.JumpRule, JumpChain: nowhere}, 1, nil)
	s.wantProperty("a jump to nowhere", err, "jumpChainId")
	_, err = s.CreateRule(s.ctx, topology.Rule{Chain: c.ID, Type: topology.TraceRule, Request: nowhere}, 1, nil)
	s.wantProperty("a trace rule", err, "type")
	_, err = s.CreateRule(s.ctx, topology.Rule{Chain: nowhere, Type: topology.DropRule}, 1, nil)
	s.want("no such chain", err, ErrNotFound)
	_, err = s.CreateRule(s.ctx, first, 1, nil)
	s.want("a rule twice", err, ErrExists)
	s.ok(s.DeleteRule(s.ctx, first.ID))
	s.want("delete twice", s.DeleteRule(s.ctx, first.ID), ErrNotFound)
	order(zeroth, middle, second)
	_, err = s.Rules(s.ctx, nowhere)
	s.want("rules of no chain", err, ErrNotFound)
}

func testRoutes(s *stand) {
	r, other := s.newRouter(), s.newRouter()
	p, q := s.newRouterPort(r.ID, "10.0.0.1/24"), s.newRouterPort(other.ID, "10.0.1.1/24")
	route := topology.Route{
		Router: r.ID, Type: topology.NormalRoute, Src: netip.MustParsePrefix("0.0.0.0/0"), Dst: netip.MustParsePrefix("10.9.0.0/16"),
		NextHopPort: p.ID, Gateway: netip.MustParseAddr("10.0.0.9"), Weight: 3,
	}
	made := must(s.CreateRoute(s.ctx, route))(s)
	s.equal("the route", must(s.Route(s.ctx, made.ID))(s), made)
	s.equal("routes of the router", len(must(s.Routes(s.ctx, r.ID))(s)), 2)
	bad := route
	bad.NextHopPort = q.ID
	_, err := s.CreateRoute(s.ctx, bad)
	s.wantProperty("the port of another router", err, "nextHopPort")
	bad.NextHopPort = topology.ID{}
	_, err = s.CreateRoute(s.ctx, bad)
	s.wantProperty("a normal route without a port", err, "nextHopPort")
	bad.Type = topology.RejectRoute
	reject := must(s.CreateRoute(s.ctx, bad))(s)
	bad.Router = nowhere
	_, err = s.CreateRoute(s.ctx, bad)
	s.want("no such router", err, ErrNotFound)
	_, err = s.CreateRoute(s.ctx, made)
	s.want("a route twice", err, ErrExists)
	s.checkTree()
	s.ok(s.DeletePort(s.ctx, p.ID))
	s.equal("routes after the port", must(s.Routes(s.ctx, r.ID))(s), []topology.Route{reject})
	s.ok(s.DeleteRoute(s.ctx, reject.ID))
	s.want("delete twice", s.DeleteRoute(s.ctx, reject.ID), ErrNotFound)
	_, err = s.Routes(s.ctx, nowhere)
	s.want("routes of no router", err, ErrNotFound)
}

func testGroups(s *stand) {
	b := s.newBridge()
	p, q := s.newBridgePort(b.ID), s.newBridgePort(b.ID)
	g := must(s.CreatePortGroup(s.ctx, topology.PortGroup{Name: "g", TenantID: "t1", Stateful: true}))(s)
	s.equal("port groups", must(s.PortGroups(s.ctx))(s), []topology.PortGroup{g})
	for _, id := range []topology.ID{p.ID, q.ID, p.ID} {
		s.ok(s.AddGroupPort(s.ctx, g.ID, id))
	}
	s.equal("members", must(s.GroupPorts(s.ctx, g.ID))(s), sortIDs([]topology.ID{p.ID, q.ID}))
	s.equal("groups of a port", must(s.PortGroupsOf(s.ctx, p.ID))(s), []topology.ID{g.ID})
	s.want("no such member", s.AddGroupPort(s.ctx, g.ID, nowhere), ErrNotFound)
	s.want("no such group", s.AddGroupPort(s.ctx, nowhere, p.ID), ErrNotFound)
	s.ok(s.DeletePort(s.ctx, p.ID))
	s.equal("members after a port", must(s.GroupPorts(s.ctx, g.ID))(s), []topology.ID{q.ID})
	s.ok(s.RemoveGroupPort(s.ctx, g.ID, q.ID))
	s.want("remove twice", s.RemoveGroupPort(s.ctx, g.ID, q.ID), ErrNotFound)
	s.ok(s.AddGroupPort(s.ctx, g.ID, q.ID))
	s.ok(s.DeletePortGroup(s.ctx, g.ID))
	s.equal("groups of a port after the group", len(must(s.PortGroupsOf(s.ctx, q.ID))(s)), 0)
	_, err := s.GroupPorts(s.ctx, g.ID)
	s.want("members of no group", err, ErrNotFound)

	a := must(s.CreateAddrGroup(s.ctx, topology.AddrGroup{Name: "a"}))(s)
	ten, nine := netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("10.0.0.9")
	s.ok(s.AddGroupAddr(s.ctx, a.ID, ten))
	s.ok(s.AddGroupAddr(s.ctx, a.ID, nine))
	s.ok(s.AddGroupAddr(s.ctx, a.ID, nine))
	s.wantProperty("an IPv6 address", s.AddGroupAddr(s.ctx, a.ID, netip.MustParseAddr("::1")), "addr")
	s.equal("addresses", must(s.GroupAddrs(s.ctx, a.ID))(s), []netip.Addr{nine, ten})
	s.equal("addresses of the snapshot", s.load().GroupAddrs[a.ID], []netip.Addr{nine, ten})
	s.ok(s.RemoveGroupAddr(s.ctx, a.ID, nine))
	s.want("remove twice", s.RemoveGroupAddr(s.ctx, a.ID, nine), ErrNotFound)
	s.ok(s.DeleteAddrGroup(s.ctx, a.ID))
	s.want("delete twice", s.DeleteAddrGroup(s.ctx, a.ID), ErrNotFound)
}

func testHosts(s *stand) {
	h := s.newHost()
	h.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	interfaces := []Interface{{Name: "eth1", MTU: 1500}, {Name: "wlan0", Up: true, MAC: packet.MAC{2}}}
	s.ok(s.PutHost(s.ctx, h, interfaces))
	s.unchanged("the same host again", func() { s.ok(s.PutHost(s.ctx, h, interfaces)) })
	s.equal("the host", must(s.Hosts(s.ctx))(s), []topology.Host{h})
	s.equal("its interfaces", must(s.Interfaces(s.ctx, h.ID))(s), interfaces)
	s.wantProperty("a host without an id", s.PutHost(s.ctx, topology.Host{}, nil), "id")

	agent := must(s.store.Session(s.ctx))(s)
	s.ok(s.SetAlive(s.ctx, agent, h.ID))
	s.ok(s.SetAlive(s.ctx, agent, h.ID))
	s.want("alive without a host", s.SetAlive(s.ctx, agent, nowhere), ErrNotFound)
	s.want("delete of a host that is alive", s.DeleteHost(s.ctx, h.ID), ErrInUse)
	again := must(s.store.Session(s.ctx))(s)
	s.ok(s.SetAlive(s.ctx, again, h.ID)) // the agent has restarted, its old session is not over yet
	s.ok(agent.Close())
	s.equal("alive", must(s.Alive(s.ctx, h.ID))(s), true)
	s.ok(again.Close())
	s.equal("alive after the agent", must(s.Alive(s.ctx, h.ID))(s), false)

	z := must(s.CreateTunnelZone(s.ctx, topology.TunnelZone{Name: "z", Type: "vxlan"}))(s)
	_, err := s.CreateTunnelZone(s.ctx, topology.TunnelZone{Name: "z", Type: "gre"})
	s.wantProperty("a zone of type gre", err, "type")
	z.Name = "other"
	s.ok(s.UpdateTunnelZone(s.ctx, z))
	s.equal("zones", must(s.TunnelZones(s.ctx))(s), []topology.TunnelZone{z})
	for _, a := range []string{"192.0.2.1", "192.0.2.2"} {
		s.ok(s.AddTunnelHost(s.ctx, z.ID, h.ID, netip.MustParseAddr(a)))
		s.equal("address in the zone", must(s.TunnelHosts(s.ctx, z.ID))(s)[h.ID], netip.MustParseAddr(a))
		s.equal("address in the snapshot", s.load().Tunnels[z.ID][h.ID], netip.MustParseAddr(a))
	}
	s.equal("zones of the host", must(s.HostZones(s.ctx, h.ID))(s), []topology.ID{z.ID})
	s.checkTree()
	s.ok(s.RemoveTunnelHost(s.ctx, z.ID, h.ID))
	s.want("remove twice", s.RemoveTunnelHost(s.ctx, z.ID, h.ID), ErrNotFound)
	s.ok(s.AddTunnelHost(s.ctx, z.ID, h.ID, netip.MustParseAddr("192.0.2.1")))
	s.ok(s.DeleteTunnelZone(s.ctx, z.ID))
	s.equal("zones of the host after the zone", len(must(s.HostZones(s.ctx, h.ID))(s)), 0)
	s.ok(s.DeleteHost(s.ctx, h.ID))
	s.want("delete twice", s.DeleteHost(s.ctx, h.ID), ErrNotFound)

	p := s.newBridgePort(s.newBridge().ID)
	serving := must(s.store.Session(s.ctx))(s)
	s.ok(s.SetActive(s.ctx, serving, p.ID, h.ID))
	s.equal("active", must(s.Active(s.ctx, p.ID))(s), true)
	s.ok(serving.Close())
	s.equal("active after the agent", must(s.Active(s.ctx, p.ID))(s), false)
}

// A device with more ports than go together is deleted in several transactions, and so
// is a chain with many rules.
func TestDeleteLarge(t *testing.T) {
	s := newStand(t, newBolt(t))
	r, b := s.newRouter(), s.newBridge()
	c := s.newChain()
	var rules []topology.ID
	s.ok(errors.Join(at(maxTogether+10, func(int) error {
		_, err := s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TraceRouter, Device: r.ID})
		p, portErr := s.CreatePort(s.ctx, topology.Port{
			Type: topology.RouterPort, Device: r.ID, Network: netip.MustParsePrefix("10.0.0.0/24"), PortAddress: netip.MustParseAddr("10.0.0.1"),
		})
		q, peerErr := s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: b.ID, InboundFilter: c.ID})
		return errors.Join(err, portErr, peerErr, s.Link(s.ctx, p.ID, q.ID))
	})...))
	var ops []store.Op
	for i := 1; i <= maxRules+5; i++ { // straight into the store: this is not what is tested
		rule := topology.Rule{ID: topology.ID{1, byte(i >> 8), byte(i)}, Chain: c.ID, Type: topology.DropRule}
		rules = append(rules, rule.ID)
		data, err := encode(rule)
		s.ok(err)
		ops = append(ops, store.Create(s.paths.rule(rule.ID), data, store.Persistent))
	}
	data, err := encode(rules)
	s.ok(err)
	must(s.raw().Multi(s.ctx, append(ops, store.Set(s.paths.rules(c.ID), data, 0))...))(s)
	s.checkTree()
	s.ok(s.DeleteRouter(s.ctx, r.ID))
	s.ok(s.DeleteChain(s.ctx, c.ID))
	s.checkTree()
	snap := s.load()
	if len(snap.Ports) != maxTogether+10 || len(snap.Requests)+len(snap.Routes)+len(snap.Rules)+len(snap.Chains)+len(snap.Routers) != 0 {
		t.Errorf("%d ports, %d routes, %d rules, want the bridge's ports alone", len(snap.Ports), len(snap.Routes), len(snap.Rules))
	}
	for _, p := range snap.Ports {
		if p.Interior() || p.InboundFilter != (topology.ID{}) {
			t.Fatalf("a port has a peer or a filter: %+v", p)
		}
	}
	if names := must(s.raw().Children(s.ctx, s.paths.top("rules"), nil))(s); len(names) != 0 {
		t.Errorf("%d rules are left", len(names))
	}
	s.equal("ports of the bridge", slices.Compact([]int{len(must(s.DevicePorts(s.ctx, b.ID))(s))}), []int{maxTogether + 10})
}

// A list of rules that is larger than a transaction may be is refused.
func TestTooManyRules(t *testing.T) {
	s := newStand(t, newBolt(t))
	c := s.newChain()
	list := make([]topology.ID, 25_634) // of rules that are not there, for want of time
	for i := range list {
		list[i] = topology.ID{1, byte(i >> 8), byte(i)}
	}
	data, err := encode(list)
	s.ok(err)
	must(s.raw().Set(s.ctx, s.paths.rules(c.ID), data, store.AnyVersion))(s)
	_, err = s.CreateRule(s.ctx, topology.Rule{Chain: c.ID, Type: topology.DropRule}, 1, nil)
	s.want("a rule too many", err, ErrConflict)
	must(s.raw().Set(s.ctx, s.paths.rules(c.ID), []byte("[]"), store.AnyVersion))(s)
}
