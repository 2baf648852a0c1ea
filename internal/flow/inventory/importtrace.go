// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/topology"
)

// suspended is an enabled request whose rule has been taken out while other objects are
// replaced.
type suspended struct {
	request *topology.TraceRequest
	rule    *topology.Rule
	chain   *topology.Chain // that was made for such rules; nil if the rule was in another
}

// suspend takes the rules of enabled requests out of a snapshot, which has maps of its
// own, but for requests that s has itself.
func suspend(m, s *topology.Snapshot) (all []suspended) {
	for _, id := range sorted(m.Requests) {
		r := m.Requests[id]
		if !r.Enabled || s.Requests[id] != nil {
			continue
		}
		for chain, rules := range m.Rules {
			i := slices.IndexFunc(rules, func(rule *topology.Rule) bool { return rule.ID == r.EnabledRule })
			if i < 0 {
				continue
			}
			one := suspended{request: r, rule: rules[i]}
			if c := m.Chains[chain]; c != nil && strings.HasPrefix(c.Name, topology.TraceChainPrefix) {
				one.chain = c
			}
			set(&m.Rules, chain, slices.Delete(slices.Clone(rules), i, i+1))
			all = append(all, one)
			break
		}
	}
	slices.Reverse(all) // each is put on top of the others again
	return all
}

// resume puts the rules first into the filters that their devices have now. A device
// without one gets the chain that was made for its traces, or a new one.
func resume(m *topology.Snapshot, all []suspended) {
	for _, one := range all {
		in, tenant := inbound(m, traced(one.request.DeviceType), one.request.Device)
		if in == nil {
			continue
		}
		if *in == (topology.ID{}) {
			if one.chain == nil {
				one.chain = &topology.Chain{ID: newID(topology.ID{}), Name: topology.TraceChainPrefix + one.request.ID.String(), TenantID: tenant}
			}
			overlay(&m.Chains, map[topology.ID]*topology.Chain{one.chain.ID: one.chain})
			*in = one.chain.ID
		}
		rule := *one.rule
		rule.Chain = *in
		set(&m.Rules, *in, append([]*topology.Rule{&rule}, m.Rules[*in]...))
	}
	for id, c := range m.Chains { // those that were left for other filters
		if strings.HasPrefix(c.Name, topology.TraceChainPrefix) && len(m.Rules[id]) == 0 && !filter(m, id) {
			delete(m.Chains, id)
		}
	}
}

// inbound returns the inbound filter of a device, in a copy of it that takes its place,
// and its tenant. It is nil if there is no such device.
func inbound(m *topology.Snapshot, k topology.Kind, id topology.ID) (in *topology.ID, tenant string) {
	switch k {
	case topology.KindBridge:
		if old := m.Bridges[id]; old != nil {
			b := *old
			m.Bridges[id] = &b
			return &b.InboundFilter, b.TenantID
		}
	case topology.KindRouter:
		if old := m.Routers[id]; old != nil {
			r := *old
			m.Routers[id] = &r
			return &r.InboundFilter, r.TenantID
		}
	default:
		if old := m.Ports[id]; old != nil {
			p := *old
			m.Ports[id] = &p
			tenant, _ := m.Tenant(id)
			return &p.InboundFilter, tenant
		}
	}
	return nil, ""
}

// filter reports whether a chain is a filter of a device.
func filter(m *topology.Snapshot, chain topology.ID) bool {
	for _, b := range m.Bridges {
		if b.InboundFilter == chain || b.OutboundFilter == chain {
			return true
		}
	}
	for _, r := range m.Routers {
		if r.InboundFilter == chain || r.OutboundFilter == chain {
			return true
		}
	}
	for _, p := range m.Ports {
		if p.InboundFilter == chain || p.OutboundFilter == chain {
			return true
		}
	}
	return false
}
