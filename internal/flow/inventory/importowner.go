// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/weir-io/weir/internal/flow/topology"
)

// keepOwners has what an import replaces stay its tenant's: m is what the import makes of
// base. What its requests have traced would be another's to read. Objects that name no
// tenant keep theirs, and those that an export could not name keep their names.
func keepOwners(base, m, s *topology.Snapshot) error {
	for _, id := range sorted(s.Bridges) {
		if old := base.Bridges[id]; old != nil {
			b := *s.Bridges[id]
			if err := keepTenant(topology.KindBridge, id, &b.TenantID, old.TenantID); err != nil {
				return err
			}
			keepName(id, &b.Name, old.Name)
			m.Bridges[id] = &b
		}
	}
	for _, id := range sorted(s.Routers) {
		if old := base.Routers[id]; old != nil {
			r := *s.Routers[id]
			if err := keepTenant(topology.KindRouter, id, &r.TenantID, old.TenantID); err != nil {
				return err
			}
			keepName(id, &r.Name, old.Name)
			m.Routers[id] = &r
		}
	}
	for _, id := range sorted(s.Chains) {
		if old := base.Chains[id]; old != nil {
			c := *s.Chains[id]
			if err := keepTenant(topology.KindChain, id, &c.TenantID, old.TenantID); err != nil {
				return err
			}
			keepName(id, &c.Name, old.Name)
			m.Chains[id] = &c
		}
	}
	for _, id := range sorted(s.PortGroups) {
		if old := base.PortGroups[id]; old != nil {
			g := *s.PortGroups[id]
			if err := keepTenant(topology.KindPortGroup, id, &g.TenantID, old.TenantID); err != nil {
				return err
			}
			keepName(id, &g.Name, old.Name)
			m.PortGroups[id] = &g
		}
	}
	for _, id := range sorted(s.Ports) {
		old, had := base.Tenant(id)
		if now, there := m.Tenant(id); had && there && now != old {
			return invalid("port", id, "device", "device %v is of tenant %q, but the port is of %q and stays so", m.Ports[id].Device, now, old)
		}
	}
	return nil
}

// checkKinds returns the error of a device or port that has the id of one of another kind.
func checkKinds(m, s *topology.Snapshot) error {
	kinds := []topology.Kind{topology.KindBridge, topology.KindRouter, topology.KindPort}
	for i, ids := range [][]topology.ID{sorted(s.Bridges), sorted(s.Routers), sorted(s.Ports)} {
		for _, id := range ids {
			for _, k := range kinds {
				if k != kinds[i] && has(m, k, id) {
					return conflict(string(kinds[i]), id, "there is a %s of this id", k)
				}
			}
		}
	}
	return nil
}

// keepName keeps the name of an object whose id stands for it: in a document several
// objects cannot have one name.
func keepName(id topology.ID, name *string, old string) {
	if *name == id.String() {
		*name = old
	}
}

func keepTenant(k topology.Kind, id topology.ID, tenant *string, old string) error {
	if *tenant == "" {
		*tenant = old
	}
	return sameTenant(&filtered{kind: k, id: id}, old, *tenant)
}
