// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// filterOf returns the inbound filter of a bridge.
func (s *stand) filterOf(bridge topology.ID) topology.ID {
	s.Helper()
	return must(s.Bridge(s.ctx, bridge))(s).InboundFilter
}

// ruleIDs returns the rules of a chain.
func (s *stand) ruleIDs(chain topology.ID) (ids []topology.ID) {
	s.Helper()
	for _, r := range must(s.Rules(s.ctx, chain))(s) {
		ids = append(ids, r.ID)
	}
	return ids
}

// wantEnabled fails the test unless a request is enabled with its rule first in a
// chain, and returns it.
func (s *stand) wantEnabled(id, chain topology.ID) topology.TraceRequest {
	s.Helper()
	q := must(s.Trace(s.ctx, id))(s)
	r, position, err := s.Rule(s.ctx, q.EnabledRule)
	if !q.Enabled || err != nil || position != 1 || r.Chain != chain || r.Type != topology.TraceRule || r.Request != id || r.Limit != q.Limit || r.Device != q.Device {
		s.Errorf("request %+v has the rule %+v at %d (%v), want one first in chain %v", q, r, position, err, chain)
	}
	return q
}

func testTraces(s *stand) {
	b, r := s.newBridge(), s.newRouter()
	p := s.newRouterPort(r.ID, "10.0.0.1/24")
	proto := uint8(6)
	for _, c := range []struct {
		device topology.DeviceType
		id     topology.ID
	}{{topology.TraceBridge, b.ID}, {topology.TraceRouter, r.ID}, {topology.TracePort, p.ID}} {
		q := must(s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: c.device, Device: c.id, Condition: topology.Condition{Proto: &proto}}))(s)
		if q.Limit != math.MaxInt64 || q.CreatedMS == 0 || q.Enabled {
			s.Errorf("a request of little: got %+v", q)
		}
		s.equal("the request", must(s.Trace(s.ctx, q.ID))(s), q)
		_, err := s.CreateTrace(s.ctx, q)
		s.want("a request twice", err, ErrExists)
		q.ID = topology.ID{}
		q.Device = nowhere
		_, err = s.CreateTrace(s.ctx, q)
		s.want("no such device", err, ErrNotFound)
	}
	_, err := s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TraceBridge, Device: p.ID, Limit: 1})
	s.want("a bridge that is a port", err, ErrNotFound)
	_, err = s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TraceBridge, Device: b.ID, Limit: -1})
	s.wantProperty("a negative limit", err, "limit")
	_, err = s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: "VM", Device: b.ID, Limit: 1})
	s.wantProperty("another device", err, "deviceType")
	s.equal("requests", len(must(s.Traces(s.ctx))(s)), 3)
	for what, err := range map[string]error{
		"enable": s.EnableTrace(s.ctx, nowhere), "disable": s.DisableTrace(s.ctx, nowhere), "delete": s.DeleteTrace(s.ctx, nowhere),
		"update": s.UpdateTrace(s.ctx, topology.TraceRequest{ID: nowhere, DeviceType: topology.TraceBridge, Limit: 1}),
	} {
		s.want(what+" of no request", err, ErrNotFound)
	}
	s.ok(s.DeleteRouter(s.ctx, r.ID))
	s.equal("requests after the router and its port", len(must(s.Traces(s.ctx))(s)), 1)
	s.ok(s.DeleteTrace(s.ctx, must(s.Traces(s.ctx))(s)[0].ID))
}

func testEnable(s *stand) {
	b := s.newBridge()
	q := s.newTrace(b.ID)
	s.unchanged("disabling what is not enabled", func() { s.ok(s.DisableTrace(s.ctx, q.ID)) })
	s.ok(s.EnableTrace(s.ctx, q.ID))
	made := s.filterOf(b.ID)
	s.wantEnabled(q.ID, made)
	if c := must(s.Chain(s.ctx, made))(s); c.Name != "TRACE_REQUEST_CHAIN_"+q.ID.String() || c.TenantID != "t1" {
		s.Errorf("the chain that was made: got %+v", c)
	}
	s.checkTree()
	s.unchanged("enabling what is enabled", func() { s.ok(s.EnableTrace(s.ctx, q.ID)) })

	second := s.newTrace(b.ID)
	s.ok(s.EnableTrace(s.ctx, second.ID))
	s.wantEnabled(second.ID, made)
	s.equal("rules of both", len(s.ruleIDs(made)), 2)
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.wantEnabled(second.ID, made)
	s.equal("rules of one", len(s.ruleIDs(made)), 1)
	s.ok(s.DisableTrace(s.ctx, second.ID))
	if in := s.filterOf(b.ID); in != (topology.ID{}) {
		s.Errorf("after both are disabled the bridge has the filter %v", in)
	}
	if snap := s.load(); len(snap.Chains)+len(snap.Rules) > 0 {
		s.Errorf("after both are disabled: chains %v, rules %v", snap.Chains, snap.Rules)
	}

	own := s.newRule(must(s.CreateChain(s.ctx, topology.Chain{}))(s).ID, 1) // in a chain of its own
	b.InboundFilter = own.Chain
	s.ok(s.UpdateBridge(s.ctx, b))
	s.ok(s.EnableTrace(s.ctx, q.ID))
	enabled := s.wantEnabled(q.ID, own.Chain)
	s.equal("rules", s.ruleIDs(own.Chain), []topology.ID{enabled.EnabledRule, own.ID})
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.equal("rules after", s.ruleIDs(own.Chain), []topology.ID{own.ID})
	if s.filterOf(b.ID) != own.Chain {
		s.Error("disabling took away a filter that was not made for the trace")
	}

	at := must(s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TraceBridge, Device: b.ID, Limit: 1, Enabled: true}))(s)
	s.wantEnabled(at.ID, own.Chain)
	kept := s.newRule(own.Chain, 1) // a user's rule pushes the trace rule down: agents sort
	s.ok(s.DeleteTrace(s.ctx, at.ID))
	s.equal("rules after the request", s.ruleIDs(own.Chain), []topology.ID{kept.ID, own.ID})

	port := s.newBridgePort(b.ID) // the chain for a port's traces is of its device's tenant
	pq := must(s.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TracePort, Device: port.ID, Limit: 1, Enabled: true}))(s)
	in := must(s.Port(s.ctx, port.ID))(s).InboundFilter
	s.wantEnabled(pq.ID, in)
	s.equal("tenant of the chain", must(s.Chain(s.ctx, in))(s).TenantID, "t1")
	user := s.newRule(in, 2) // a chain that a user's rule is in stays
	s.ok(s.DisableTrace(s.ctx, pq.ID))
	s.equal("rules of the chain that stays", s.ruleIDs(in), []topology.ID{user.ID})
}

func testSharedChain(s *stand) {
	c := s.newChain()
	bridges := make([]topology.Bridge, 3)
	requests := make([]topology.TraceRequest, 3)
	for i := range bridges {
		bridges[i] = must(s.CreateBridge(s.ctx, topology.Bridge{TenantID: "t1", InboundFilter: c.ID}))(s)
		requests[i] = s.newTrace(bridges[i].ID)
		s.ok(s.EnableTrace(s.ctx, requests[i].ID))
		s.wantEnabled(requests[i].ID, c.ID) // with the device that alone evaluates it
	}
	s.ok(s.DeleteBridge(s.ctx, bridges[1].ID))
	s.equal("rules after one bridge", len(s.ruleIDs(c.ID)), 2)
	s.ok(s.DisableTrace(s.ctx, requests[0].ID))
	s.wantEnabled(requests[2].ID, c.ID)

	// A chain that was made for a trace and is another device's filter too stays.
	alone := s.newBridge()
	q := s.newTrace(alone.ID)
	s.ok(s.EnableTrace(s.ctx, q.ID))
	made := s.filterOf(alone.ID)
	b := bridges[0]
	b.OutboundFilter = made
	s.ok(s.UpdateBridge(s.ctx, b))
	s.ok(s.DisableTrace(s.ctx, q.ID))
	if s.filterOf(alone.ID) != made {
		s.Error("the chain is gone from the bridge though another has it")
	}
}

func testFilterChanges(s *stand) {
	c, d := s.newChain(), s.newChain()
	s.newRule(c.ID, 1)
	s.newRule(d.ID, 1)
	b := s.newBridge()
	q1, q2, idle := s.newTrace(b.ID), s.newTrace(b.ID), s.newTrace(b.ID)
	set := func(chain topology.ID) {
		s.Helper()
		b.InboundFilter = chain
		s.ok(s.UpdateBridge(s.ctx, b))
		s.checkTree()
	}
	both := func(chain topology.ID, others int) {
		s.Helper()
		rules := s.ruleIDs(chain)
		one, two := must(s.Trace(s.ctx, q1.ID))(s), must(s.Trace(s.ctx, q2.ID))(s)
		if len(rules) != others+2 || !slices.Equal(rules[:2], []topology.ID{two.EnabledRule, one.EnabledRule}) {
			s.Errorf("rules %v, want %v and %v before %d others", rules, two.EnabledRule, one.EnabledRule, others)
		}
		for _, r := range must(s.Rules(s.ctx, chain))(s) {
			if r.Chain != chain {
				s.Errorf("rule %v in chain %v says that it is of %v", r.ID, chain, r.Chain)
			}
		}
		if got := must(s.Trace(s.ctx, idle.ID))(s); got.Enabled {
			s.Error("a request that was not enabled is")
		}
	}
	s.ok(s.EnableTrace(s.ctx, q1.ID))
	s.ok(s.EnableTrace(s.ctx, q2.ID))
	made := s.filterOf(b.ID)
	set(topology.ID{}) // it is the chain that was made: it stays
	if s.filterOf(b.ID) != made {
		s.Errorf("the filter %v was cleared to %v", made, s.filterOf(b.ID))
	}
	both(made, 0)
	set(c.ID)
	both(c.ID, 1)
	if _, err := s.Chain(s.ctx, made); !errors.Is(err, ErrNotFound) {
		s.Errorf("the chain that was made for traces is still there: %v", err)
	}
	set(d.ID)
	both(d.ID, 1)
	s.equal("rules left behind", len(s.ruleIDs(c.ID)), 1)
	set(topology.ID{})
	again := s.filterOf(b.ID)
	both(again, 0)
	s.equal("tenant of the chain that clearing made", must(s.Chain(s.ctx, again))(s).TenantID, b.TenantID)
	s.equal("rules left behind", len(s.ruleIDs(d.ID)), 1)
	b.OutboundFilter = again
	set(c.ID)
	both(c.ID, 1)
	s.equal("the chain that is the outbound filter now", len(s.ruleIDs(again)), 0)
	b.InboundFilter = nowhere
	s.wantProperty("a filter that is not there", s.UpdateBridge(s.ctx, b), "inboundFilterId")
	both(c.ID, 1)
}

func testRemovedByHand(s *stand) {
	missing := func(q topology.TraceRequest, want bool) {
		s.Helper()
		q = must(s.Trace(s.ctx, q.ID))(s)
		if got, err := s.RuleMissing(s.ctx, q); got != want || err != nil || !q.Enabled {
			s.Errorf("rule missing: got %v, %v of %+v, want %v", got, err, q, want)
		}
	}
	b := s.newBridge()
	q := s.newTrace(b.ID)
	s.ok(s.EnableTrace(s.ctx, q.ID))
	missing(q, false)

	s.ok(s.DeleteRule(s.ctx, must(s.Trace(s.ctx, q.ID))(s).EnabledRule))
	missing(q, true)
	s.unchanged("enabling it", func() { s.ok(s.EnableTrace(s.ctx, q.ID)) })
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.checkTree()

	s.ok(s.EnableTrace(s.ctx, q.ID))
	s.ok(s.DeleteChain(s.ctx, s.filterOf(b.ID)))
	missing(q, true)
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.checkTree()

	// By ZooKeeper's shell, which knows nothing of what belongs together.
	s.ok(s.EnableTrace(s.ctx, q.ID))
	s.ok(s.raw().Delete(s.ctx, s.paths.rule(must(s.Trace(s.ctx, q.ID))(s).EnabledRule), store.AnyVersion))
	missing(q, true)
	if snap := s.load(); len(snap.Rules[s.filterOf(b.ID)]) != 0 {
		s.Errorf("the snapshot has rules that are not there: %v", snap.Rules)
	}
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.checkTree()

	s.ok(s.EnableTrace(s.ctx, q.ID))
	s.ok(s.raw().Delete(s.ctx, s.paths.ref(s.filterOf(b.ID), topology.KindBridge, b.ID), store.AnyVersion))
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.checkTree()
	if in := s.filterOf(b.ID); in != (topology.ID{}) {
		s.Errorf("the bridge has the filter %v, which is gone", in)
	}

	s.ok(s.EnableTrace(s.ctx, q.ID))
	in := s.filterOf(b.ID)
	for _, path := range []string{s.paths.ref(in, topology.KindBridge, b.ID), s.paths.refs(in), s.paths.rules(in), s.paths.chain(in)} {
		s.ok(s.raw().Delete(s.ctx, path, store.AnyVersion))
	}
	missing(q, true)
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.ok(s.EnableTrace(s.ctx, q.ID)) // the filter that is not there makes way
	s.wantEnabled(q.ID, s.filterOf(b.ID))
	s.ok(s.DeleteTrace(s.ctx, q.ID))
}

func testUpdateTrace(s *stand) {
	b, other := s.newBridge(), s.newBridge()
	q := s.newTrace(b.ID)
	proto := uint8(17)
	change := q
	change.Name, change.Condition.Proto, change.Limit = "new", &proto, 99
	s.ok(s.UpdateTrace(s.ctx, change))
	s.equal("after an update", must(s.Trace(s.ctx, q.ID))(s), change)
	s.unchanged("an update to what is there", func() { s.ok(s.UpdateTrace(s.ctx, change)) })
	change.Enabled = true
	s.ok(s.UpdateTrace(s.ctx, change))
	first := s.wantEnabled(q.ID, s.filterOf(b.ID))
	user := s.newRule(s.filterOf(b.ID), 1)

	change.Name = "newer"
	s.ok(s.UpdateTrace(s.ctx, change))
	s.equal("the rule after another name", must(s.Trace(s.ctx, q.ID))(s).EnabledRule, first.EnabledRule)
	change.Limit = 5
	s.ok(s.UpdateTrace(s.ctx, change))
	second := must(s.Trace(s.ctx, q.ID))(s)
	if second.EnabledRule == first.EnabledRule {
		s.Error("another limit left the rule, so agents would go on counting")
	}
	s.equal("rules", s.ruleIDs(s.filterOf(b.ID)), []topology.ID{user.ID, second.EnabledRule})
	r, _, err := s.Rule(s.ctx, second.EnabledRule)
	if err != nil || r.Limit != 5 || r.Proto == nil || *r.Proto != 17 {
		s.Errorf("the new rule: got %+v, %v", r, err)
	}
	s.checkTree()
	for id, want := range map[topology.ID]error{other.ID: ErrConflict, nowhere: ErrNotFound} {
		moved := change
		moved.Device = id
		s.want("another device", s.UpdateTrace(s.ctx, moved), want)
	}
	change.Enabled = false
	s.ok(s.UpdateTrace(s.ctx, change))
	s.equal("rules after", s.ruleIDs(s.filterOf(b.ID)), []topology.ID{user.ID})
	change.Limit = -3
	s.wantProperty("a negative limit", s.UpdateTrace(s.ctx, change), "limit")
}

func testDeleteTraced(s *stand) {
	b, c := s.newBridge(), s.newChain()
	p := s.newBridgePort(b.ID)
	p.InboundFilter = c.ID
	s.ok(s.UpdatePort(s.ctx, p))
	for _, q := range []topology.TraceRequest{
		{DeviceType: topology.TraceBridge, Device: b.ID},
		{DeviceType: topology.TraceBridge, Device: b.ID},
		{DeviceType: topology.TracePort, Device: p.ID},
	} {
		q.Enabled = true
		must(s.CreateTrace(s.ctx, q))(s)
	}
	s.ok(s.DeletePort(s.ctx, p.ID))
	s.checkTree()
	s.equal("rules of the chain", len(s.ruleIDs(c.ID)), 0)
	s.equal("requests", len(must(s.Traces(s.ctx))(s)), 2)
	s.ok(s.DeleteBridge(s.ctx, b.ID))
	s.equal("requests", len(must(s.Traces(s.ctx))(s)), 0)
	s.equal("chains", must(s.Chains(s.ctx))(s), []topology.Chain{c})
}

// at calls f many times at once, and returns the errors.
func at(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) }) // ends by itself; the caller waits below
	}
	all.Wait()
	return errs
}

func testParallelEnables(s *stand) {
	const many = 100
	b := s.newBridge()
	q := s.newTrace(b.ID)
	s.ok(errors.Join(at(many, func(int) error { return s.EnableTrace(s.ctx, q.ID) })...))
	s.equal("rules after 100 enables of one request", len(s.ruleIDs(s.filterOf(b.ID))), 1)
	s.wantEnabled(q.ID, s.filterOf(b.ID))
	s.ok(errors.Join(at(many, func(i int) error {
		if i%2 == 0 {
			return s.EnableTrace(s.ctx, q.ID)
		}
		return s.DisableTrace(s.ctx, q.ID)
	})...))
	s.ok(s.DisableTrace(s.ctx, q.ID))
	s.checkTree()

	requests := make([]topology.TraceRequest, 30)
	for i := range requests {
		requests[i] = s.newTrace(b.ID)
	}
	s.ok(errors.Join(at(len(requests), func(i int) error { return s.EnableTrace(s.ctx, requests[i].ID) })...))
	s.equal("rules after enables of many requests", len(s.ruleIDs(s.filterOf(b.ID))), len(requests))
	s.ok(errors.Join(at(len(requests), func(i int) error { return s.DeleteTrace(s.ctx, requests[i].ID) })...))
	if in := s.filterOf(b.ID); in != (topology.ID{}) {
		s.Errorf("after all are deleted the bridge has the filter %v", in)
	}
}

// testNoStateBetween: whoever follows never sees a request without its rule, or a rule
// without its request.
func testNoStateBetween(s *stand) {
	const rounds = 30
	b := s.newBridge()
	q := s.newTrace(b.ID)
	ctx, stop := context.WithCancel(s.ctx)
	done := errors.New("done")
	var following sync.WaitGroup
	seen, on := 0, 0
	following.Go(func() { // ended by stop; the test waits below
		err := s.Follow(ctx, func(snap *topology.Snapshot) {
			seen++
			if err := between(snap, q.ID, b.ID); err != nil {
				s.Error(err)
			}
			if snap.Requests[q.ID].Enabled {
				on++
			}
		})
		if !errors.Is(err, context.Canceled) {
			s.Errorf("follow: got %v, want %v", err, done)
		}
	})
	for range rounds {
		s.ok(s.EnableTrace(s.ctx, q.ID))
		s.ok(s.DisableTrace(s.ctx, q.ID))
	}
	stop()
	following.Wait()
	s.Logf("%d snapshots of %d changes, %d of them enabled", seen, 2*rounds, on)
}

// between returns an error if a snapshot is of no moment before or after enabling.
func between(snap *topology.Snapshot, request, bridge topology.ID) error {
	q, b := snap.Requests[request], snap.Bridges[bridge]
	rules := snap.Rules[b.InboundFilter]
	switch {
	case !q.Enabled && (b.InboundFilter != (topology.ID{}) || len(snap.Rules) > 0 || len(snap.Chains) > 0):
		return fmt.Errorf("not enabled, but filter %v, chains %v, rules %v", b.InboundFilter, snap.Chains, snap.Rules)
	case q.Enabled && (len(rules) != 1 || rules[0].ID != q.EnabledRule || snap.Chains[b.InboundFilter] == nil):
		return fmt.Errorf("enabled with rule %v, but filter %v with rules %v", q.EnabledRule, b.InboundFilter, rules)
	}
	return nil
}

// testTwoInventories: inventories that do not know of each other, as hubs of one
// store, get in each other's way and try again.
func testTwoInventories(s *stand) {
	other := s.another(s.store)
	b := s.newBridge()
	q := s.newTrace(b.ID)
	s.ok(errors.Join(at(10, func(i int) error {
		if i%2 == 0 {
			return s.EnableTrace(s.ctx, q.ID)
		}
		return other.EnableTrace(s.ctx, q.ID)
	})...))
	s.equal("rules", len(s.ruleIDs(s.filterOf(b.ID))), 1)
	keys := make(map[uint32]bool)
	var mu sync.Mutex
	s.ok(errors.Join(at(40, func(i int) error {
		v := s.Inventory
		if i%2 == 0 {
			v = other
		}
		p, err := v.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: b.ID})
		mu.Lock()
		defer mu.Unlock()
		keys[p.TunnelKey] = true
		return err
	})...))
	s.equal("tunnel keys of 40 ports", len(keys), 40)
}

// meddler is a session in which something else happens before each transaction.
type meddler struct {
	store.Session
	meddle func(ops []store.Op)
}

func (m *meddler) Multi(ctx context.Context, ops ...store.Op) ([]store.Result, error) {
	m.meddle(ops)
	return m.Session.Multi(ctx, ops...)
}

// meddled is a store of such sessions.
type meddled struct {
	store.Store
	meddle func(ops []store.Op)
}

func (m meddled) Session(ctx context.Context) (store.Session, error) {
	s, err := m.Store.Session(ctx)
	return &meddler{s, m.meddle}, err
}

// A device that is deleted between the look at it and the transaction: nothing is left
// behind. Others that change it each time: the tries are bounded.
func TestMeddling(t *testing.T) {
	d := newBolt(t)
	s := newStand(t, d)
	var meddle func()
	calls := 0
	v := s.another(meddled{d, func([]store.Op) {
		calls++
		meddle()
	}})
	b := s.newBridge()
	meddle = func() {
		if calls == 1 {
			s.ok(s.DeleteBridge(s.ctx, b.ID))
		}
	}
	_, err := v.CreateTrace(s.ctx, topology.TraceRequest{DeviceType: topology.TraceBridge, Device: b.ID, Enabled: true})
	s.want("a request for a bridge that is being deleted", err, ErrNotFound)
	s.checkTree()
	if snap := s.load(); len(snap.Requests)+len(snap.Chains) > 0 {
		t.Errorf("left behind: %v, %v", snap.Requests, snap.Chains)
	}

	b = s.newBridge()
	q := s.newTrace(b.ID)
	calls = 0
	meddle = func() {
		b.Name = strings.Repeat("x", calls)
		s.ok(s.UpdateBridge(s.ctx, b))
	}
	s.want("a bridge that changes all the time", v.EnableTrace(s.ctx, q.ID), ErrBusy)
	if calls != 10 {
		t.Errorf("%d tries, want 10", calls)
	}
	if got := must(s.Trace(s.ctx, q.ID))(s); got.Enabled {
		t.Error("it is enabled")
	}
}

// A filter that is changed between the look at it and the transaction: the rule goes
// where the filter is now.
func TestMeddlingWithFilter(t *testing.T) {
	d := newBolt(t)
	s := newStand(t, d)
	c1, c2 := s.newChain(), s.newChain()
	b := must(s.CreateBridge(s.ctx, topology.Bridge{InboundFilter: c1.ID}))(s)
	q := s.newTrace(b.ID)
	calls := 0
	v := s.another(meddled{d, func(ops []store.Op) {
		if calls++; calls == 1 {
			b.InboundFilter = c2.ID
			s.ok(s.UpdateBridge(s.ctx, b))
		}
	}})
	s.ok(v.EnableTrace(s.ctx, q.ID))
	s.wantEnabled(q.ID, c2.ID)
	s.equal("rules of the chain that was the filter", len(s.ruleIDs(c1.ID)), 0)
}
