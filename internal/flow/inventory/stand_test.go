// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
	"github.com/weir-io/weir/internal/store/storetest"
	"github.com/weir-io/weir/internal/store/zookeeper"
)

func TestOnBolt(t *testing.T) {
	runSuite(t, newBolt(t))
}

func TestOnZooKeeper(t *testing.T) {
	server := storetest.StartZooKeeper(t)
	c, err := zookeeper.New(zookeeper.Config{Servers: []string{server.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	runSuite(t, c)
	t.Run("Shell", func(t *testing.T) { testShell(newStand(t, c), server) })
}

// testShell: ZooKeeper's own shell shows the tree as it is documented.
func testShell(s *stand, server *storetest.ZooKeeper) {
	b := s.newBridge()
	p := s.newBridgePort(b.ID)
	s.ok(s.EnableTrace(s.ctx, s.newTrace(b.ID).ID))
	for path, want := range map[string]string{
		s.paths.bridge(b.ID):           `"name":"b"`,
		s.paths.tunnelKey(p.TunnelKey): `"` + p.ID.String() + `"`,
	} {
		if out := server.Shell("get", path); !strings.Contains(out, want) {
			s.Errorf("get %s: got %q, want %s", path, out, want)
		}
	}
	out := server.Shell("ls", "-R", s.paths.root)
	for _, want := range []string{
		"/bridges/" + b.ID.String() + "/ports/" + p.ID.String(),
		"/chains/" + s.filterOf(b.ID).String() + "/refs/bridge:" + b.ID.String(),
	} {
		if !strings.Contains(out, s.paths.root+want+"\n") {
			s.Errorf("ls -R: no line ends in %s:\n%s", want, out)
		}
	}
}

func newBolt(t testing.TB) *bolt.DB {
	t.Helper()
	d, err := bolt.Open(filepath.Join(t.TempDir(), "control.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func runSuite(t *testing.T, st store.Store) {
	for _, c := range []struct {
		name string
		test func(s *stand)
	}{
		{"Devices", testDevices},
		{"Ports", testPorts},
		{"Links", testLinks},
		{"Bindings", testBindings},
		{"Chains", testChains},
		{"Rules", testRules},
		{"Routes", testRoutes},
		{"Groups", testGroups},
		{"Hosts", testHosts},
		{"Traces", testTraces},
		{"Enable", testEnable},
		{"SharedChain", testSharedChain},
		{"FilterChanges", testFilterChanges},
		{"RemovedByHand", testRemovedByHand},
		{"UpdateTrace", testUpdateTrace},
		{"DeleteTraced", testDeleteTraced},
		{"ParallelEnables", testParallelEnables},
		{"NoStateBetween", testNoStateBetween},
		{"TwoInventories", testTwoInventories},
		{"OneID", testOneID},
		{"Unclaimed", testUnclaimed},
		{"Blocks", testBlocks},
		{"Follow", testFollow},
		{"Present", testPresent},
		{"FollowSessionLoss", testFollowSessionLoss},
		{"Import", testImport},
		{"ImportTraced", testImportTraced},
		{"Tables", testTables},
		{"LikeItsModel", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newStand(t, st)) })
	}
}

// stand is an inventory with a tree of its own.
type stand struct {
	*testing.T
	*Inventory
	ctx context.Context
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

func newStand(t *testing.T, st store.Store) *stand {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &stand{T: t, ctx: ctx}
	s.Inventory = s.another(st)
	t.Cleanup(func() {
		if !t.Failed() {
			s.ctx = context.WithoutCancel(ctx)
			s.checkTree()
		}
	})
	return s
}

// another opens an inventory of the stand's tree in a store.
func (s *stand) another(st store.Store) *Inventory {
	s.Helper()
	v, err := Open(s.ctx, st, Config{Root: "/of/" + strings.ReplaceAll(s.Name(), "/", "-"), Coalesce: time.Millisecond})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { v.Close() })
	return v
}

// must returns a value that there must be.
func must[T any](value T, err error) func(s *stand) T {
	return func(s *stand) T {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
		return value
	}
}

// ok fails the test unless there is no error.
func (s *stand) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// want fails the test unless an error is of a kind.
func (s *stand) want(what string, err, kind error) {
	s.Helper()
	if !errors.Is(err, kind) {
		s.Errorf("%s: got error %v, want that it %v", what, err, kind)
	}
}

// wantProperty fails the test unless an error says that a property is not valid.
func (s *stand) wantProperty(what string, err error, property string) {
	s.Helper()
	var bad *Error
	if !errors.As(err, &bad) || !errors.Is(err, ErrInvalid) || bad.Property != property {
		s.Errorf("%s: got error %v, want that %s is not valid", what, err, property)
	}
}

func (s *stand) newBridge() topology.Bridge {
	s.Helper()
	return must(s.CreateBridge(s.ctx, topology.Bridge{Name: "b", TenantID: "t1", AdminStateUp: true}))(s)
}

func (s *stand) newRouter() topology.Router {
	s.Helper()
	return must(s.CreateRouter(s.ctx, topology.Router{Name: "r", TenantID: "t1", AdminStateUp: true}))(s)
}

func (s *stand) newBridgePort(bridge topology.ID) topology.Port {
	s.Helper()
	return must(s.CreatePort(s.ctx, topology.Port{Type: topology.BridgePort, Device: bridge, AdminStateUp: true}))(s)
}

func (s *stand) newRouterPort(router topology.ID, network string) topology.Port {
	s.Helper()
	p := netip.MustParsePrefix(network)
	return must(s.CreatePort(s.ctx, topology.Port{
		Type: topology.RouterPort, Device: router, AdminStateUp: true, Network: p.Masked(), PortAddress: p.Addr(),
	}))(s)
}

func (s *stand) newChain() topology.Chain {
	s.Helper()
	return must(s.CreateChain(s.ctx, topology.Chain{Name: "c", TenantID: "t1"}))(s)
}

func (s *stand) newRule(chain topology.ID, position int) topology.Rule {
	s.Helper()
	return must(s.CreateRule(s.ctx, topology.Rule{Chain: chain, Type: topology.DropRule}, position, nil))(s)
}

func (s *stand) newHost() topology.Host {
	s.Helper()
	h := topology.Host{ID: newID(topology.ID{}), Name: "h"}
	s.ok(s.PutHost(s.ctx, h, []Interface{{Name: "eth0", Up: true}}))
	return h
}

// newTrace makes a request for a bridge.
func (s *stand) newTrace(bridge topology.ID) topology.TraceRequest {
	s.Helper()
	return must(s.CreateTrace(s.ctx, topology.TraceRequest{Name: "q", DeviceType: topology.TraceBridge, Device: bridge, Limit: 10}))(s)
}

// load returns all objects.
func (s *stand) load() *topology.Snapshot {
	s.Helper()
	return must(s.Load(s.ctx))(s)
}

// raw is a session on the tree, for what is done by hand.
func (s *stand) raw() store.Session {
	s.Helper()
	return must(s.tie(s.ctx))(s)
}

// presentNodes are nodes of the present, which are not made of objects.
var presentNodes = []string{"/alive", "/active"}

// checkTree compares the tree with what its objects render to.
func (s *stand) checkTree() {
	s.Helper()
	want := map[string]string{}
	for _, top := range append(slices.Clone(tops), "versions", "write_version") {
		want[s.paths.top(top)] = ""
	}
	want[s.paths.top("versions")+"/1"], want[s.paths.top("write_version")] = "", "1"
	snap := s.load()
	for _, p := range render(s.paths, snap) {
		data, err := encode(p.value)
		s.ok(err)
		want[p.path] = string(data)
	}
	got := map[string]string{}
	s.walk(s.paths.root, got)
	delete(got, s.paths.root)
	for path := range maps.Clone(got) {
		runs := slices.ContainsFunc(presentNodes, func(end string) bool { return strings.HasSuffix(path, end) })
		inTable := slices.ContainsFunc([]string{"mac_ports", "vlans", "ip4_mac_map", "arp_table", "interfaces"}, func(table string) bool {
			return strings.Contains(path, "/"+table+"/")
		})
		if _, wanted := want[path]; runs || inTable || !wanted && members(path) {
			delete(got, path)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("the tree is not that of its objects (- wanted, + there):\n%s", diff)
	}
}

// walk reads the nodes below one.
func (s *stand) walk(path string, into map[string]string) {
	s.Helper()
	data, _, err := s.raw().Get(s.ctx, path, nil)
	s.ok(err)
	into[path] = string(data)
	for _, name := range must(s.raw().Children(s.ctx, path, nil))(s) {
		s.walk(path+"/"+name, into)
	}
}

// versions returns how often each node below one was set.
func (s *stand) versions(path string, into map[string]int64) {
	s.Helper()
	_, stat, err := s.raw().Get(s.ctx, path, nil)
	s.ok(err)
	into[path] = stat.Modified
	for _, name := range must(s.raw().Children(s.ctx, path, nil))(s) {
		s.versions(path+"/"+name, into)
	}
}

// unchanged fails the test if f changes any node.
func (s *stand) unchanged(what string, f func()) {
	s.Helper()
	before, after := map[string]int64{}, map[string]int64{}
	s.versions(s.paths.root, before)
	f()
	s.versions(s.paths.root, after)
	if diff := cmp.Diff(before, after); diff != "" {
		s.Errorf("%s changed nodes:\n%s", what, diff)
	}
}

// equal fails the test unless two values are written alike.
func (s *stand) equal(what string, got, want any) {
	s.Helper()
	g, err := json.Marshal(got)
	s.ok(err)
	w, err := json.Marshal(want)
	s.ok(err)
	if string(g) != string(w) {
		s.Errorf("%s: got %s, want %s", what, g, w)
	}
}
