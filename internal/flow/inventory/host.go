// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// Interface is a network interface of a host, as its agent tells.
type Interface struct {
	Name      string       `json:"name"`
	MAC       packet.MAC   `json:"mac,omitzero"`
	MTU       int          `json:"mtu,omitempty"`
	Up        bool         `json:"up"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// PutHost makes or replaces a host with its interfaces.
func (v *Inventory) PutHost(ctx context.Context, h topology.Host, interfaces []Interface) error {
	if h.ID == (topology.ID{}) {
		return invalid("host", h.ID, "id", "got none: a host has an id of its own")
	}
	if err := valid("host", h.ID, h); err != nil {
		return err
	}
	for _, i := range interfaces {
		if !interfaceName(i.Name) {
			return invalid("host", h.ID, "hostInterfaces", "got an interface named %q", i.Name)
		}
	}
	return v.change(ctx, []any{h.ID}, func(t *tx) error {
		if err := t.putUnlessSame(t.paths.host(h.ID), h); err != nil {
			return err
		}
		at := t.paths.interfaces(h.ID)
		for _, path := range hostNodes(t.paths, h.ID) {
			t.ensure(path)
		}
		gone, err := t.children(at)
		if err != nil {
			return err
		}
		stays := make(map[string]bool)
		for _, i := range interfaces {
			stays[i.Name] = true
			if err := t.putUnlessSame(at+"/"+i.Name, i); err != nil {
				return err
			}
		}
		for _, name := range gone {
			if !stays[name] {
				if err := t.remove(at + "/" + name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// hostNodes are below each host.
func hostNodes(p paths, host topology.ID) []string {
	return []string{p.interfaces(host), p.host(host) + "/vrnMappings", p.bindings(host), p.hostZones(host)}
}

// putUnlessSame writes a node unless it has that value.
func (t *tx) putUnlessSame(path string, value any) error {
	e, err := t.node(path)
	if err != nil {
		return err
	}
	data, err := encode(value)
	if err != nil || e.exists && string(e.data) == string(data) {
		return err
	}
	return t.put(path, value)
}

// Host returns a host.
func (v *Inventory) Host(ctx context.Context, id topology.ID) (topology.Host, error) {
	return get[topology.Host](ctx, v, topology.KindHost, v.paths.host(id), id)
}

// Hosts returns all hosts.
func (v *Inventory) Hosts(ctx context.Context) ([]topology.Host, error) {
	return list[topology.Host](ctx, v, topology.KindHost, v.paths.top("hosts"), v.paths.host)
}

// Interfaces returns the interfaces of a host, by their names.
func (v *Inventory) Interfaces(ctx context.Context, host topology.ID) ([]Interface, error) {
	at := v.paths.interfaces(host)
	names, err := v.childNames(ctx, topology.KindHost, host, at)
	if err != nil {
		return nil, err
	}
	var all []Interface
	for _, name := range names {
		i, err := get[Interface](ctx, v, topology.KindHost, at+"/"+name, host)
		if err == nil {
			all = append(all, i)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return all, nil
}

// DeleteHost deletes a host that is not alive and that no port is bound to.
func (v *Inventory) DeleteHost(ctx context.Context, id topology.ID) error {
	return v.change(ctx, []any{id}, func(t *tx) error {
		var h topology.Host
		if err := t.mustLoad(topology.KindHost, id, &h); err != nil {
			return err
		}
		if ok, err := t.exists(t.paths.host(id) + "/alive"); err != nil {
			return err
		} else if ok {
			return &Error{Object: "host", ID: id, Reason: "it is alive", Err: ErrInUse}
		}
		ports, err := t.children(t.paths.bindings(id))
		if err != nil {
			return err
		}
		if len(ports) > 0 {
			return &Error{Object: "host", ID: id, Reason: fmt.Sprintf("%d ports are bound to it", len(ports)), Err: ErrInUse}
		}
		zones, err := t.ids(t.paths.hostZones(id))
		if err != nil {
			return err
		}
		for _, zone := range zones {
			if err := t.remove(t.paths.membership(zone, id)); err != nil {
				return err
			}
		}
		return t.removeTree(t.paths.host(id))
	})
}

// SetAlive has a host be alive as long as a session lives.
func (v *Inventory) SetAlive(ctx context.Context, owner store.Session, host topology.ID) error {
	if _, err := v.Host(ctx, host); err != nil {
		return err
	}
	return v.declare(ctx, owner, v.paths.host(host)+"/alive", nil)
}

// Alive reports whether a host is alive.
func (v *Inventory) Alive(ctx context.Context, host topology.ID) (bool, error) {
	return v.declared(ctx, v.paths.host(host)+"/alive")
}

// declare makes an ephemeral node of a session, in place of one of another.
func (v *Inventory) declare(ctx context.Context, owner store.Session, path string, data []byte) error {
	for range tries {
		stat, ok, err := owner.Exists(ctx, path, nil)
		if err != nil {
			return err
		}
		ops := []store.Op{store.Create(path, data, store.Ephemeral)}
		if ok && stat.Owner == owner.ID() {
			ops = []store.Op{store.Set(path, data, store.AnyVersion)}
		} else if ok { // of a session that is over, or will be
			ops = []store.Op{store.Delete(path, stat.Version), ops[0]}
		}
		if _, err := owner.Multi(ctx, ops...); !stale(err) {
			return err
		}
	}
	return &Error{Object: "node " + path, Err: ErrBusy}
}

func (v *Inventory) declared(ctx context.Context, path string) (bool, error) {
	s, err := v.tie(ctx)
	if err != nil {
		return false, err
	}
	_, ok, err := s.Exists(ctx, path, nil)
	return ok, unanswered(err)
}

// CreateTunnelZone makes a tunnel zone without hosts.
func (v *Inventory) CreateTunnelZone(ctx context.Context, z topology.TunnelZone) (topology.TunnelZone, error) {
	z.ID = newID(z.ID)
	if err := valid("tunnel zone", z.ID, z); err != nil {
		return z, err
	}
	return z, v.createNamed(ctx, topology.KindTunnelZone, z.ID, v.paths.tunnelZone(z.ID), v.paths.memberships(z.ID), &z)
}

// TunnelZone returns a tunnel zone.
func (v *Inventory) TunnelZone(ctx context.Context, id topology.ID) (topology.TunnelZone, error) {
	return get[topology.TunnelZone](ctx, v, topology.KindTunnelZone, v.paths.tunnelZone(id), id)
}

// TunnelZones returns all tunnel zones.
func (v *Inventory) TunnelZones(ctx context.Context) ([]topology.TunnelZone, error) {
	return list[topology.TunnelZone](ctx, v, topology.KindTunnelZone, v.paths.top("tunnel_zones"), v.paths.tunnelZone)
}

// UpdateTunnelZone replaces a tunnel zone.
func (v *Inventory) UpdateTunnelZone(ctx context.Context, z topology.TunnelZone) error {
	if err := valid("tunnel zone", z.ID, z); err != nil {
		return err
	}
	return v.change(ctx, nil, func(t *tx) error {
		var old topology.TunnelZone
		if err := t.mustLoad(topology.KindTunnelZone, z.ID, &old); err != nil {
			return err
		}
		return t.putUnlessSame(t.paths.tunnelZone(z.ID), z)
	})
}

// DeleteTunnelZone deletes a tunnel zone. Hosts that were in it stay.
func (v *Inventory) DeleteTunnelZone(ctx context.Context, id topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var z topology.TunnelZone
		if err := t.mustLoad(topology.KindTunnelZone, id, &z); err != nil {
			return err
		}
		hosts, err := t.ids(t.paths.memberships(id))
		if err != nil {
			return err
		}
		for _, host := range hosts {
			if err := t.remove(t.paths.hostZones(host) + "/" + id.String()); err != nil {
				return err
			}
		}
		return t.removeTree(t.paths.tunnelZone(id))
	})
}

// membership is the value of a membership's node.
type membership struct {
	IP netip.Addr `json:"ip"`
}

// AddTunnelHost puts a host into a tunnel zone at an address, or gives it another one
// there.
func (v *Inventory) AddTunnelHost(ctx context.Context, zone, host topology.ID, a netip.Addr) error {
	if !a.Is4() {
		return invalid("tunnel zone", zone, "ipAddress", "got %v, want an IPv4 address", a)
	}
	return v.change(ctx, nil, func(t *tx) error {
		var z topology.TunnelZone
		if err := t.mustLoad(topology.KindTunnelZone, zone, &z); err != nil {
			return err
		}
		var h topology.Host
		if err := t.mustLoad(topology.KindHost, host, &h); err != nil {
			return err
		}
		t.ensure(t.paths.hostZones(host))
		t.ensure(t.paths.hostZones(host) + "/" + zone.String())
		return t.putUnlessSame(t.paths.membership(zone, host), membership{a})
	})
}

// RemoveTunnelHost takes a host out of a tunnel zone.
func (v *Inventory) RemoveTunnelHost(ctx context.Context, zone, host topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		if ok, err := t.exists(t.paths.membership(zone, host)); err != nil {
			return err
		} else if !ok {
			return notFound("member of tunnel zone "+zone.String()+", host", host)
		}
		return errors.Join(t.remove(t.paths.membership(zone, host)), t.remove(t.paths.hostZones(host)+"/"+zone.String()))
	})
}

// TunnelHosts returns the hosts of a tunnel zone with their addresses.
func (v *Inventory) TunnelHosts(ctx context.Context, zone topology.ID) (map[topology.ID]netip.Addr, error) {
	hosts, err := v.childIDs(ctx, topology.KindTunnelZone, zone, v.paths.memberships(zone))
	if err != nil {
		return nil, err
	}
	addrs := make(map[topology.ID]netip.Addr, len(hosts))
	for _, host := range hosts {
		m, err := get[membership](ctx, v, topology.KindHost, v.paths.membership(zone, host), host)
		if err == nil {
			addrs[host] = m.IP
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return addrs, nil
}

// HostZones returns the tunnel zones that a host is in.
func (v *Inventory) HostZones(ctx context.Context, host topology.ID) ([]topology.ID, error) {
	return v.childIDs(ctx, topology.KindHost, host, v.paths.hostZones(host))
}
