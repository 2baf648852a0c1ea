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

// members reads what an object has below it: the rules of a chain, the members of a
// group or zone.
func (f *view) members(ctx context.Context, top string, id topology.ID) error {
	switch top {
	case "chains":
		return f.readRules(ctx, id)
	case "port_groups":
		names, err := f.childrenOf(ctx, f.v.paths.groupPorts(id))
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		setMembers(f, "group ports", &f.snap.GroupPorts, id, sortIDs(parseIDs(names)))
	case "ip_addr_groups":
		names, err := f.childrenOf(ctx, f.v.paths.groupAddrs(id))
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		setMembers(f, "group addrs", &f.snap.GroupAddrs, id, parseAddrs(names))
	case "tunnel_zones":
		return f.readMemberships(ctx, id)
	}
	return nil
}

func setMembers[T any](f *view, name string, m *map[topology.ID][]T, id topology.ID, members []T) {
	if len(members) == 0 {
		if _, had := (*m)[id]; had {
			delete(own(f, name, m), id)
		}
		return
	}
	own(f, name, m)[id] = members
}

// childrenOf returns the children of a node; none if it is not there.
func (f *view) childrenOf(ctx context.Context, path string) ([]string, error) {
	names, err := f.session.Children(ctx, path, f.watcher)
	if errors.Is(err, store.ErrNoNode) {
		return nil, nil
	}
	return names, err
}

func (f *view) readMemberships(ctx context.Context, zone topology.ID) error {
	names, err := f.childrenOf(ctx, f.v.paths.memberships(zone))
	if err != nil {
		return err
	}
	addrs := make(map[topology.ID]netip.Addr, len(names))
	for _, host := range parseIDs(names) {
		m, err := read[membership](ctx, f, f.v.paths.membership(zone, host))
		if err != nil {
			return err
		}
		if m != nil {
			addrs[host] = m.IP
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(addrs) == 0 {
		if _, had := f.snap.Tunnels[zone]; had {
			delete(own(f, "tunnels", &f.snap.Tunnels), zone)
		}
		return nil
	}
	own(f, "tunnels", &f.snap.Tunnels)[zone] = addrs
	return nil
}

// readRules reads the list of a chain's rules, and the rules that were not known.
func (f *view) readRules(ctx context.Context, chain topology.ID) error {
	list, err := read[[]topology.ID](ctx, f, f.v.paths.rules(chain))
	if err != nil {
		return err
	}
	if list == nil {
		list = new([]topology.ID)
	}
	for _, id := range *list {
		f.mu.Lock()
		_, known := f.rules[id]
		f.mu.Unlock()
		if known {
			continue
		}
		rule, err := f.readRule(ctx, id)
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.rules[id] = rule
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setList(chain, *list)
	return nil
}

// readRule reads a rule, nil if it is not there; when it comes that is an event.
func (f *view) readRule(ctx context.Context, id topology.ID) (*topology.Rule, error) {
	path := f.v.paths.rule(id)
	rule, err := read[topology.Rule](ctx, f, path)
	if rule != nil || err != nil {
		return rule, err
	}
	if _, ok, err := f.session.Exists(ctx, path, f.watcher); err != nil || !ok {
		return nil, err
	}
	return read[topology.Rule](ctx, f, path) // it has come since
}

func (f *view) rereadRule(ctx context.Context, id topology.ID) error {
	if len(f.users[id]) == 0 {
		return nil
	}
	rule, err := f.readRule(ctx, id)
	if err != nil {
		return err
	}
	f.rules[id] = rule
	for chain := range f.users[id] {
		f.setRules(chain)
	}
	return nil
}

// setList replaces the list of a chain's rules, and forgets rules that no chain has.
func (f *view) setList(chain topology.ID, list []topology.ID) {
	old := f.lists[chain]
	f.lists[chain] = list
	for _, id := range list {
		if f.users[id] == nil {
			f.users[id] = make(map[topology.ID]bool, 1)
		}
		f.users[id][chain] = true
	}
	for _, id := range old {
		if slices.Contains(list, id) {
			continue
		}
		if delete(f.users[id], chain); len(f.users[id]) == 0 {
			delete(f.users, id)
			delete(f.rules, id)
		}
	}
	if len(list) == 0 {
		delete(f.lists, chain)
	}
	f.setRules(chain)
}

// setRules puts the rules of a chain that are there into the snapshot.
func (f *view) setRules(chain topology.ID) {
	var rules []*topology.Rule
	for _, id := range f.lists[chain] {
		if r := f.rules[id]; r != nil {
			rules = append(rules, r)
		}
	}
	setMembers(f, "rules", &f.snap.Rules, chain, rules)
}

// dropMembers forgets what an object that is gone had below it.
func (f *view) dropMembers(top string, id topology.ID) {
	switch top {
	case "chains":
		f.setList(id, nil)
	case "port_groups":
		setMembers(f, "group ports", &f.snap.GroupPorts, id, nil)
	case "ip_addr_groups":
		setMembers(f, "group addrs", &f.snap.GroupAddrs, id, nil)
	case "tunnel_zones":
		if _, had := f.snap.Tunnels[id]; had {
			delete(own(f, "tunnels", &f.snap.Tunnels), id)
		}
	}
}
