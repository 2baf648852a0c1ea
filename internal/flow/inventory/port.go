// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// CreatePort makes a port of a device, unplugged. It gets a tunnel key, a router port
// also a MAC unless it has one, and the Local route of its address.
func (v *Inventory) CreatePort(ctx context.Context, p topology.Port) (topology.Port, error) {
	p.ID = newID(p.ID)
	if p.Type == topology.RouterPort && p.PortMAC.IsZero() {
		p.PortMAC = newMAC()
	}
	if p.Interior() || p.Host != (topology.ID{}) || p.Interface != "" {
		return p, invalid("port", p.ID, "type", "a port is made unplugged, then linked or bound")
	}
	if err := valid("port", p.ID, p); err != nil {
		return p, err
	}
	err := v.change(ctx, []any{p.ID}, func(t *tx) error {
		if err := t.claim(p.ID); err != nil {
			return err
		}
		if err := t.checkDevice(&p); err != nil {
			return err
		}
		key, err := v.keys.next(t)
		if err != nil {
			return err
		}
		p.TunnelKey = key
		return t.createPort(&p)
	})
	return p, err
}

// newMAC returns an address of a single station that nobody has by birth.
func newMAC() (m packet.MAC) {
	rand.Read(m[:]) // never fails
	m[0] = m[0]&^1 | 2
	return m
}

// checkDevice returns the error of a port without a device of its type.
func (t *tx) checkDevice(p *topology.Port) error {
	k := topology.KindBridge
	switch p.Type {
	case topology.BridgePort:
	case topology.RouterPort:
		k = topology.KindRouter
	default:
		return invalid("port", p.ID, "type", "got %q, want Bridge or Router", p.Type)
	}
	ok, err := t.exists(t.paths.device(k, p.Device))
	if err == nil && !ok {
		err = notFound(string(k), p.Device)
	}
	return err
}

func (t *tx) createPort(p *topology.Port) error {
	if err := t.create(t.paths.port(p.ID), p); err != nil {
		return err
	}
	if err := t.create(t.paths.ofDevice(p), nil); err != nil {
		return err
	}
	if err := t.create(t.paths.tunnelKey(p.TunnelKey), p.ID); err != nil {
		return err
	}
	if p.PortAddress.IsValid() {
		if err := t.createRoute(p.LocalRoute()); err != nil {
			return err
		}
	}
	return t.setFilters(topology.KindPort, p.ID, topology.ID{}, topology.ID{}, p.InboundFilter, p.OutboundFilter)
}

// Port returns a port.
func (v *Inventory) Port(ctx context.Context, id topology.ID) (topology.Port, error) {
	return get[topology.Port](ctx, v, topology.KindPort, v.paths.port(id), id)
}

// Ports returns all ports.
func (v *Inventory) Ports(ctx context.Context) ([]topology.Port, error) {
	return list[topology.Port](ctx, v, topology.KindPort, v.paths.top("ports"), v.paths.port)
}

// DevicePorts returns the ports of a bridge or router.
func (v *Inventory) DevicePorts(ctx context.Context, device topology.ID) ([]topology.Port, error) {
	var ports []topology.Port
	for _, at := range []string{v.paths.bridge(device) + "/ports", v.paths.logicalPorts(device), v.paths.router(device) + "/ports"} {
		more, err := list[topology.Port](ctx, v, topology.KindPort, at, v.paths.port)
		if err != nil {
			return nil, err
		}
		ports = append(ports, more...)
	}
	return ports, nil
}

// PeerPorts returns the ports that those of a bridge or router are linked to.
func (v *Inventory) PeerPorts(ctx context.Context, device topology.ID) ([]topology.Port, error) {
	ports, err := v.DevicePorts(ctx, device)
	if err != nil {
		return nil, err
	}
	var peers []topology.ID
	for _, p := range ports {
		if p.Interior() {
			peers = append(peers, p.Peer)
		}
	}
	return listIDs[topology.Port](ctx, v, topology.KindPort, peers, v.paths.port)
}

// UpdatePort replaces what a client may change of a port: its state, filters, VLAN,
// address and MAC. The rest has operations of its own and stays as it is.
func (v *Inventory) UpdatePort(ctx context.Context, p topology.Port) error {
	if err := valid("port", p.ID, p); err != nil {
		return err
	}
	f := &filtered{kind: topology.KindPort, id: p.ID, in: &p.InboundFilter, out: &p.OutboundFilter, value: &p}
	return v.updateDevice(ctx, f, func(t *tx, f *filtered) error {
		old := f.value.(*topology.Port)
		if p.Device != (topology.ID{}) && p.Device != old.Device {
			return invalid("port", p.ID, "deviceId", "got %v, but it is of %v and stays so", p.Device, old.Device)
		}
		p.Type, p.Device, p.TunnelKey = old.Type, old.Device, old.TunnelKey
		p.Host, p.Interface, p.Peer, p.Workload = old.Host, old.Interface, old.Peer, old.Workload
		if p.Type == topology.RouterPort && p.PortMAC.IsZero() {
			p.PortMAC = old.PortMAC
		}
		if err := valid("port", p.ID, p); err != nil {
			return err
		}
		if p.VLAN != old.VLAN && old.Interior() {
			return conflict("port", p.ID, "it is linked, so its VLAN stays %d", old.VLAN)
		}
		if p.VLAN != 0 && old.Exterior() {
			return conflict("port", p.ID, "it is bound to an interface, so it has no VLAN")
		}
		return t.moveLocalRoute(old, &p)
	})
}

// moveLocalRoute makes the Local route of a port that of its new address.
func (t *tx) moveLocalRoute(old, p *topology.Port) error {
	if old.PortAddress == p.PortAddress {
		return nil
	}
	route := old.LocalRoute().ID
	if ok, err := t.exists(t.paths.route(route)); err != nil {
		return err
	} else if ok {
		if !p.PortAddress.IsValid() {
			return t.deleteRoute(route)
		}
		return t.put(t.paths.route(route), p.LocalRoute())
	}
	if !p.PortAddress.IsValid() {
		return nil
	}
	return t.createRoute(p.LocalRoute())
}

// DeletePort deletes a port with its routes and trace requests. Its peer becomes
// unplugged, and port groups lose it.
func (v *Inventory) DeletePort(ctx context.Context, id topology.ID) error {
	return v.change(ctx, []any{id}, func(t *tx) error {
		if ok, err := t.exists(t.paths.port(id)); err != nil {
			return err
		} else if !ok {
			return notFound("port", id)
		}
		return t.deletePort(id)
	})
}

// deletePort does nothing if there is no such port.
func (t *tx) deletePort(id topology.ID) error {
	if err := t.deleteTraces(topology.KindPort, id); err != nil {
		return err
	}
	var p topology.Port
	if ok, err := t.load(t.paths.port(id), &p); err != nil || !ok {
		return err
	}
	if err := t.unplug(&p); err != nil {
		return err
	}
	groups, err := t.ids(t.paths.groupsOf(id))
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := t.remove(t.paths.groupPorts(group) + "/" + id.String()); err != nil {
			return err
		}
	}
	routes, err := t.ids(t.paths.portRoutes(id))
	if err != nil {
		return err
	}
	for _, route := range routes {
		if err := t.deleteRoute(route); err != nil {
			return err
		}
	}
	if err := t.setFilters(topology.KindPort, id, p.InboundFilter, p.OutboundFilter, topology.ID{}, topology.ID{}); err != nil {
		return err
	}
	for _, path := range []string{t.paths.tunnelKey(p.TunnelKey), t.paths.ofDevice(&p)} {
		if err := t.remove(path); err != nil {
			return err
		}
	}
	if err := t.release(id); err != nil {
		return err
	}
	return t.removeTree(t.paths.port(id))
}

// unplug takes a port off its peer or interface. The port's node is written by the
// caller, or goes.
func (t *tx) unplug(p *topology.Port) error {
	switch {
	case p.Exterior():
		if err := t.remove(t.paths.binding(p.Host, p.ID)); err != nil {
			return err
		}
		p.Host, p.Interface = topology.ID{}, ""
	case p.Interior():
		var peer topology.Port
		ok, err := t.load(t.paths.port(p.Peer), &peer)
		if err != nil {
			return err
		}
		if ok && peer.Peer == p.ID {
			if err := t.setPeer(&peer, topology.ID{}); err != nil {
				return err
			}
			if err := t.put(t.paths.port(peer.ID), &peer); err != nil {
				return err
			}
		}
		return t.setPeer(p, topology.ID{})
	}
	return nil
}

// setPeer changes a port's peer and, of a bridge port, its place among the ports.
func (t *tx) setPeer(p *topology.Port, peer topology.ID) error {
	if err := t.remove(t.paths.ofDevice(p)); err != nil {
		return err
	}
	p.Peer = peer
	t.ensure(t.paths.ofDevice(p))
	return nil
}

// SetActive has a port be active as long as a session lives: its host serves it.
func (v *Inventory) SetActive(ctx context.Context, owner store.Session, port, host topology.ID) error {
	if _, err := v.Port(ctx, port); err != nil {
		return err
	}
	return v.declare(ctx, owner, v.paths.port(port)+"/active", []byte(`"`+host.String()+`"`))
}

// Active reports whether a host serves a port.
func (v *Inventory) Active(ctx context.Context, port topology.ID) (bool, error) {
	return v.declared(ctx, v.paths.port(port)+"/active")
}

// sortIDs sorts ids for answers.
func sortIDs(ids []topology.ID) []topology.ID {
	slices.SortFunc(ids, compareIDs)
	return ids
}

func compareIDs(a, b topology.ID) int { return bytes.Compare(a[:], b[:]) }
