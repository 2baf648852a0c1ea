// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store/bolt"
)

// Tokens of the fixture's accounts.
const (
	root    = "token-of-root"     // admin
	red     = "token-of-red"      // tenant_admin of red
	redUser = "token-of-red-user" // tenant_user of red
	blue    = "token-of-blue"     // tenant_admin of blue
	agent1  = "token-of-agent"    // agent of h1
	nobody0 = ""                  // no token
)

var fixtureAccounts = strings.ReplaceAll(`{"accounts": [
	{"name": "root", "role": "admin", "token": "token-of-root", "password": "toor"},
	{"name": "red", "role": "tenant_admin", "tenants": ["red"], "token": "token-of-red", "password": "der"},
	{"name": "red-user", "role": "tenant_user", "tenants": ["red"], "token": "token-of-red-user"},
	{"name": "blue", "role": "tenant_admin", "tenants": ["blue"], "token": "token-of-blue"},
	{"name": "agent", "role": "agent", "host": "HOST1", "token": "token-of-agent"}
]}`, "HOST1", named(topology.KindHost, "h1"))

// fixtureTopology is two tenants, a link between their routers, and a chain that both
// have as a filter.
const fixtureTopology = `{
	"bridges": [
		{"name": "red-lan", "tenantId": "red", "inboundFilter": "red-in"},
		{"name": "blue-lan", "tenantId": "blue", "inboundFilter": "shared"},
		{"name": "red-dmz", "tenantId": "red", "inboundFilter": "shared"}
	],
	"routers": [
		{"name": "red-router", "tenantId": "red", "routes": [{"dst": "10.2.0.0/16", "port": "red-blue"}]},
		{"name": "blue-router", "tenantId": "blue"}
	],
	"ports": [
		{"name": "red-1", "device": "red-lan", "host": "h1", "interface": "r1"},
		{"name": "blue-1", "device": "blue-lan", "host": "h1", "interface": "b1"},
		{"name": "red-free", "device": "red-lan"},
		{"name": "red-free2", "device": "red-router", "address": "10.1.0.1/24"},
		{"name": "blue-free", "device": "blue-router"},
		{"name": "red-blue", "device": "red-router", "address": "10.9.0.1/24", "peer": "blue-red"},
		{"name": "blue-red", "device": "blue-router", "address": "10.9.0.2/24"}
	],
	"chains": [
		{"name": "red-in", "tenantId": "red", "rules": [{"type": "drop", "condition": {"nwProto": 17}}]},
		{"name": "blue-in", "tenantId": "blue"},
		{"name": "shared", "tenantId": "red"}
	],
	"portGroups": [{"name": "red-group", "tenantId": "red", "ports": ["red-1"]}],
	"ipAddrGroups": [{"name": "addresses", "addresses": ["10.0.0.1"]}],
	"tunnelZones": [{"name": "zone", "hosts": [{"host": "h1", "address": "192.0.2.1"}]}]
}`

// named returns the id of an object of the fixture.
func named(kind topology.Kind, name string) string { return topology.NamedID(kind, name).String() }

var (
	redLAN     = named(topology.KindBridge, "red-lan")
	blueLAN    = named(topology.KindBridge, "blue-lan")
	redDMZ     = named(topology.KindBridge, "red-dmz")
	redRouter  = named(topology.KindRouter, "red-router")
	blueRouter = named(topology.KindRouter, "blue-router")
	redPort    = named(topology.KindPort, "red-1")
	bluePort   = named(topology.KindPort, "blue-1")
	host1      = named(topology.KindHost, "h1")
)

const absent = "99999999-9999-4999-8999-999999999999"

// fixture is a server over a store of its own.
type fixture struct {
	t         *testing.T
	server    *Server
	inventory *inventory.Inventory
	accounts  string // file
	traces    *memoryTraces
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := inventory.Open(t.Context(), db, inventory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	accounts := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(accounts, []byte(fixtureAccounts), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	access, err := NewAccounts(accounts, time.Hour, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, inventory: v, accounts: accounts, traces: new(memoryTraces)}
	f.server = New(Options{Inventory: v, Access: access, Traces: f.traces, Simulator: f.traces, Log: log})
	d, err := topology.ReadDocument(strings.NewReader(fixtureTopology))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Import(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.learn()
	return f
}

// learn notes stations of red's bridge, as agents do.
func (f *fixture) learn() {
	f.t.Helper()
	lan, port := topology.NamedID(topology.KindBridge, "red-lan"), topology.NamedID(topology.KindPort, "red-1")
	station := packet.MAC{2, 0, 0, 0, 0, 1}
	if err := f.inventory.AddMAC(f.t.Context(), nil, lan, inventory.MACEntry{MAC: station, Port: port}); err != nil {
		f.t.Fatal(err)
	}
	if err := f.inventory.AddARP(f.t.Context(), nil, lan, inventory.ARPEntry{Addr: netip.MustParseAddr("10.0.0.9"), MAC: station}); err != nil {
		f.t.Fatal(err)
	}
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// do makes a request. Headers are pairs of name and value.
func (f *fixture) do(token, method, path, body string, headers ...string) reply {
	f.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://hub.example:8181"+Base+path, reader)
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	if body != "" {
		r.Header.Set("Content-Type", plainJSON)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, r.WithContext(f.t.Context()))
	got := reply{w.Code, w.Header(), w.Body.String()}
	f.checkError(method+" "+path, got)
	return got
}

// checkError checks the form that every error has.
func (f *fixture) checkError(what string, got reply) {
	f.t.Helper()
	if got.status < 400 {
		return
	}
	var body struct {
		Message    string
		Code       int
		Violations []topology.Violation
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.Message == "" || body.Code != got.status {
		f.t.Errorf("%s: error %d has the body %s (%v)", what, got.status, got.body, err)
	}
	if kind := got.header.Get("Content-Type"); kind != errorType {
		f.t.Errorf("%s: error of type %q, want %q", what, kind, errorType)
	}
	if len(body.Violations) > 0 && body.Message != violationsFound {
		f.t.Errorf("%s: violations with the message %q", what, body.Message)
	}
	if got.status == http.StatusInternalServerError {
		f.t.Errorf("%s: internal error", what)
	}
}

// want makes a request that must have a status.
func (f *fixture) want(status int, token, method, path, body string, headers ...string) reply {
	f.t.Helper()
	got := f.do(token, method, path, body, headers...)
	if got.status != status {
		f.t.Errorf("%s %s %s as %q: status %d, want %d: %s", method, path, body, token, got.status, status, got.body)
	}
	return got
}

// object returns the members of an answer.
func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("answer %s: %v", r.body, err)
	}
	return m
}

// array returns the elements of an answer.
func (r reply) array(t *testing.T) []map[string]any {
	t.Helper()
	var m []map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("answer %s: %v", r.body, err)
	}
	return m
}

// create makes an object and returns its id, from Location.
func (f *fixture) create(token, path, body string) string {
	f.t.Helper()
	got := f.want(http.StatusCreated, token, "POST", path, body)
	at := got.header.Get("Location")
	if !strings.HasPrefix(at, "http://hub.example:8181"+Base+"/") {
		f.t.Fatalf("POST %s: Location %q is no absolute URI", path, at)
	}
	return at[strings.LastIndex(at, "/")+1:]
}

// trace makes a trace request for a device.
func (f *fixture) trace(token, device string) string {
	f.t.Helper()
	return f.create(token, "/traces", `{"device":"http://hub.example:8181/midonet-api/`+device+`","condition":{}}`)
}
