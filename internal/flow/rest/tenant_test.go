// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/topology"
)

// variables are what stands for the variables of a path: objects that are blue's. The
// key is the path up to the variable, or the variable alone.
func variables(f *fixture, path string) string {
	chain := named(topology.KindChain, "blue-in")
	values := map[string]string{
		"/bridges/{id}": blueLAN, "/routers/{id}": blueRouter, "/ports/{id}": named(topology.KindPort, "blue-red"),
		"/chains/{id}": chain, "/hosts/{id}": host1, "{port}": bluePort, "{name}": "b1", "{host}": host1, "{addr}": "10.0.0.1", "arp_table/{entry}": "10.0.0.9_02-00-00-00-00-01",
		"mac_table/{entry}":    "02-00-00-00-00-01_" + topology.NamedID(topology.KindPort, "red-1").String(),
		"/ip_addr_groups/{id}": named(topology.KindAddrGroup, "addresses"),
		"/tunnel_zones/{id}":   named(topology.KindTunnelZone, "zone"),
	}
	made := map[string]func() string{
		"/rules/{id}":       func() string { return f.create(root, "/chains/"+chain+"/rules", `{"type":"drop"}`) },
		"/routes/{id}":      func() string { return f.create(root, "/routers/"+blueRouter+"/routes", `{"type":"Reject"}`) },
		"/port_groups/{id}": func() string { return f.create(root, "/port_groups", `{"tenantId":"blue"}`) },
		"/traces/{id}":      func() string { return f.trace(root, "bridges/"+blueLAN) },
		"{flow}":            func() string { return absent },
	}
	for key, value := range values {
		path = strings.Replace(path, key, strings.Replace(key, key[strings.Index(key, "{"):], value, 1), 1)
	}
	for key, value := range made {
		if before, after, ok := strings.Cut(path, key); ok {
			path = before + key[:strings.Index(key, "{")] + value() + after
		}
	}
	return path
}

// TestTenantsMethodsPaths asks for everything of blue's, by every route: without a
// token 401, as another tenant 403 and nothing changed, with a role that only reads
// 403 for all that changes.
func TestTenantsMethodsPaths(t *testing.T) {
	f := newFixture(t)
	for _, rt := range f.server.routes {
		if rt.open {
			continue
		}
		path := variables(f, rt.path)
		if strings.Contains(path, "{") {
			t.Errorf("%s: nothing for a variable", path)
			continue
		}
		what := rt.method + " " + rt.path
		body := ""
		if rt.takes {
			body = `{"tenantId":"blue","type":"drop","peerId":"` + bluePort + `","portId":"` + bluePort + `",
				"port":"` + bluePort + `","frame":"ffffffffffff0200000000010800","name":"n","condition":{},
				"deviceType":"PORT","deviceId":"` + bluePort + `"}`
			if strings.HasSuffix(rt.path, "/ports") && strings.Contains(rt.path, "{id}") || rt.path == "/ports/{id}" || strings.HasSuffix(rt.path, "/routes") {
				body = `{"tenantId":"blue"}`
			}
		}
		before := f.want(http.StatusOK, root, "GET", "/topology", "").body
		if got := f.do("", rt.method, path, body); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", what, got.status)
		}
		if got := f.do(redUser, rt.method, path, body); rt.method != http.MethodGet && got.status != http.StatusForbidden {
			t.Errorf("%s as tenant_user: %d", what, got.status)
		}
		got := f.do(red, rt.method, path, body)
		own := !strings.Contains(rt.path, "{") && rt.method == http.MethodGet && !rt.admin // lists
		switch {
		case own && got.status != http.StatusOK:
			t.Errorf("%s as another tenant: %d", what, got.status)
		case !own && got.status != http.StatusForbidden:
			t.Errorf("%s as another tenant: %d, want 403: %s", what, got.status, got.body)
		}
		leaks(t, what, got.body, path+body)
		if after := f.want(http.StatusOK, root, "GET", "/topology", "").body; after != before {
			t.Errorf("%s as another tenant has changed the topology", what)
		}
	}
}

// leaks looks for what is blue's in what red has got. What was in the request may come
// back.
func leaks(t *testing.T, what, body, asked string) {
	t.Helper()
	for _, secret := range []string{
		blueLAN, blueRouter, bluePort, named(topology.KindChain, "blue-in"), named(topology.KindPort, "blue-red"),
		named(topology.KindPort, "blue-free"), "10.9.0.2", "10.66.",
	} {
		if strings.Contains(body, secret) && !strings.Contains(asked, secret) {
			t.Errorf("%s leaks %s: %s", what, secret, body)
		}
	}
}

// TestNothingOfOthersIsShown reads all that red can read while blue's networks are tied
// to red's, and traced in a chain that is red's.
func TestNothingOfOthersIsShown(t *testing.T) {
	f := newFixture(t)
	id := f.trace(blue, "bridges/"+blueLAN)
	f.want(http.StatusNoContent, blue, "PUT", "/traces/"+id+"/enabled", "")
	f.trace(red, "bridges/"+redDMZ)
	for _, path := range []string{
		"/bridges", "/routers", "/ports", "/chains", "/port_groups", "/traces", "/",
		"/routers/" + redRouter, "/routers/" + redRouter + "/ports", "/routers/" + redRouter + "/peer_ports",
		"/routers/" + redRouter + "/routes", "/bridges/" + redLAN + "/ports",
		"/ports/" + named(topology.KindPort, "red-blue"),
		"/chains/" + named(topology.KindChain, "shared") + "/rules",
	} {
		got := f.want(http.StatusOK, red, "GET", path, "")
		leaks(t, path, got.body, "")
		if strings.Contains(got.body, id) || strings.Contains(got.body, "blue-") {
			t.Errorf("%s leaks what is blue's: %s", path, got.body)
		}
	}
	leaks(t, "link", f.want(http.StatusForbidden, red, "GET", "/ports/"+named(topology.KindPort, "red-blue")+"/link", "").body, "")
	again := f.want(http.StatusConflict, red, "POST", "/ports/"+named(topology.KindPort, "red-blue")+"/link", `{"peerId":"`+named(topology.KindPort, "red-free2")+`"}`)
	leaks(t, "second link", again.body, "")
	// The administrator sees all of it.
	rules := f.want(http.StatusOK, root, "GET", "/chains/"+named(topology.KindChain, "shared")+"/rules", "").array(t)
	if len(rules) != 1 {
		t.Fatalf("rules of the shared chain: %v", rules)
	}
	f.want(http.StatusForbidden, red, "GET", "/rules/"+rules[0]["id"].(string), "")
	f.want(http.StatusForbidden, red, "DELETE", "/rules/"+rules[0]["id"].(string), "")
}

func TestOthersChainsAreNoFilters(t *testing.T) {
	f := newFixture(t)
	body := `{"inboundFilterId":"` + named(topology.KindChain, "blue-in") + `"}`
	f.want(http.StatusForbidden, red, "POST", "/bridges", body)
	f.want(http.StatusForbidden, red, "PUT", "/bridges/"+redLAN, body)
	f.want(http.StatusForbidden, red, "PUT", "/ports/"+redPort, body)
	f.want(http.StatusForbidden, red, "POST", "/bridges/"+redLAN+"/ports", body)
	f.want(http.StatusForbidden, red, "PUT", "/bridges/"+redLAN, `{"tenantId":"blue"}`)
	f.want(http.StatusForbidden, red, "POST", "/chains", `{"tenantId":"blue"}`)
	f.want(http.StatusForbidden, red, "POST", "/port_groups", `{"tenantId":"blue"}`)
	f.want(http.StatusNoContent, root, "PUT", "/bridges/"+redLAN, body)
}

// TestFiltersOfOthersAreNotShown reads blue's bridge, whose filter is red's chain: an
// administrator has made it so. What blue does not see it does not remove by accident.
func TestFiltersOfOthersAreNotShown(t *testing.T) {
	f := newFixture(t)
	shared := named(topology.KindChain, "shared")
	f.want(http.StatusNoContent, root, "PUT", "/ports/"+bluePort, `{"outboundFilterId":"`+shared+`"}`)
	rule := f.create(root, "/chains/"+named(topology.KindChain, "blue-in")+"/rules", `{"type":"jump","jumpChainId":"`+shared+`"}`)
	for _, path := range []string{"/bridges", "/bridges/" + blueLAN, "/ports", "/ports/" + bluePort, "/rules/" + rule, "/chains/" + named(topology.KindChain, "blue-in") + "/rules"} {
		if got := f.want(http.StatusOK, blue, "GET", path, ""); strings.Contains(got.body, shared) {
			t.Errorf("%s shows red's chain to blue: %s", path, got.body)
		}
	}
	f.want(http.StatusNoContent, blue, "PUT", "/bridges/"+blueLAN, `{"name":"renamed"}`)
	f.want(http.StatusNoContent, blue, "PUT", "/ports/"+bluePort, `{}`)
	for path, member := range map[string]string{"/bridges/" + blueLAN: "inboundFilterId", "/ports/" + bluePort: "outboundFilterId"} {
		if m := f.want(http.StatusOK, root, "GET", path, "").object(t); m[member] != shared {
			t.Errorf("%s: %s is %v after a change by blue, want %s", path, member, m[member], shared)
		}
	}
}

// TestTracedDevicesShowTheirFilter enables a request on a router without a filter, and
// sends back what is read then.
func TestTracedDevicesShowTheirFilter(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "routers/"+redRouter)
	f.want(http.StatusNoContent, red, "PUT", "/traces/"+id+"/enabled", "")
	f.want(http.StatusNoContent, red, "PUT", "/routers/"+redRouter, f.want(http.StatusOK, red, "GET", "/routers/"+redRouter, "").body)
	one := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t)
	if one["enabled"] != true || one["warning"] != nil {
		t.Errorf("after the router was written back: %v", one)
	}
	f.want(http.StatusNoContent, red, "DELETE", "/traces/"+id, "")
	if m := f.want(http.StatusOK, root, "GET", "/routers/"+redRouter, "").object(t); m["inboundFilterId"] != nil {
		t.Errorf("filter left after the request: %v", m)
	}
}

// event makes the JSON of an event.
func event(t *testing.T, members map[string]any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wholePath are the events of a packet that goes from red's bridge over the routers of
// both to a port of blue's.
func wholePath(t *testing.T, f *fixture) []json.RawMessage {
	chain := named(topology.KindChain, "red-in")
	rules := f.want(http.StatusOK, root, "GET", "/chains/"+chain+"/rules", "").array(t)
	foreignMatch := map[string]any{"networkSrc": "10.66.0.1"}
	steps := []map[string]any{
		{"kind": "restart", "reason": "trace", "request": absent},
		{"kind": "start", "inputPort": redPort, "device": redLAN, "match": map[string]any{"networkSrc": "10.1.0.9"}},
		{"kind": "port-in", "port": redPort, "device": redLAN, "attachment": "exterior"},
		{"kind": "rule", "chain": chain, "rule": rules[0]["id"], "device": redLAN, "matched": false},
		{"kind": "chain", "chain": named(topology.KindChain, "blue-in"), "name": "blue-in", "device": redLAN},
		{"kind": "port-in", "port": named(topology.KindPort, "blue-red"), "device": blueRouter},
		{"kind": "route", "device": blueRouter, "destination": "10.66.0.7"},
		{"kind": "port-out", "port": bluePort, "device": blueLAN},
		{"kind": "flow", "installed": true, "tags": []string{"port:" + bluePort}},
		{
			"kind": "result", "outcome": "forward", "match": foreignMatch, "modifications": foreignMatch,
			"outputs": []any{map[string]any{"port": bluePort, "host": host1, "interface": "b1"}},
		},
	}
	var events []json.RawMessage
	for i, s := range steps {
		s["seq"], s["run"], s["role"], s["host"], s["time"] = i, 1, "ingress", host1, 1700000000000000000+i
		events = append(events, event(t, s))
	}
	return events
}

func TestEventsOfOthersAreRedacted(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	flow := topology.ID{15: 1}
	request, _ := topology.ParseID(id)
	port, _ := topology.ParseID(redPort)
	host, _ := topology.ParseID(host1)
	f.traces.flows = map[topology.ID][]Flow{request: {{
		ID: flow, Ingress: port, Host: host, Hosts: []topology.ID{host}, Verdict: "forward", Header: json.RawMessage(`{"networkSrc":"10.1.0.9"}`),
	}}}
	taken := event(t, map[string]any{"kind": "restart", "reason": "trace", "request": id, "seq": 0, "host": host1})
	f.traces.events = map[topology.ID][]json.RawMessage{flow: slices.Insert(wholePath(t, f), 1, taken)}
	at := "/traces/" + id + "/flows/" + flow.String() + "/events"

	all := f.want(http.StatusOK, root, "GET", at, "").array(t)
	if len(all) != 11 || all[7]["destination"] != "10.66.0.7" {
		t.Errorf("an administrator reads %v", all)
	}
	for _, token := range []string{red, redUser} {
		got := f.want(http.StatusOK, token, "GET", at, "")
		leaks(t, "events", got.body, "")
		if strings.Contains(got.body, absent) || strings.Contains(got.body, "blue-in") || strings.Contains(got.body, `"b1"`) {
			t.Errorf("events leak: %s", got.body)
		}
		var kinds []string
		for _, e := range got.array(t) {
			kinds = append(kinds, e["kind"].(string))
		}
		if want := []string{"restart", "start", "port-in", "rule", "chain", "redacted", "flow", "result"}; !slices.Equal(kinds, want) {
			t.Errorf("kinds %v, want %v", kinds, want)
		}
		events := got.array(t)
		if events[0]["request"] != id {
			t.Errorf("request of the restart: %v, want %s", events[0], id)
		}
		if last := events[len(events)-1]; last["outcome"] != "forward" || last["match"] != nil {
			t.Errorf("result %v", last)
		}
		if r := events[3]; r["rule"] == nil || r["chain"] == nil {
			t.Errorf("event of an own rule %v", r)
		}
	}
	back := f.want(http.StatusOK, red, "GET", at+"?order=desc", "").array(t)
	if back[0]["kind"] != "result" || back[0]["match"] != nil || len(back) != 8 {
		t.Errorf("backwards: %v", back)
	}
	f.want(http.StatusForbidden, blue, "GET", at, "")
	// A flow that came in at blue's says no more than how it ended.
	f.traces.flows[request][0].Ingress = topology.NamedID(topology.KindPort, "blue-1")
	got := f.want(http.StatusOK, red, "GET", "/traces/"+id+"/flows", "")
	if strings.Contains(got.body, "10.1.0.9") || strings.Contains(got.body, host1) || got.array(t)[0]["verdict"] != "forward" {
		t.Errorf("flow of another's port: %s", got.body)
	}
}

func TestSimulationsAreRedacted(t *testing.T) {
	f := newFixture(t)
	f.traces.result = Simulation{Result: "forward", Events: wholePath(t, f)}
	body := `{"port":"` + redPort + `","frame":"ff:ff:ff:ff:ff:ff 020000000001 0800"}`
	got := f.want(http.StatusOK, red, "POST", "/simulations", body)
	leaks(t, "dry run", got.body, "")
	if m := got.object(t); m["result"] != "forward" || len(m["events"].([]any)) != 7 {
		t.Errorf("dry run: %v", m)
	}
	if m := f.want(http.StatusOK, root, "POST", "/simulations", body).object(t); len(m["events"].([]any)) != 10 {
		t.Errorf("dry run as administrator: %v", m)
	}
	f.want(http.StatusForbidden, blue, "POST", "/simulations", body)
	f.want(http.StatusForbidden, redUser, "POST", "/simulations", body)
	for _, tt := range []struct {
		body string
		want int
	}{
		{`{"port":"` + absent + `","frame":"ffffffffffff0200000000010800"}`, 404},
		{`{"port":"x","frame":"ffffffffffff0200000000010800"}`, 404},
		{`{"port":"` + redPort + `"}`, 400},
		{`{"frame":"ffffffffffff0200000000010800"}`, 400},
		{`{"port":"` + redPort + `","frame":"ff"}`, 400},
		{`{"port":"` + redPort + `","frame":"zz"}`, 400},
		{`{"port":"` + redPort + `","frame":7}`, 400},
		{`{"port":"` + named(topology.KindPort, "red-free") + `","frame":"ffffffffffff0200000000010800"}`, 400},
	} {
		f.want(tt.want, red, "POST", "/simulations", tt.body)
	}
}

// Bridges, routers and ports are one space of ids: who has chosen the id of another
// tenant's router for a bridge would pass for its owner.
func TestIDsOfOthersAreTaken(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{redLAN, redRouter, redPort} {
		body := `{"id":"` + id + `"}`
		for _, path := range []string{"/bridges", "/routers", "/bridges/" + blueLAN + "/ports"} {
			if got := f.want(http.StatusConflict, blue, "POST", path, body); !strings.Contains(got.body, id) {
				t.Errorf("POST %s with the id of another: %s, want that it names %s", path, got.body, id)
			}
		}
	}
	for _, doc := range []string{
		`{"bridges":[{"name":"x","id":"` + redRouter + `"}]}`, `{"routers":[{"name":"x","id":"` + redLAN + `"}]}`,
		`{"bridges":[{"name":"x"}],"ports":[{"name":"y","id":"` + redLAN + `","device":"x"}]}`,
	} {
		f.want(http.StatusConflict, root, "POST", "/topology", doc)
	}
	got := f.want(http.StatusBadRequest, root, "POST", "/topology", `{"bridges":[{"name":"red-lan","tenantId":"blue"}]}`)
	if !strings.Contains(got.body, "bridge "+redLAN) {
		t.Errorf("a document that makes a bridge another's: %s, want that it names the bridge", got.body)
	}
}

// twoKinds is a store in which a bridge of blue has the id of red's router, as two hubs
// may make it at once.
type twoKinds struct{ Inventory }

func (i twoKinds) Bridge(ctx context.Context, id topology.ID) (topology.Bridge, error) {
	if id.String() == redRouter {
		return topology.Bridge{ID: id, TenantID: "blue"}, nil
	}
	return i.Inventory.Bridge(ctx, id)
}

func TestTwoDevicesOfOneID(t *testing.T) {
	f := newFixture(t)
	port := f.create(red, "/routers/"+redRouter+"/ports", `{"networkAddress":"10.77.0.0","networkLength":24,"portAddress":"10.77.0.1"}`)
	f.server.opts.Inventory = twoKinds{f.inventory}
	f.want(http.StatusOK, red, "GET", "/ports/"+port, "")
	f.want(http.StatusForbidden, blue, "GET", "/ports/"+port, "")
	f.want(http.StatusForbidden, blue, "DELETE", "/ports/"+port, "")
	if strings.Contains(f.want(http.StatusOK, blue, "GET", "/ports", "").body, port) {
		t.Error("blue lists a port of red's router")
	}
	route := f.want(http.StatusOK, red, "GET", "/routers/"+redRouter+"/routes", "").array(t)[0]["id"].(string)
	f.want(http.StatusForbidden, blue, "GET", "/routes/"+route, "")
	q := &request{server: f.server, r: httptest.NewRequest("GET", "/", nil), who: Identity{Role: TenantAdmin, Tenants: []string{"blue"}}}
	id, _ := topology.ParseID(redRouter)
	if q.sees("device", id) {
		t.Error("blue sees what happens on red's router")
	}
}
