// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"iter"
	"net/netip"
	"time"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// Inventory is where the objects are kept. Each call is one transaction. Objects go in
// and out by value; those that are made get an id where they have none, which fails
// when there is such an object.
type Inventory interface {
	devices
	filters
	groups
	placement

	CreateTrace(ctx context.Context, t topology.TraceRequest) (topology.TraceRequest, error)
	Trace(ctx context.Context, id topology.ID) (topology.TraceRequest, error)
	Traces(ctx context.Context) ([]topology.TraceRequest, error)
	UpdateTrace(ctx context.Context, t topology.TraceRequest) error
	EnableTrace(ctx context.Context, id topology.ID) error
	DisableTrace(ctx context.Context, id topology.ID) error
	DeleteTrace(ctx context.Context, id topology.ID) error
	RuleMissing(ctx context.Context, t topology.TraceRequest) (bool, error)

	// TenantOf returns the owner of a device or port; the type must be that of the id.
	TenantOf(ctx context.Context, kind topology.DeviceType, id topology.ID) (string, error)
	// Load returns all objects.
	Load(ctx context.Context) (*topology.Snapshot, error)
	// Import makes all objects of a snapshot.
	Import(ctx context.Context, s *topology.Snapshot) error
}

type devices interface {
	CreateBridge(ctx context.Context, b topology.Bridge) (topology.Bridge, error)
	Bridge(ctx context.Context, id topology.ID) (topology.Bridge, error)
	Bridges(ctx context.Context) ([]topology.Bridge, error)
	UpdateBridge(ctx context.Context, b topology.Bridge) error
	DeleteBridge(ctx context.Context, id topology.ID) error

	CreateRouter(ctx context.Context, r topology.Router) (topology.Router, error)
	Router(ctx context.Context, id topology.ID) (topology.Router, error)
	Routers(ctx context.Context) ([]topology.Router, error)
	UpdateRouter(ctx context.Context, r topology.Router) error
	DeleteRouter(ctx context.Context, id topology.ID) error

	CreatePort(ctx context.Context, p topology.Port) (topology.Port, error)
	Port(ctx context.Context, id topology.ID) (topology.Port, error)
	Ports(ctx context.Context) ([]topology.Port, error)
	DevicePorts(ctx context.Context, device topology.ID) ([]topology.Port, error)
	PeerPorts(ctx context.Context, device topology.ID) ([]topology.Port, error)
	UpdatePort(ctx context.Context, p topology.Port) error
	DeletePort(ctx context.Context, id topology.ID) error
	Link(ctx context.Context, port, peer topology.ID) error
	Unlink(ctx context.Context, port topology.ID) error
	Active(ctx context.Context, port topology.ID) (bool, error)

	CreateRoute(ctx context.Context, r topology.Route) (topology.Route, error)
	Route(ctx context.Context, id topology.ID) (topology.Route, error)
	Routes(ctx context.Context, router topology.ID) ([]topology.Route, error)
	DeleteRoute(ctx context.Context, id topology.ID) error

	MACTable(ctx context.Context, bridge topology.ID, vlan uint16) ([]inventory.MACEntry, error)
	AddMAC(ctx context.Context, owner store.Session, bridge topology.ID, e inventory.MACEntry) error
	RemoveMAC(ctx context.Context, bridge topology.ID, e inventory.MACEntry) error
	ARPTable(ctx context.Context, bridge topology.ID) ([]inventory.ARPEntry, error)
	AddARP(ctx context.Context, owner store.Session, bridge topology.ID, e inventory.ARPEntry) error
	RemoveARP(ctx context.Context, bridge topology.ID, e inventory.ARPEntry) error
}

type filters interface {
	CreateChain(ctx context.Context, c topology.Chain) (topology.Chain, error)
	Chain(ctx context.Context, id topology.ID) (topology.Chain, error)
	Chains(ctx context.Context) ([]topology.Chain, error)
	DeleteChain(ctx context.Context, id topology.ID) error

	CreateRule(ctx context.Context, r topology.Rule, position int, hidden func(*topology.Rule) bool) (topology.Rule, error)
	Rule(ctx context.Context, id topology.ID) (topology.Rule, int, error)
	Rules(ctx context.Context, chain topology.ID) ([]topology.Rule, error)
	DeleteRule(ctx context.Context, id topology.ID) error
}

type groups interface {
	CreatePortGroup(ctx context.Context, g topology.PortGroup) (topology.PortGroup, error)
	PortGroup(ctx context.Context, id topology.ID) (topology.PortGroup, error)
	PortGroups(ctx context.Context) ([]topology.PortGroup, error)
	DeletePortGroup(ctx context.Context, id topology.ID) error
	AddGroupPort(ctx context.Context, group, port topology.ID) error
	RemoveGroupPort(ctx context.Context, group, port topology.ID) error
	GroupPorts(ctx context.Context, group topology.ID) ([]topology.ID, error)
	PortGroupsOf(ctx context.Context, port topology.ID) ([]topology.ID, error)

	CreateAddrGroup(ctx context.Context, g topology.AddrGroup) (topology.AddrGroup, error)
	AddrGroup(ctx context.Context, id topology.ID) (topology.AddrGroup, error)
	AddrGroups(ctx context.Context) ([]topology.AddrGroup, error)
	DeleteAddrGroup(ctx context.Context, id topology.ID) error
	AddGroupAddr(ctx context.Context, group topology.ID, a netip.Addr) error
	RemoveGroupAddr(ctx context.Context, group topology.ID, a netip.Addr) error
	GroupAddrs(ctx context.Context, group topology.ID) ([]netip.Addr, error)
}

type placement interface {
	Host(ctx context.Context, id topology.ID) (topology.Host, error)
	Hosts(ctx context.Context) ([]topology.Host, error)
	DeleteHost(ctx context.Context, id topology.ID) error
	Alive(ctx context.Context, host topology.ID) (bool, error)
	Interfaces(ctx context.Context, host topology.ID) ([]inventory.Interface, error)

	Bind(ctx context.Context, b inventory.Binding) error
	Unbind(ctx context.Context, host, port topology.ID) error
	Bindings(ctx context.Context, host topology.ID) ([]inventory.Binding, error)

	CreateTunnelZone(ctx context.Context, z topology.TunnelZone) (topology.TunnelZone, error)
	TunnelZone(ctx context.Context, id topology.ID) (topology.TunnelZone, error)
	TunnelZones(ctx context.Context) ([]topology.TunnelZone, error)
	UpdateTunnelZone(ctx context.Context, z topology.TunnelZone) error
	DeleteTunnelZone(ctx context.Context, id topology.ID) error
	AddTunnelHost(ctx context.Context, zone, host topology.ID, a netip.Addr) error
	RemoveTunnelHost(ctx context.Context, zone, host topology.ID) error
	TunnelHosts(ctx context.Context, zone topology.ID) (map[topology.ID]netip.Addr, error)
}

// Simulator makes dry runs.
type Simulator interface {
	// Simulate runs a frame from an exterior port through the network as it is now.
	Simulate(ctx context.Context, port topology.ID, frame []byte) (Simulation, error)
}

// Simulation is what became of a frame in a dry run. Events are JSON objects as the
// reference has them.
type Simulation struct {
	Result string
	Events []json.RawMessage
}

// Flow is what is known of a traced flow without its events.
type Flow struct {
	ID      topology.ID
	Time    time.Time
	Ingress topology.ID // the port where it entered the network; zero for unknown
	Host    topology.ID // of that port
	Hosts   []topology.ID
	Verdict string
	Header  json.RawMessage // an object: ethSrc … dstPort of the packet as it came
	Dropped uint64          // events that are not kept, because there were too many
}

// Select says which flows or events are wanted.
type Select struct {
	Since, Until time.Time // zero: open
	Limit        int
	Descending   bool
	Verdict      string      // of flows
	Host         topology.ID // of flows; zero: any
	Unbounded    bool        // events: all of them, however many
}

// HostStatus is how a host counts for a trace request.
type HostStatus struct {
	Host         topology.ID `json:"host"`
	Hits         int64       `json:"hits"`
	LimitReached bool        `json:"limitReached"`
}

// Traces is where flow traces are kept. Events are JSON objects as the reference has
// them. An error in a sequence is its last element.
type Traces interface {
	Flows(ctx context.Context, request topology.ID, s Select) ([]Flow, error)
	Flow(ctx context.Context, request, flow topology.ID) (Flow, error)
	Events(ctx context.Context, request, flow topology.ID, s Select) ([]json.RawMessage, error)
	// FollowFlows goes on with flows that come, until ctx ends.
	FollowFlows(ctx context.Context, request topology.ID, s Select) iter.Seq2[Flow, error]
	FollowEvents(ctx context.Context, request, flow topology.ID, s Select) iter.Seq2[json.RawMessage, error]
	// Append keeps records, each for the requests of its scope.
	Append(ctx context.Context, records []record.Record) error
	// SetStatus keeps how a host counts for a request, ResetStatus forgets it of all.
	SetStatus(ctx context.Context, request topology.ID, s HostStatus) error
	ResetStatus(ctx context.Context, request topology.ID) error
	// Delete forgets what a request has traced.
	Delete(ctx context.Context, request topology.ID) error
	// Lost returns how many flows of a request have made room for others.
	Lost(ctx context.Context, request topology.ID) (uint64, error)
	// Status returns how the hosts count for a request.
	Status(ctx context.Context, request topology.ID) ([]HostStatus, error)
}
