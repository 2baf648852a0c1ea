// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/flow/topology"
)

// CreateChain makes a chain without rules.
func (v *Inventory) CreateChain(ctx context.Context, c topology.Chain) (topology.Chain, error) {
	c.ID = newID(c.ID)
	if err := valid("chain", c.ID, c); err != nil {
		return c, err
	}
	return c, v.change(ctx, nil, func(t *tx) error {
		if ok, err := t.exists(t.paths.chain(c.ID)); err != nil {
			return err
		} else if ok {
			return &Error{Object: "chain", ID: c.ID, Err: ErrExists}
		}
		return t.createChain(&c, []topology.ID{})
	})
}

func (t *tx) createChain(c *topology.Chain, rules []topology.ID) error {
	return errors.Join(
		t.create(t.paths.chain(c.ID), c),
		t.create(t.paths.rules(c.ID), rules),
		t.create(t.paths.refs(c.ID), nil))
}

// Chain returns a chain.
func (v *Inventory) Chain(ctx context.Context, id topology.ID) (topology.Chain, error) {
	return get[topology.Chain](ctx, v, topology.KindChain, v.paths.chain(id), id)
}

// Chains returns all chains.
func (v *Inventory) Chains(ctx context.Context) ([]topology.Chain, error) {
	return list[topology.Chain](ctx, v, topology.KindChain, v.paths.top("chains"), v.paths.chain)
}

// maxRules is how many rules are deleted in one transaction, and maxRefs how many
// devices lose a filter.
const (
	maxRules = 1000
	maxRefs  = 500
)

// DeleteChain deletes a chain with its rules; devices lose it as their filter. Rules
// that jump to it stay. Trace rules go with it, and requests whose rule it had stay
// enabled without one.
func (v *Inventory) DeleteChain(ctx context.Context, id topology.ID) error {
	for {
		more := false
		err := v.change(ctx, []any{id}, func(t *tx) error {
			more = false
			var c topology.Chain
			if err := t.mustLoad(topology.KindChain, id, &c); err != nil {
				return err
			}
			rules, err := t.chainRules(id)
			if err != nil {
				return err
			}
			refs, err := t.children(t.paths.refs(id))
			if err != nil {
				return err
			}
			if more = len(rules) > maxRules || len(refs) > maxRefs; more {
				return t.shrinkChain(id, rules, refs)
			}
			for _, rule := range rules {
				if err := t.remove(t.paths.rule(rule)); err != nil {
					return err
				}
			}
			if err := t.unfilter(id, refs); err != nil {
				return err
			}
			return t.removeTree(t.paths.chain(id))
		})
		if err != nil || !more {
			return err
		}
	}
}

// shrinkChain removes some of a chain's references, or else its last rules.
func (t *tx) shrinkChain(id topology.ID, rules []topology.ID, refs []string) error {
	if len(refs) > maxRefs {
		return t.unfilter(id, refs[:maxRefs])
	}
	for _, rule := range rules[len(rules)-maxRules:] {
		if err := t.remove(t.paths.rule(rule)); err != nil {
			return err
		}
	}
	return t.put(t.paths.rules(id), rules[:len(rules)-maxRules])
}

// unfilter takes a chain off devices that have it as a filter.
func (t *tx) unfilter(chain topology.ID, refs []string) error {
	for _, ref := range refs {
		kind, text, _ := strings.Cut(ref, ":")
		if err := t.remove(t.paths.refs(chain) + "/" + ref); err != nil {
			return err
		}
		id, err := topology.ParseID(text)
		if err != nil {
			continue // made by hand
		}
		f, err := t.device(topology.Kind(kind), id)
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		for _, filter := range []*topology.ID{f.in, f.out} {
			if *filter == chain {
				*filter = topology.ID{}
			}
		}
		if err := t.save(f); err != nil {
			return err
		}
	}
	return nil
}

// chainRules returns the rules of a chain in their order; none if it is not there.
func (t *tx) chainRules(chain topology.ID) (rules []topology.ID, err error) {
	_, err = t.load(t.paths.rules(chain), &rules)
	return rules, err
}

// CreateRule puts a rule at a position, from 1, of its chain; those from there on move
// down. Positions do not count rules that are hidden from the caller; nil is that none
// are.
func (v *Inventory) CreateRule(ctx context.Context, r topology.Rule, position int, hidden func(*topology.Rule) bool) (topology.Rule, error) {
	r.ID = newID(r.ID)
	if r.Type == topology.TraceRule {
		return r, invalid("rule", r.ID, "type", "got trace: enabling a trace request makes such a rule")
	}
	if err := valid("rule", r.ID, r); err != nil {
		return r, err
	}
	return r, v.change(ctx, []any{r.Chain}, func(t *tx) error {
		var c topology.Chain
		if err := t.mustLoad(topology.KindChain, r.Chain, &c); err != nil {
			return err
		}
		if ok, err := t.exists(t.paths.rule(r.ID)); err != nil {
			return err
		} else if ok {
			return &Error{Object: "rule", ID: r.ID, Err: ErrExists}
		}
		rules, err := t.chainRules(r.Chain)
		if err != nil {
			return err
		}
		at, err := t.placeRule(&r, rules, position, hidden)
		if err != nil {
			return err
		}
		if r.Type == topology.JumpRule {
			if ok, err := t.exists(t.paths.chain(r.JumpChain)); err != nil {
				return err
			} else if !ok {
				return invalid("rule", r.ID, "jumpChainId", "there is no chain %v", r.JumpChain)
			}
		}
		return t.insertRule(&r, rules, at)
	})
}

// placeRule returns the position among all rules for one among those that are not
// hidden.
func (t *tx) placeRule(r *topology.Rule, rules []topology.ID, position int, hidden func(*topology.Rule) bool) (int, error) {
	shown := make([]int, 0, len(rules)) // positions
	for i, id := range rules {
		if hidden != nil {
			var other topology.Rule
			if ok, err := t.load(t.paths.rule(id), &other); err != nil {
				return 0, err
			} else if ok && hidden(&other) {
				continue
			}
		}
		shown = append(shown, i+1)
	}
	switch {
	case position < 1 || position > len(shown)+1:
		return 0, invalid("rule", r.ID, "position", "got %d, want 1 to %d", position, len(shown)+1)
	case position == len(shown)+1:
		return len(rules) + 1, nil
	default:
		return shown[position-1], nil
	}
}

// insertRule makes a rule and puts it into the list of its chain.
func (t *tx) insertRule(r *topology.Rule, rules []topology.ID, position int) error {
	if err := t.put(t.paths.rule(r.ID), r); err != nil {
		return err
	}
	return t.put(t.paths.rules(r.Chain), slices.Insert(slices.Clone(rules), position-1, r.ID))
}

// Rule returns a rule and its position in its chain, 0 if that does not have it.
func (v *Inventory) Rule(ctx context.Context, id topology.ID) (topology.Rule, int, error) {
	r, err := get[topology.Rule](ctx, v, topology.KindRule, v.paths.rule(id), id)
	if err != nil {
		return r, 0, err
	}
	rules, err := get[[]topology.ID](ctx, v, topology.KindChain, v.paths.rules(r.Chain), r.Chain)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return r, 0, err
	}
	return r, slices.Index(rules, id) + 1, nil
}

// Rules returns the rules of a chain in their order.
func (v *Inventory) Rules(ctx context.Context, chain topology.ID) ([]topology.Rule, error) {
	ids, err := get[[]topology.ID](ctx, v, topology.KindChain, v.paths.rules(chain), chain)
	if err != nil {
		return nil, err
	}
	return listIDs[topology.Rule](ctx, v, topology.KindRule, ids, v.paths.rule)
}

// DeleteRule deletes a rule.
func (v *Inventory) DeleteRule(ctx context.Context, id topology.ID) error {
	return v.change(ctx, nil, func(t *tx) error {
		var r topology.Rule
		if err := t.mustLoad(topology.KindRule, id, &r); err != nil {
			return err
		}
		return t.deleteRule(&r)
	})
}

// deleteRule removes a rule and its place in the list, whichever is there.
func (t *tx) deleteRule(r *topology.Rule) error {
	if err := t.remove(t.paths.rule(r.ID)); err != nil {
		return err
	}
	rules, err := t.chainRules(r.Chain)
	if err != nil {
		return err
	}
	i := slices.Index(rules, r.ID)
	if i < 0 {
		return nil
	}
	return t.put(t.paths.rules(r.Chain), slices.Delete(rules, i, i+1))
}
