// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package inventory keeps virtual networks in the control store: the objects of
// package topology, what refers to what, and the rules of making and deleting them.
//
// The tree is in docs/format/control-store.md. Every operation is one transaction:
// the object and all that refers to it change together or not at all. Exceptions are
// deletions and imports that are larger than a transaction may be.
//
// # Interface
//
// Open returns an Inventory of a store. Each kind of object has the methods Create,
// get (named as the object), list (its plural), and Delete; Update where objects
// change:
//
//	CreateBridge(ctx, Bridge) (Bridge, error)   Bridge(ctx, id)   Bridges(ctx)
//	UpdateBridge(ctx, Bridge) error             DeleteBridge(ctx, id) error
//	…Router: as bridges
//	CreatePort(ctx, Port) (Port, error)   Port(ctx, id)   Ports(ctx)
//	DevicePorts(ctx, device)   PeerPorts(ctx, device)
//	UpdatePort(ctx, Port) error           DeletePort(ctx, id) error
//	Link(ctx, port, peer) error           Unlink(ctx, port) error
//	Bind(ctx, Binding) error              Unbind(ctx, host, port) error
//	Bindings(ctx, host) ([]Binding, error)
//	CreateChain, Chain, Chains, DeleteChain
//	CreateRule(ctx, Rule, position, hidden) (Rule, error)   Rule(ctx, id) (Rule, position, error)
//	Rules(ctx, chain) ([]Rule, error)               DeleteRule(ctx, id) error
//	CreateRoute, Route, Routes(ctx, router), DeleteRoute
//	CreatePortGroup, PortGroup, PortGroups, DeletePortGroup
//	AddGroupPort(ctx, group, port)   RemoveGroupPort   GroupPorts(ctx, group)   PortGroupsOf(ctx, port)
//	CreateAddrGroup, AddrGroup, AddrGroups, DeleteAddrGroup
//	AddGroupAddr(ctx, group, addr)   RemoveGroupAddr   GroupAddrs(ctx, group)
//	PutHost(ctx, Host, []Interface) error   Host   Hosts   Interfaces(ctx, host)   DeleteHost
//	SetAlive(ctx, owner, host) error        Alive(ctx, host) (bool, error)
//	SetActive(ctx, owner, port, host) error Active(ctx, port) (bool, error)
//	CreateTunnelZone, TunnelZone, TunnelZones, UpdateTunnelZone, DeleteTunnelZone
//	AddTunnelHost(ctx, zone, host, addr)   RemoveTunnelHost   TunnelHosts(ctx, zone)   HostZones(ctx, host)
//	CreateTrace(ctx, TraceRequest) (TraceRequest, error)   Trace   Traces   DeleteTrace
//	UpdateTrace(ctx, TraceRequest) error   EnableTrace(ctx, id) error   DisableTrace(ctx, id) error
//	RuleMissing(ctx, TraceRequest) (bool, error)
//	MACTable(ctx, bridge, vlan), AddMAC(ctx, owner, bridge, MACEntry), RemoveMAC
//	ARPTable(ctx, bridge), AddARP(ctx, owner, bridge, ARPEntry), RemoveARP
//	TenantOf(ctx, DeviceType, id) (string, error)
//
// An owner is the session of an agent: what is said with it holds as long as it lives.
//
// Create takes an object with or without an ID and returns it as it was made. Objects
// go in and out by value and are the caller's.
//
//	Load(ctx) (*topology.Snapshot, error)
//	Follow(ctx, func(*topology.Snapshot)) error
//	Import(ctx, *topology.Snapshot) error
//
// # Errors
//
// An Error says which object. Its kind decides the status of an answer: ErrNotFound
// 404, ErrExists 409, ErrConflict 409, ErrBusy 409, ErrInUse 403, ErrInvalid 400 with
// the property, and store.ErrUnavailable 503. Errors of the context are returned as
// they are.
package inventory
