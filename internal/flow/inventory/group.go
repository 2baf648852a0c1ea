// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// createNamed makes an object that has one node below it for its members.
func (v *Inventory) createNamed(ctx context.Context, k topology.Kind, id topology.ID, path, members string, value any) error {
	return v.change(ctx, nil, func(t *tx) error {
		if ok, err := t.exists(path); err != nil {
			return err
		} else if ok {
			return &Error{Object: string(k), ID: id, Err: ErrExists}
		}
		return errors.Join(t.create(path, value), t.create(members, nil))
	})
}

// CreatePortGroup makes a port group without members.
func (v *Inventory) CreatePortGroup(ctx context.Context, g topology.PortGroup) (topology.PortGroup, error) {
	g.ID = newID(g.ID)
	if err := valid("port group", g.ID, g); err != nil {
		return g, err
	}
	return g, v.createNamed(ctx, topology.KindPortGroup, g.ID, v.paths.portGroup(g.ID), v.paths.groupPorts(g.ID), &g)
}

// PortGroup returns a port group.
func (v *Inventory) PortGroup(ctx context.Context, id topology.ID) (topology.PortGroup, error) {
	return get[topology.PortGroup](ctx, v, topology.KindPortGroup, v.paths.portGroup(id), id)
}

// PortGroups returns all port groups.
func (v *Inventory) PortGroups(ctx context.Context) ([]topology.PortGroup, error) {
	return list[topology.PortGroup](ctx, v, topology.KindPortGroup, v.paths.top("port_groups"), v.paths.portGroup)
}

// DeletePortGroup deletes a port group. Conditions that name it stay.
func (v *Inventory) DeletePortGroup(ctx context.Context, id topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var g topology.PortGroup
		if err := t.mustLoad(topology.KindPortGroup, id, &g); err != nil {
			return err
		}
		ports, err := t.ids(t.paths.groupPorts(id))
		if err != nil {
			return err
		}
		for _, port := range ports {
			if err := t.remove(t.paths.groupsOf(port) + "/" + id.String()); err != nil {
				return err
			}
		}
		return t.removeTree(t.paths.portGroup(id))
	})
}

// AddGroupPort makes a port a member of a port group. It may be one already.
func (v *Inventory) AddGroupPort(ctx context.Context, group, port topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var g topology.PortGroup
		if err := t.mustLoad(topology.KindPortGroup, group, &g); err != nil {
			return err
		}
		var p topology.Port
		if err := t.mustLoad(topology.KindPort, port, &p); err != nil {
			return err
		}
		t.ensure(t.paths.groupPorts(group) + "/" + port.String())
		t.ensure(t.paths.groupsOf(port))
		t.ensure(t.paths.groupsOf(port) + "/" + group.String())
		return nil
	})
}

// RemoveGroupPort takes a port out of a port group.
func (v *Inventory) RemoveGroupPort(ctx context.Context, group, port topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		member := t.paths.groupPorts(group) + "/" + port.String()
		if ok, err := t.exists(member); err != nil {
			return err
		} else if !ok {
			return notFound("member of port group "+group.String()+", port", port)
		}
		return errors.Join(t.remove(member), t.remove(t.paths.groupsOf(port)+"/"+group.String()))
	})
}

// GroupPorts returns the members of a port group.
func (v *Inventory) GroupPorts(ctx context.Context, group topology.ID) ([]topology.ID, error) {
	return v.childIDs(ctx, topology.KindPortGroup, group, v.paths.groupPorts(group))
}

// PortGroupsOf returns the port groups that a port is a member of.
func (v *Inventory) PortGroupsOf(ctx context.Context, port topology.ID) ([]topology.ID, error) {
	ids, err := v.childIDs(ctx, topology.KindPort, port, v.paths.groupsOf(port))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return ids, err
}

// childIDs returns the children of a node below an object that are ids, sorted.
func (v *Inventory) childIDs(ctx context.Context, k topology.Kind, id topology.ID, path string) ([]topology.ID, error) {
	names, err := v.childNames(ctx, k, id, path)
	if err != nil {
		return nil, err
	}
	return parseIDs(names), nil
}

// childNames returns the children of a node below an object, sorted.
func (v *Inventory) childNames(ctx context.Context, k topology.Kind, id topology.ID, path string) ([]string, error) {
	s, err := v.tie(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.Children(ctx, path, nil)
	if errors.Is(err, store.ErrNoNode) {
		return nil, notFound(string(k), id)
	}
	slices.Sort(names)
	return names, unanswered(err)
}

// CreateAddrGroup makes an address group without members.
func (v *Inventory) CreateAddrGroup(ctx context.Context, g topology.AddrGroup) (topology.AddrGroup, error) {
	g.ID = newID(g.ID)
	if err := valid("address group", g.ID, g); err != nil {
		return g, err
	}
	return g, v.createNamed(ctx, topology.KindAddrGroup, g.ID, v.paths.addrGroup(g.ID), v.paths.groupAddrs(g.ID), &g)
}

// AddrGroup returns an address group.
func (v *Inventory) AddrGroup(ctx context.Context, id topology.ID) (topology.AddrGroup, error) {
	return get[topology.AddrGroup](ctx, v, topology.KindAddrGroup, v.paths.addrGroup(id), id)
}

// AddrGroups returns all address groups.
func (v *Inventory) AddrGroups(ctx context.Context) ([]topology.AddrGroup, error) {
	return list[topology.AddrGroup](ctx, v, topology.KindAddrGroup, v.paths.top("ip_addr_groups"), v.paths.addrGroup)
}

// DeleteAddrGroup deletes an address group. Conditions that name it stay.
func (v *Inventory) DeleteAddrGroup(ctx context.Context, id topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var g topology.AddrGroup
		if err := t.mustLoad(topology.KindAddrGroup, id, &g); err != nil {
			return err
		}
		return t.removeTree(t.paths.addrGroup(id))
	})
}

// AddGroupAddr makes an IPv4 address a member of an address group. It may be one
// already.
func (v *Inventory) AddGroupAddr(ctx context.Context, group topology.ID, a netip.Addr) error {
	if !a.Is4() {
		return invalid("address group", group, "addr", "got %v, want an IPv4 address", a)
	}
	return v.change(ctx, nil, func(t *tx) error {
		var g topology.AddrGroup
		if err := t.mustLoad(topology.KindAddrGroup, group, &g); err != nil {
			return err
		}
		t.ensure(t.paths.groupAddr(group, a))
		return nil
	})
}

// RemoveGroupAddr takes an address out of an address group.
func (v *Inventory) RemoveGroupAddr(ctx context.Context, group topology.ID, a netip.Addr) error {
	return v.change(ctx, nil, func(t *tx) error {
		if ok, err := t.exists(t.paths.groupAddr(group, a)); err != nil {
			return err
		} else if !ok {
			return notFound("address "+a.String()+" of address group", group)
		}
		return t.remove(t.paths.groupAddr(group, a))
	})
}

// GroupAddrs returns the members of an address group.
func (v *Inventory) GroupAddrs(ctx context.Context, group topology.ID) ([]netip.Addr, error) {
	names, err := v.childNames(ctx, topology.KindAddrGroup, group, v.paths.groupAddrs(group))
	if err != nil {
		return nil, err
	}
	return parseAddrs(names), nil
}

// parseAddrs returns the addresses among names, in their order.
func parseAddrs(names []string) []netip.Addr {
	var addrs []netip.Addr
	for _, name := range names {
		if a, err := netip.ParseAddr(name); err == nil {
			addrs = append(addrs, a)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}
