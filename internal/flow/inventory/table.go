// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// tableEntry is an entry of a shared table: a node without data whose name is its key,
// value and version with commas between them. Of the entries of a key the one of the
// highest version holds.
type tableEntry struct {
	key, value string
	version    uint64
	node       string
}

// parseEntry takes the name of a node apart.
func parseEntry(name string) (e tableEntry, ok bool) {
	last := strings.LastIndexByte(name, ',')
	if last < 0 {
		return e, false
	}
	e.key, e.value, ok = strings.Cut(name[:last], ",")
	if !ok {
		return e, false
	}
	version, err := strconv.ParseUint(name[last+1:], 10, 32)
	e.version, e.node = version, name
	return e, err == nil
}

// holding returns the entries that hold, in the order of their keys.
func holding(names []string) []tableEntry {
	best := make(map[string]tableEntry, len(names))
	for _, name := range names {
		if e, ok := parseEntry(name); ok && (best[e.key].node == "" || e.version > best[e.key].version) {
			best[e.key] = e
		}
	}
	entries := make([]tableEntry, 0, len(best))
	for _, e := range best {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b tableEntry) int { return strings.Compare(a.key, b.key) })
	return entries
}

// table reads the entries of a table that hold; none if there is no such table.
func (v *Inventory) table(ctx context.Context, path string) ([]tableEntry, error) {
	s, err := v.tie(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.Children(ctx, path, nil)
	if errors.Is(err, store.ErrNoNode) {
		return nil, nil
	}
	return holding(names), unanswered(err)
}

// addEntry adds an entry, of a session or of nobody, in place of those of the same key
// and owner.
func (v *Inventory) addEntry(ctx context.Context, owner store.Session, path, key, value string) error {
	s, mode := owner, store.Sequential|store.Ephemeral
	var id int64
	if owner == nil {
		var err error
		if s, err = v.tie(ctx); err != nil {
			return err
		}
		mode = store.Sequential
	} else {
		id = owner.ID()
	}
	for range tries {
		names, err := s.Children(ctx, path, nil)
		if err != nil {
			return err
		}
		ops := []store.Op{store.Create(path+"/"+key+","+value+",", nil, mode)}
		for _, name := range names {
			if e, ok := parseEntry(name); !ok || e.key != key {
				continue
			}
			stat, ok, err := s.Exists(ctx, path+"/"+name, nil)
			if err != nil {
				return err
			}
			if ok && stat.Owner == id {
				ops = append(ops, store.Delete(path+"/"+name, store.AnyVersion))
			}
		}
		if _, err := s.Multi(ctx, ops...); !stale(err) {
			return unanswered(err)
		}
	}
	return &Error{Object: "table " + path, Err: ErrBusy}
}

// removeEntry removes the entries of a key and value, whoever owns them.
func (v *Inventory) removeEntry(ctx context.Context, path, key, value string) error {
	return v.change(ctx, nil, func(t *tx) error {
		names, err := t.children(path)
		if err != nil {
			return err
		}
		found := false
		for _, name := range names {
			if e, ok := parseEntry(name); ok && e.key == key && e.value == value {
				found = true
				if err := t.remove(path + "/" + name); err != nil {
					return err
				}
			}
		}
		if !found {
			return &Error{Object: "entry " + key + " " + value, Err: ErrNotFound}
		}
		return nil
	})
}

// MACEntry says that a station is behind a port of a bridge.
type MACEntry struct {
	MAC  packet.MAC  `json:"macAddr"`
	VLAN uint16      `json:"vlanId,omitempty"`
	Port topology.ID `json:"portId"`
}

// macTable is the table of a bridge for a VLAN.
func (v *Inventory) macTable(bridge topology.ID, vlan uint16) string {
	if vlan == 0 {
		return v.paths.bridge(bridge) + "/mac_ports"
	}
	return fmt.Sprintf("%s/vlans/%d/mac_ports", v.paths.bridge(bridge), vlan)
}

// MACTable returns where the stations of a bridge are, of a VLAN or of none.
func (v *Inventory) MACTable(ctx context.Context, bridge topology.ID, vlan uint16) ([]MACEntry, error) {
	if _, err := v.Bridge(ctx, bridge); err != nil {
		return nil, err
	}
	entries, err := v.table(ctx, v.macTable(bridge, vlan))
	if err != nil {
		return nil, err
	}
	var all []MACEntry
	for _, e := range entries {
		m, macErr := packet.ParseMAC(e.key)
		port, portErr := topology.ParseID(e.value)
		if macErr == nil && portErr == nil {
			all = append(all, MACEntry{m, vlan, port})
		}
	}
	return all, nil
}

// AddMAC notes where a station is as long as a session lives, or for good if that is
// nil.
func (v *Inventory) AddMAC(ctx context.Context, owner store.Session, bridge topology.ID, e MACEntry) error {
	switch p, err := v.Port(ctx, e.Port); {
	case err != nil:
		return err
	case p.Device != bridge:
		return invalid("bridge", bridge, "portId", "it has no port %v", e.Port)
	case e.MAC.IsGroup():
		return invalid("bridge", bridge, "macAddr", "got the group address %v", e.MAC)
	case e.VLAN > 4094:
		return invalid("bridge", bridge, "vlanId", "got %d, want at most 4094", e.VLAN)
	case e.VLAN > 0:
		err := v.change(ctx, nil, func(t *tx) error {
			t.ensure(store.Parent(v.macTable(bridge, e.VLAN)))
			t.ensure(v.macTable(bridge, e.VLAN))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return v.addEntry(ctx, owner, v.macTable(bridge, e.VLAN), e.MAC.String(), e.Port.String())
}

// RemoveMAC forgets where a station is.
func (v *Inventory) RemoveMAC(ctx context.Context, bridge topology.ID, e MACEntry) error {
	return v.removeEntry(ctx, v.macTable(bridge, e.VLAN), e.MAC.String(), e.Port.String())
}

// ARPEntry says which station has an address.
type ARPEntry struct {
	Addr netip.Addr `json:"ip"`
	MAC  packet.MAC `json:"mac"`
}

func (v *Inventory) arpTable(bridge topology.ID) string {
	return v.paths.bridge(bridge) + "/ip4_mac_map"
}

// ARPTable returns which stations of a bridge have which addresses.
func (v *Inventory) ARPTable(ctx context.Context, bridge topology.ID) ([]ARPEntry, error) {
	if _, err := v.Bridge(ctx, bridge); err != nil {
		return nil, err
	}
	entries, err := v.table(ctx, v.arpTable(bridge))
	if err != nil {
		return nil, err
	}
	var all []ARPEntry
	for _, e := range entries {
		a, addrErr := netip.ParseAddr(e.key)
		m, macErr := packet.ParseMAC(e.value)
		if addrErr == nil && macErr == nil {
			all = append(all, ARPEntry{a, m})
		}
	}
	slices.SortFunc(all, func(a, b ARPEntry) int { return a.Addr.Compare(b.Addr) })
	return all, nil
}

// AddARP notes which station has an address as long as a session lives, or for good if
// that is nil.
func (v *Inventory) AddARP(ctx context.Context, owner store.Session, bridge topology.ID, e ARPEntry) error {
	switch _, err := v.Bridge(ctx, bridge); {
	case err != nil:
		return err
	case !e.Addr.Is4():
		return invalid("bridge", bridge, "ip", "got %v, want an IPv4 address", e.Addr)
	case e.MAC.IsGroup():
		return invalid("bridge", bridge, "mac", "got the group address %v", e.MAC)
	}
	return v.addEntry(ctx, owner, v.arpTable(bridge), e.Addr.String(), e.MAC.String())
}

// RemoveARP forgets which station has an address.
func (v *Inventory) RemoveARP(ctx context.Context, bridge topology.ID, e ARPEntry) error {
	return v.removeEntry(ctx, v.arpTable(bridge), e.Addr.String(), e.MAC.String())
}
