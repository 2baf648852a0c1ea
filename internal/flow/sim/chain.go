// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"sync/atomic"

	"github.com/weir-io/weir/internal/flow/topology"
)

// chain is a compiled chain.
type chain struct {
	id    topology.ID
	name  string
	rules []rule // those that trace first
}

// rule is a compiled rule.
type rule struct {
	src       *topology.Rule
	position  int // in the chain, from 1
	traces    bool
	condition condition
	jump      *chain  // or nil
	action    verdict // of translations
	targets   []target
	static    bool
	hits      *atomic.Int64 // of trace rules
}

// verdict is the result of a rule or a chain.
type verdict uint8

const (
	proceed verdict = iota
	accept
	drop
	reject
	giveBack    // return
	traceHere   // the simulation starts anew
	missingPort // not yet: a translation has no port
)

var verdictNames = [...]string{"CONTINUE", "ACCEPT", "DROP", "REJECT", "RETURN", "RESTART", "NOT_YET"}

func (v verdict) String() string { return verdictNames[v] }

// chains compiles all chains. A jump to one that is not there is kept, and skipped.
func (k *compiler) chains() {
	k.compiled = map[topology.ID]*chain{}
	for id, c := range k.snapshot.Chains {
		k.compiled[id] = &chain{id: id, name: c.Name}
	}
	for id, c := range k.compiled {
		for i, r := range k.snapshot.Rules[id] {
			c.rules = append(c.rules, k.rule(r, i+1))
		}
		slices.SortStableFunc(c.rules, func(a, b rule) int {
			return rank(a.traces) - rank(b.traces)
		})
	}
}

// rank puts trace rules ahead of the others.
func rank(traces bool) int {
	if traces {
		return 0
	}
	return 1
}

func (k *compiler) rule(r *topology.Rule, position int) rule {
	c := rule{src: r, position: position, traces: r.Type == topology.TraceRule, condition: k.compileCondition(r), jump: k.compiled[r.JumpChain]}
	switch r.FlowAction {
	case topology.FlowContinue:
		c.action = proceed
	case topology.FlowReturn:
		c.action = giveBack
	default:
		c.action = accept
	}
	for _, t := range r.NATTargets {
		c.targets = append(c.targets, newTarget(t))
	}
	c.static = isStatic(r.NATTargets)
	if r.Type == topology.TraceRule {
		c.hits = k.hits.counter(r.Request)
	}
	return c
}

// filter takes the packet, or what a router answers to it, through a filter of a device
// or port, of which one is owner. Only what the packet reaches is observed.
// The result is accept, drop, reject, traceHere or missingPort.
func (c *Context) filter(ch *chain, s Stage) verdict {
	if c.log != nil && !c.answering {
		if o, ok := c.log.(FilterObserver); ok {
			s.Chain = ch != nil
			o.Reached(s)
		}
	}
	if ch == nil {
		return accept
	}
	c.visited = c.visited[:0]
	switch v := c.evaluate(ch, &s); v {
	case proceed, giveBack:
		return accept
	default:
		return v
	}
}

// manyChains is from how many chains in one evaluation on records warn.
const manyChains = 25

// evaluate takes the packet through the rules of a chain.
func (c *Context) evaluate(ch *chain, s *Stage) verdict {
	c.visited = append(c.visited, ch)
	c.tag(TagChain, ch.id)
	if c.log != nil {
		e := Event{Kind: EventChain, Chain: ch.id, Name: ch.name, Device: s.Owner, Dir: s.Dir}
		if len(c.visited) > manyChains {
			e.Result = "many chains"
		}
		c.record(e)
	}
	for i := range ch.rules {
		r := &ch.rules[i]
		if r.traces && (s.Owner != r.src.Device || s.Dir != In || c.made || c.answering) {
			continue
		}
		if !r.condition.matches(c) {
			if c.log != nil {
				c.recordRule(ch, r, s, Event{Result: proceed.String()})
			}
			continue
		}
		v := c.apply(ch, r, s)
		if v != proceed {
			if r.src.Type == topology.DropRule || r.src.Type == topology.RejectRule {
				c.decide(Decision{Reason: ReasonRule, Device: s.Owner, Chain: ch.id, Rule: r.src.ID, Position: r.position})
			}
			return v
		}
	}
	return proceed
}

// apply does what a rule says, whose condition holds.
func (c *Context) apply(ch *chain, r *rule, s *Stage) verdict {
	v, applied := proceed, true
	var e Event
	switch r.src.Type {
	case topology.AcceptRule:
		v = accept
	case topology.DropRule:
		v = drop
	case topology.RejectRule:
		v = reject
	case topology.ReturnRule:
		v = giveBack
	case topology.JumpRule:
		return c.jump(ch, r, s)
	case topology.TraceRule:
		v = c.trace(r)
	default:
		v, applied = c.translate(r, &e)
	}
	if c.log != nil && v != traceHere {
		e.Matched, e.Applied, e.Result = true, applied, v.String()
		c.recordRule(ch, r, s, e)
	}
	return v
}

// jump evaluates another chain. One that was visited is not visited again.
func (c *Context) jump(ch *chain, r *rule, s *Stage) verdict {
	result := "JUMP"
	switch {
	case r.jump == nil:
		result = "missing chain"
	case slices.Contains(c.visited, r.jump):
		result = "chain already visited"
	}
	possible := result == "JUMP"
	if c.log != nil {
		c.recordRule(ch, r, s, Event{Matched: true, Applied: possible, Result: result})
	}
	if !possible {
		return proceed
	}
	v := c.evaluate(r.jump, s)
	if v == giveBack {
		return proceed
	}
	return v
}

// trace takes the packet for the request of a rule: the simulation starts anew, with
// records. What was taken once is not counted again.
func (c *Context) trace(r *rule) verdict {
	c.tag(TagRequest, r.src.Request)
	if c.isTraced(r.src.Request) {
		if c.tracing {
			return proceed
		}
	} else {
		if !take(r.hits, r.src.Limit) {
			return proceed
		}
		c.requests = append(c.requests, r.src.Request)
	}
	if c.traceID == (topology.ID{}) && c.NewTraceID != nil {
		c.traceID = c.NewTraceID()
	}
	c.tracing = true
	c.log = c.Recorder
	if c.log != nil {
		c.record(Event{Kind: EventRestart, Reason: "trace", Request: r.src.Request})
	}
	return traceHere
}

// recordRule records a rule that was tried; e has how that came out.
func (c *Context) recordRule(ch *chain, r *rule, s *Stage, e Event) {
	e.Kind = EventRule
	e.Chain, e.Rule, e.Position, e.RuleType, e.Name = ch.id, r.src.ID, r.position, r.src.Type, ch.name
	e.Device, e.Dir = s.Owner, s.Dir
	c.record(e)
}
