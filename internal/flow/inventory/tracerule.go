// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"errors"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/topology"
)

// enable puts a request's rule first into the inbound filter of its device. A device
// without one gets a chain for it.
func (t *tx) enable(r *topology.TraceRequest) error {
	f, err := t.device(traced(r.DeviceType), r.Device)
	if err != nil {
		return err
	}
	if f == nil {
		return notFound(string(traced(r.DeviceType)), r.Device)
	}
	there := false
	if *f.in != (topology.ID{}) {
		if there, err = t.exists(t.paths.chain(*f.in)); err != nil {
			return err
		}
	}
	if !there { // there is none, or it was removed by hand
		if *f.in, err = t.createTraceChain(f, r.ID); err != nil {
			return err
		}
		if err := t.save(f); err != nil {
			return err
		}
	}
	rule := traceRule(r, *f.in)
	rules, err := t.chainRules(*f.in)
	if err != nil {
		return err
	}
	if err := t.insertRule(rule, rules, 1); err != nil {
		return err
	}
	r.Enabled, r.EnabledRule = true, rule.ID
	return t.put(t.paths.trace(r.ID), r)
}

// traceRule returns a new rule of a request.
func traceRule(r *topology.TraceRequest, chain topology.ID) *topology.Rule {
	return &topology.Rule{
		ID: newID(topology.ID{}), Chain: chain, Type: topology.TraceRule, Condition: r.Condition,
		Request: r.ID, Limit: r.Limit, Device: r.Device,
	}
}

// createTraceChain makes an empty chain for the inbound filter of a device. The caller
// writes the device.
func (t *tx) createTraceChain(f *filtered, request topology.ID) (topology.ID, error) {
	tenant, err := t.tenant(f)
	if err != nil {
		return topology.ID{}, err
	}
	c := topology.Chain{ID: newID(topology.ID{}), Name: topology.TraceChainPrefix + request.String(), TenantID: tenant}
	if err := t.createChain(&c, []topology.ID{}); err != nil {
		return topology.ID{}, err
	}
	return c.ID, t.create(t.paths.ref(c.ID, f.kind, f.id), nil)
}

// tenant returns the tenant of a device; that of a port is its device's.
func (t *tx) tenant(f *filtered) (string, error) {
	p, ok := f.value.(*topology.Port)
	if !ok {
		return f.tenant, nil
	}
	k := topology.KindBridge
	if p.Type == topology.RouterPort {
		k = topology.KindRouter
	}
	d, err := t.device(k, p.Device)
	if err != nil || d == nil {
		return "", err
	}
	return d.tenant, nil
}

// disable removes a request's rule, and the chain that was made for such rules when it
// is empty. What was removed by hand is no error.
func (t *tx) disable(r *topology.TraceRequest) error {
	var rule topology.Rule
	ok, err := t.load(t.paths.rule(r.EnabledRule), &rule)
	if err != nil {
		return err
	}
	k := traced(r.DeviceType)
	if !ok { // its place in the list may be left
		f, err := t.device(k, r.Device)
		if err != nil {
			return err
		}
		rule = topology.Rule{ID: r.EnabledRule}
		if f != nil {
			rule.Chain = *f.in
		}
	}
	if rule.Chain != (topology.ID{}) {
		if err := t.deleteRule(&rule); err != nil {
			return err
		}
		if err := t.dropTraceChain(k, r.Device, rule.Chain); err != nil {
			return err
		}
	}
	r.Enabled, r.EnabledRule = false, topology.ID{}
	return t.put(t.paths.trace(r.ID), r)
}

// dropTraceChain removes a chain that was made for trace rules, if it is empty and no
// other device has it.
func (t *tx) dropTraceChain(k topology.Kind, device, chain topology.ID) error {
	var c topology.Chain
	ok, err := t.load(t.paths.chain(chain), &c)
	if err != nil || !ok || !strings.HasPrefix(c.Name, topology.TraceChainPrefix) {
		return err
	}
	rules, err := t.chainRules(chain)
	if err != nil || len(rules) > 0 {
		return err
	}
	refs, err := t.children(t.paths.refs(chain))
	if err != nil {
		return err
	}
	mine := string(k) + ":" + device.String()
	if slices.ContainsFunc(refs, func(ref string) bool { return ref != mine }) {
		return nil
	}
	if len(refs) == 0 { // removed by hand, which the device does not know
		refs = []string{mine}
	}
	if err := t.unfilter(chain, refs); err != nil {
		return err
	}
	return t.removeTree(t.paths.chain(chain))
}

// replaceTraceRule puts a new rule of a request in the place of its old one. If that
// was removed by hand there is no place.
func (t *tx) replaceTraceRule(r *topology.TraceRequest) error {
	var old topology.Rule
	if ok, err := t.load(t.paths.rule(r.EnabledRule), &old); err != nil || !ok {
		return err
	}
	rules, err := t.chainRules(old.Chain)
	if err != nil {
		return err
	}
	i := slices.Index(rules, old.ID)
	if i < 0 {
		return nil
	}
	rule := traceRule(r, old.Chain)
	rules = slices.Clone(rules)
	rules[i] = rule.ID
	r.EnabledRule = rule.ID
	return errors.Join(t.remove(t.paths.rule(old.ID)), t.create(t.paths.rule(rule.ID), rule), t.put(t.paths.rules(old.Chain), rules))
}

// moveTraces takes the rules of a device's enabled requests along when its inbound
// filter changes from old to *in. When that is to be none it becomes a chain for them.
// The caller writes the device.
func (t *tx) moveTraces(f *filtered, old topology.ID, in *topology.ID) error {
	if old == *in {
		return nil
	}
	requests, err := t.requests(f.kind, f.id)
	if err != nil {
		return err
	}
	var moving []*topology.Rule
	for _, r := range requests {
		rule := new(topology.Rule)
		if !r.Enabled {
			continue
		}
		if ok, err := t.load(t.paths.rule(r.EnabledRule), rule); err != nil {
			return err
		} else if ok {
			moving = append(moving, rule)
		}
	}
	if len(moving) == 0 {
		return nil
	}
	if *in == (topology.ID{}) {
		var c topology.Chain
		if ok, err := t.load(t.paths.chain(old), &c); err != nil {
			return err
		} else if ok && strings.HasPrefix(c.Name, topology.TraceChainPrefix) {
			*in = old // it is that chain already
			return nil
		}
		if *in, err = t.createTraceChain(f, moving[0].Request); err != nil {
			return err
		}
	}
	return t.moveRules(f, moving, old, *in)
}

// moveRules puts rules, which are of one chain, first into another.
func (t *tx) moveRules(f *filtered, moving []*topology.Rule, old, in topology.ID) error {
	before, err := t.chainRules(old)
	if err != nil {
		return err
	}
	slices.SortFunc(moving, func(a, b *topology.Rule) int { return slices.Index(before, b.ID) - slices.Index(before, a.ID) })
	for _, rule := range moving { // from the last to the first, each to the top
		if err := t.deleteRule(rule); err != nil {
			return err
		}
		rules, err := t.chainRules(in)
		if err != nil {
			return err
		}
		rule.Chain = in
		if err := t.insertRule(rule, rules, 1); err != nil {
			return err
		}
	}
	// The device has another filter now, whatever its node says in this transaction.
	var c topology.Chain
	ok, err := t.load(t.paths.chain(old), &c)
	if err != nil || !ok || !strings.HasPrefix(c.Name, topology.TraceChainPrefix) {
		return err
	}
	rules, err := t.chainRules(old)
	if err != nil || len(rules) > 0 {
		return err
	}
	refs, err := t.children(t.paths.refs(old))
	if err != nil {
		return err
	}
	mine := string(f.kind) + ":" + f.id.String()
	if slices.ContainsFunc(refs, func(ref string) bool { return ref != mine }) || *f.out == old {
		return nil
	}
	return t.removeTree(t.paths.chain(old))
}
