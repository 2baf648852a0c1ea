// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/storetest"
	"github.com/weir-io/weir/internal/store/zookeeper"
)

// follower keeps the last snapshot.
type follower struct {
	s    *stand
	news chan struct{} // never closed

	mu   sync.Mutex
	last *topology.Snapshot // guarded by mu
}

// follow follows an inventory until the test ends.
func (s *stand) follow(v *Inventory) *follower {
	f := &follower{s: s, news: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(s.ctx)
	var running sync.WaitGroup
	running.Go(func() { // ended by the clean-up, which waits
		err := v.Follow(ctx, func(snap *topology.Snapshot) {
			f.mu.Lock()
			f.last = snap
			f.mu.Unlock()
			select {
			case f.news <- struct{}{}:
			default:
			}
		})
		if !errors.Is(err, context.Canceled) {
			s.Errorf("follow: %v", err)
		}
	})
	s.Cleanup(func() {
		stop()
		running.Wait()
	})
	return f
}

// until waits for a snapshot.
func (f *follower) until(what string, is func(*topology.Snapshot) bool) *topology.Snapshot {
	f.s.Helper()
	for {
		f.mu.Lock()
		last := f.last
		f.mu.Unlock()
		if last != nil && is(last) {
			return last
		}
		select {
		case <-f.news:
		case <-f.s.ctx.Done():
			f.s.Fatalf("no snapshot comes in which %s; the last is %+v", what, last)
		}
	}
}

// written is a snapshot as JSON writes it, which has no order of map keys.
func written(s *topology.Snapshot) map[string]string {
	nodes := make(map[string]string)
	for _, p := range render(paths{""}, s) {
		data, err := encode(p.value)
		if err != nil {
			return map[string]string{"error": err.Error()}
		}
		nodes[p.path] = string(data)
	}
	return nodes
}

// same waits until the follower has what Load returns.
func (f *follower) same(after string) {
	f.s.Helper()
	want := written(f.s.load())
	f.until("all is as it was loaded after "+after, func(snap *topology.Snapshot) bool { return cmp.Equal(written(snap), want) })
}

func testFollow(s *stand) {
	f := s.follow(s.Inventory)
	empty := f.until("there is nothing", func(snap *topology.Snapshot) bool { return len(snap.Bridges) == 0 })
	everything(s, f.same)
	if len(empty.Bridges)+len(empty.Chains)+len(empty.Rules)+len(empty.Ports) > 0 {
		s.Errorf("a snapshot that was handed out has changed: %+v", empty)
	}
}

// everything makes and deletes an object of each kind, and calls after each step.
func everything(s *stand, step func(string)) {
	h := s.newHost()
	z := must(s.CreateTunnelZone(s.ctx, topology.TunnelZone{Name: "z", Type: "vxlan"}))(s)
	s.ok(s.AddTunnelHost(s.ctx, z.ID, h.ID, netip.MustParseAddr("192.0.2.1")))
	step("hosts")
	s.ok(s.AddTunnelHost(s.ctx, z.ID, h.ID, netip.MustParseAddr("192.0.2.2")))
	step("another address")
	b, r, c := s.newBridge(), s.newRouter(), s.newChain()
	bp, rp, ext := s.newBridgePort(b.ID), s.newRouterPort(r.ID, "10.0.0.1/24"), s.newBridgePort(b.ID)
	s.ok(s.Link(s.ctx, bp.ID, rp.ID))
	s.ok(s.Bind(s.ctx, Binding{h.ID, ext.ID, "eth0"}))
	step("devices and ports")
	rule := s.newRule(c.ID, 1)
	s.newRule(c.ID, 1)
	b.InboundFilter = c.ID
	s.ok(s.UpdateBridge(s.ctx, b))
	step("rules")
	s.ok(s.DeleteRule(s.ctx, rule.ID))
	step("a rule less")
	g := must(s.CreatePortGroup(s.ctx, topology.PortGroup{Name: "g"}))(s)
	s.ok(s.AddGroupPort(s.ctx, g.ID, bp.ID))
	a := must(s.CreateAddrGroup(s.ctx, topology.AddrGroup{Name: "a"}))(s)
	s.ok(s.AddGroupAddr(s.ctx, a.ID, netip.MustParseAddr("10.0.0.7")))
	step("groups")
	q := s.newTrace(b.ID)
	s.ok(s.EnableTrace(s.ctx, q.ID))
	step("a trace")
	b.InboundFilter = topology.ID{}
	s.ok(s.UpdateBridge(s.ctx, b))
	step("its rule in another chain")
	s.ok(s.DeleteChain(s.ctx, c.ID))
	s.ok(s.DeletePortGroup(s.ctx, g.ID))
	s.ok(s.RemoveGroupAddr(s.ctx, a.ID, netip.MustParseAddr("10.0.0.7")))
	s.ok(s.DeleteAddrGroup(s.ctx, a.ID))
	step("deletions")
	s.ok(s.DeleteRouter(s.ctx, r.ID))
	s.ok(s.DeleteBridge(s.ctx, b.ID))
	s.ok(s.DeleteTunnelZone(s.ctx, z.ID))
	s.ok(s.DeleteHost(s.ctx, h.ID))
	step("all is gone")
}

// recorded is a store that keeps the sessions that were opened.
type recorded struct {
	store.Store

	mu       sync.Mutex
	sessions []store.Session // guarded by mu
}

func (r *recorded) Session(ctx context.Context) (store.Session, error) {
	s, err := r.Store.Session(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = append(r.sessions, s)
	return s, err
}

// end ends the sessions of now.
func (r *recorded) end(s *stand) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, session := range r.sessions {
		s.ok(session.Close())
	}
	r.sessions = nil
}

func testFollowSessionLoss(s *stand) {
	r := &recorded{Store: s.store}
	v := s.another(r)
	f := s.follow(v)
	b := s.newBridge()
	f.until("the bridge is there", func(snap *topology.Snapshot) bool { return snap.Bridges[b.ID] != nil })
	for range 2 {
		r.end(s)
		b.Name += "x"
		s.ok(s.UpdateBridge(s.ctx, b))
		f.until("the bridge has its new name", func(snap *topology.Snapshot) bool { return snap.Bridges[b.ID].Name == b.Name })
	}
	must(v.Bridge(s.ctx, b.ID))(s) // in a new session
}

func testTables(s *stand) {
	b := s.newBridge()
	p, q := s.newBridgePort(b.ID), s.newBridgePort(b.ID)
	m := packet.MAC{2, 0, 0, 0, 0, 1}
	agent := must(s.store.Session(s.ctx))(s)
	mac := func(vlan uint16, want ...MACEntry) {
		s.Helper()
		s.equal("MAC table", must(s.MACTable(s.ctx, b.ID, vlan))(s), want)
	}
	mac(0)
	s.ok(s.AddMAC(s.ctx, nil, b.ID, MACEntry{m, 0, p.ID}))
	s.ok(s.AddMAC(s.ctx, nil, b.ID, MACEntry{m, 9, q.ID}))
	mac(0, MACEntry{m, 0, p.ID})
	mac(9, MACEntry{m, 9, q.ID})
	mac(10)
	s.ok(s.AddMAC(s.ctx, agent, b.ID, MACEntry{m, 0, q.ID})) // the newest holds
	mac(0, MACEntry{m, 0, q.ID})
	s.ok(s.AddMAC(s.ctx, agent, b.ID, MACEntry{m, 0, q.ID}))
	if names := must(s.raw().Children(s.ctx, s.macTable(b.ID, 0), nil))(s); len(names) != 2 {
		s.Errorf("entries: got %q, want one of each owner", names)
	}
	s.ok(agent.Close())
	mac(0, MACEntry{m, 0, p.ID})
	s.ok(s.RemoveMAC(s.ctx, b.ID, MACEntry{m, 0, p.ID}))
	mac(0)
	s.want("remove twice", s.RemoveMAC(s.ctx, b.ID, MACEntry{m, 0, p.ID}), ErrNotFound)
	s.wantProperty("a group address", s.AddMAC(s.ctx, nil, b.ID, MACEntry{packet.Broadcast, 0, p.ID}), "macAddr")
	s.wantProperty("a VLAN too high", s.AddMAC(s.ctx, nil, b.ID, MACEntry{m, 4095, p.ID}), "vlanId")
	s.wantProperty("a port of another bridge", s.AddMAC(s.ctx, nil, nowhere, MACEntry{m, 0, p.ID}), "portId")
	s.want("no such port", s.AddMAC(s.ctx, nil, b.ID, MACEntry{m, 0, nowhere}), ErrNotFound)
	_, err := s.MACTable(s.ctx, nowhere, 0)
	s.want("the table of no bridge", err, ErrNotFound)

	ten := netip.MustParseAddr("10.0.0.10")
	s.ok(s.AddARP(s.ctx, nil, b.ID, ARPEntry{ten, packet.MAC{4}}))
	s.ok(s.AddARP(s.ctx, nil, b.ID, ARPEntry{ten, m}))
	s.ok(s.AddARP(s.ctx, nil, b.ID, ARPEntry{netip.MustParseAddr("10.0.0.9"), m}))
	s.equal("ARP table", must(s.ARPTable(s.ctx, b.ID))(s), []ARPEntry{{netip.MustParseAddr("10.0.0.9"), m}, {ten, m}})
	s.wantProperty("an IPv6 address", s.AddARP(s.ctx, nil, b.ID, ARPEntry{netip.MustParseAddr("::1"), m}), "ip")
	s.ok(s.RemoveARP(s.ctx, b.ID, ARPEntry{ten, m}))
	s.equal("ARP table", len(must(s.ARPTable(s.ctx, b.ID))(s)), 1)
	s.ok(s.DeleteBridge(s.ctx, b.ID)) // with its tables
}

// What is made by hand and no object is left out, the rest is there.
func TestDamagedNodes(t *testing.T) {
	s := newStand(t, newBolt(t))
	b := s.newBridge()
	c := s.newChain()
	s.newRule(c.ID, 1)
	for path, data := range map[string]string{
		s.paths.bridge(nowhere): "{", s.paths.port(nowhere): "", s.paths.top("bridges") + "/notes": "mine",
		s.paths.trace(nowhere): `{"limit":"no"}`,
	} {
		must(s.raw().Create(s.ctx, path, []byte(data), store.Persistent))(s)
	}
	snap := s.load()
	if len(snap.Bridges) != 1 || snap.Bridges[b.ID] == nil || len(snap.Ports)+len(snap.Requests) != 0 || len(snap.Rules[c.ID]) != 1 {
		t.Errorf("got %+v", snap)
	}
	if _, err := s.Bridge(s.ctx, nowhere); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("a bridge that is not readable: got %v, want an error that says so", err)
	}
	for path := range map[string]bool{s.paths.bridge(nowhere): true, s.paths.port(nowhere): true, s.paths.top("bridges") + "/notes": true, s.paths.trace(nowhere): true} {
		s.ok(s.raw().Delete(s.ctx, path, store.AnyVersion))
	}
}

func TestOpen(t *testing.T) {
	d := newBolt(t)
	s := newStand(t, d)
	s.newBridge()
	s.unchanged("opening the tree again", func() { s.another(d) })
	must(s.raw().Set(s.ctx, s.paths.top("write_version"), []byte("2"), store.AnyVersion))(s)
	if _, err := Open(s.ctx, d, Config{Root: s.paths.root}); err == nil {
		t.Error("a tree of another version: no error")
	}
	must(s.raw().Set(s.ctx, s.paths.top("write_version"), []byte("1"), store.AnyVersion))(s)
	if _, err := Open(s.ctx, d, Config{Root: "no/path"}); !errors.Is(err, store.ErrBadPath) {
		t.Errorf("a root that is no path: got %v, want %v", err, store.ErrBadPath)
	}
}

// A store that is gone is said to be: nothing waits for ever.
func TestStoreGone(t *testing.T) {
	d := newBolt(t)
	v, err := Open(t.Context(), d, Config{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := v.CreateBridge(t.Context(), topology.Bridge{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	calls := map[string]func() error{
		"read":   func() error { _, err := v.Bridge(ctx, b.ID); return err },
		"list":   func() error { _, err := v.Bridges(ctx); return err },
		"write":  func() error { _, err := v.CreateBridge(ctx, topology.Bridge{}); return err },
		"load":   func() error { _, err := v.Load(ctx); return err },
		"import": func() error { return v.Import(ctx, &topology.Snapshot{}) },
		"alive":  func() error { _, err := v.Alive(ctx, b.ID); return err },
	}
	for what, call := range calls {
		if err := call(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: got %v, want %v", what, err, store.ErrUnavailable)
		}
	}
}

// A server that is killed and comes back: who follows goes on, and what is asked
// meanwhile is refused in time.
func TestServerRestarts(t *testing.T) {
	server := storetest.StartZooKeeper(t)
	c, err := zookeeper.New(zookeeper.Config{Servers: []string{server.Addr}, RequestTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s := newStand(t, c)
	f := s.follow(s.Inventory)
	b := s.newBridge()
	f.until("the bridge is there", func(snap *topology.Snapshot) bool { return snap.Bridges[b.ID] != nil })
	server.Kill()
	b.Name = "later"
	s.want("an update while the server is down", s.UpdateBridge(s.ctx, b), store.ErrUnavailable)
	_, err = s.Bridge(s.ctx, b.ID)
	s.want("a look while the server is down", err, store.ErrUnavailable)
	server.Start()
	for err = s.UpdateBridge(s.ctx, b); errors.Is(err, store.ErrUnavailable) && s.ctx.Err() == nil; {
		err = s.UpdateBridge(s.ctx, b)
	}
	s.ok(err)
	f.until("the bridge has its new name", func(snap *topology.Snapshot) bool { return snap.Bridges[b.ID].Name == "later" })
}

// slow is a store that opens sessions when it is told.
type slow struct {
	store.Store
	asked  chan struct{} // gets a token for each call
	answer chan error    // taken for each call
}

func (s *slow) Session(ctx context.Context) (store.Session, error) {
	s.asked <- struct{}{}
	select {
	case err := <-s.answer:
		if err != nil {
			return nil, err
		}
		return s.Store.Session(ctx)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Callers that need a new session wait for the same one. A failure is that of all, but
// a caller who gave up leaves it to the next.
func TestOneSessionForAll(t *testing.T) {
	const callers = 20
	d := newBolt(t)
	s := newStand(t, d)
	b := s.newBridge()
	st := &slow{Store: d, asked: make(chan struct{}, callers), answer: make(chan error, 1)}
	st.answer <- nil
	v := s.another(st)
	<-st.asked
	s.ok(must(v.tie(s.ctx))(s).Close())

	errs := make(chan error, callers)
	ask := func(ctx context.Context) {
		go func() { // ends with the answer; each is received below
			_, err := v.Bridge(ctx, b.ID)
			errs <- err
		}()
	}
	impatient, leave := context.WithCancel(s.ctx)
	ask(impatient)
	<-st.asked
	for range callers - 1 {
		ask(s.ctx)
	}
	leave()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: got %v, want %v", err, context.Canceled)
	}
	<-st.asked // by one of the others
	st.answer <- store.ErrUnavailable
	for i := 0; i < callers-1; i++ {
		select {
		case err := <-errs:
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v, want %v", err, store.ErrUnavailable)
			}
		case <-st.asked: // one that came after the failure
			st.answer <- store.ErrUnavailable
			i--
		}
	}
	st.answer <- nil
	must(v.Bridge(s.ctx, b.ID))(s)
}
