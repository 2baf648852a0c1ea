// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/flow/topology"
)

const vendorTrace = vendor + traceMedia + "+json"

// TestTraceAsInTheFeatureDocument makes, enables and deletes a request as the first
// description of the interface has it, with numbers in strings.
func TestTraceAsInTheFeatureDocument(t *testing.T) {
	f := newFixture(t)
	body := `{"tenantId":"red","device":"http://hub.example:8181/midonet-api/routers/` + redRouter +
		`","condition":{"nwProto":6,"tpDst":{"start":80,"end":80}},"maxFlowsPerHost":"10"}`
	got := f.want(http.StatusCreated, red, "POST", "/traces", body)
	id, _ := got.object(t)["id"].(string)
	if want := "http://hub.example:8181/midonet-api/traces/" + id; got.header.Get("Location") != want || len(got.object(t)) != 1 {
		t.Errorf("Location %q, want %q; body %s", got.header.Get("Location"), want, got.body)
	}
	one := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t)
	for name, want := range map[string]any{
		"tenantId": "red", "device": "http://hub.example:8181/midonet-api/routers/" + redRouter, "maxFlowsPerHost": 10.0,
		"limit": 10.0, "deviceType": "ROUTER", "deviceId": redRouter, "name": "", "enabled": false, "id": id,
		"uri": "http://hub.example:8181/midonet-api/traces/" + id,
	} {
		if one[name] != want {
			t.Errorf("%s = %v, want %v", name, one[name], want)
		}
	}
	enabled := func(want string) {
		t.Helper()
		if got := f.want(http.StatusOK, red, "GET", "/traces/"+id+"/enabled", ""); got.body != want {
			t.Errorf("enabled = %s, want %s", got.body, want)
		}
	}
	enabled(`{"enabled":false}`)
	for range 2 {
		f.want(http.StatusNoContent, red, "PUT", "/traces/"+id+"/enabled", "")
		enabled(`{"enabled":true}`)
	}
	for range 2 {
		f.want(http.StatusNoContent, red, "DELETE", "/traces/"+id+"/enabled", "")
		enabled(`{"enabled":false}`)
	}
	f.want(http.StatusNoContent, red, "PUT", "/traces/"+id+"/enabled", "anything", "Content-Type", "text/plain")
	for range 2 {
		f.want(http.StatusNoContent, red, "DELETE", "/traces/"+id, "")
	}
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id, "")
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id+"/enabled", "")
	f.want(http.StatusNotFound, red, "PUT", "/traces/"+id+"/enabled", "")
	f.want(http.StatusNotFound, red, "DELETE", "/traces/"+id+"/enabled", "")
	if b := f.want(http.StatusOK, root, "GET", "/routers/"+redRouter, "").object(t); b["inboundFilterId"] != nil {
		t.Errorf("the router has the filter %v after its only request is gone", b["inboundFilterId"])
	}
}

// TestTraceAsMidoNetHadItLast does the same in the other form and media type.
func TestTraceAsMidoNetHadItLast(t *testing.T) {
	f := newFixture(t)
	body := `{"id":"` + absent + `","name":"n","deviceType":"PORT","deviceId":"` + redPort + `","condition":{},"limit":3,"enabled":true,"creationTimestampMs":17}`
	f.want(http.StatusCreated, root, "POST", "/traces", body, "Content-Type", vendorTrace, "Accept", vendorTrace)
	got := f.want(http.StatusOK, root, "GET", "/traces/"+absent, "", "Accept", vendorTrace)
	if kind := got.header.Get("Content-Type"); kind != vendorTrace {
		t.Errorf("Content-Type %q, want %q", kind, vendorTrace)
	}
	one := got.object(t)
	for name, want := range map[string]any{
		"id": absent, "uri": "http://hub.example:8181/midonet-api/traces/" + absent, "name": "n", "deviceType": "PORT", "deviceId": redPort,
		"creationTimestampMs": 17.0, "limit": 3.0, "enabled": true,
	} {
		if one[name] != want {
			t.Errorf("%s = %v, want %v", name, one[name], want)
		}
		delete(one, name)
	}
	delete(one, "condition")
	if len(one) != 0 {
		t.Errorf("further members %v", one)
	}
	f.want(http.StatusConflict, root, "POST", "/traces", body)

	change := `{"name":"m","deviceType":"PORT","deviceId":"` + redPort + `","condition":{"vlan":7},"enabled":false}`
	f.want(http.StatusNoContent, root, "PUT", "/traces/"+absent, change, "Content-Type", vendorTrace)
	one = f.want(http.StatusOK, root, "GET", "/traces/"+absent, "").object(t)
	if one["name"] != "m" || one["enabled"] != false || one["limit"] != float64(math.MaxInt64) || one["creationTimestampMs"] != 17.0 {
		t.Errorf("after the change: %v", one)
	}
	list := f.want(http.StatusOK, root, "GET", "/traces", "", "Accept", vendor+"collection."+traceMedia+"+json")
	if len(list.array(t)) != 1 || list.header.Get("Content-Type") != vendor+"collection."+traceMedia+"+json" {
		t.Errorf("list of type %q: %s", list.header.Get("Content-Type"), list.body)
	}
}

// TestTraceRefusals goes through the rows of the table of status codes.
func TestTraceRefusals(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	foreign := f.trace(blue, "bridges/"+blueLAN)
	uri := func(path string) string { return `"http://hub.example:8181/midonet-api/` + path + `"` }
	good := `"device":` + uri("bridges/"+redLAN) + `,"condition":{}`
	m5 := func(kind, id string) string {
		return `{"name":"n","condition":{},"deviceType":"` + kind + `","deviceId":"` + id + `"}`
	}
	for _, tt := range []struct {
		name                string
		token, method, path string
		body                string
		want                int
	}{
		{"no token", "", "GET", "/traces", "", 401},
		{"unknown token", "x", "GET", "/traces/" + id, "", 401},
		{"unknown token, no such path", "x", "GET", "/nowhere", "", 401},
		{"user makes", redUser, "POST", "/traces", "{" + good + "}", 403},
		{"user changes", redUser, "PUT", "/traces/" + id, "{}", 403},
		{"user deletes", redUser, "DELETE", "/traces/" + id, "", 403},
		{"user deletes nothing", redUser, "DELETE", "/traces/" + absent, "", 403},
		{"user enables", redUser, "PUT", "/traces/" + id + "/enabled", "", 403},
		{"user disables", redUser, "DELETE", "/traces/" + id + "/enabled", "", 403},
		{"user reads", redUser, "GET", "/traces/" + id, "", 200},
		{"user reads state", redUser, "GET", "/traces/" + id + "/enabled", "", 200},
		{"no request", red, "GET", "/traces/" + absent, "", 404},
		{"change of no request", red, "PUT", "/traces/" + absent, "{" + good + "}", 404},
		{"no id", red, "GET", "/traces/1", "", 404},
		{"no id to delete", red, "DELETE", "/traces/1", "", 404},
		{"no id to enable", red, "PUT", "/traces/1/enabled", "", 404},
		{"no device", red, "POST", "/traces", `{"condition":{},"device":` + uri("bridges/"+absent) + `}`, 404},
		{"no device, other form", red, "POST", "/traces", m5("ROUTER", absent), 404},
		{"device that is no id", red, "POST", "/traces", `{"condition":{},"device":` + uri("bridges/1") + `}`, 404},
		{"deviceId that is no id", red, "POST", "/traces", m5("PORT", "1"), 404},
		{"router that is a bridge", red, "POST", "/traces", `{"condition":{},"device":` + uri("routers/"+redLAN) + `}`, 404},
		{"bridge that is a port", red, "POST", "/traces", m5("BRIDGE", redPort), 404},
		{"foreign device", red, "POST", "/traces", `{"condition":{},"device":` + uri("bridges/"+blueLAN) + `}`, 403},
		{"foreign port", red, "POST", "/traces", m5("PORT", bluePort), 403},
		{"foreign request", red, "GET", "/traces/" + foreign, "", 403},
		{"foreign request's state", red, "GET", "/traces/" + foreign + "/enabled", "", 403},
		{"foreign request to enable", red, "PUT", "/traces/" + foreign + "/enabled", "", 403},
		{"foreign request to disable", red, "DELETE", "/traces/" + foreign + "/enabled", "", 403},
		{"foreign request to change", red, "PUT", "/traces/" + foreign, "{" + good + `,"name":"n"}`, 403},
		{"foreign request to delete", red, "DELETE", "/traces/" + foreign, "", 403},
		{"foreign request's flows", red, "GET", "/traces/" + foreign + "/flows", "", 403},
		{"other tenant, admin", root, "POST", "/traces", "{" + good + `,"tenantId":"blue"}`, 400},
		{"other tenant", red, "POST", "/traces", "{" + good + `,"tenantId":"blue"}`, 403},
		{"no JSON", red, "POST", "/traces", `{`, 400},
		{"no object", red, "POST", "/traces", `[]`, 400},
		{"null", red, "POST", "/traces", `null`, 400},
		{"two objects", red, "POST", "/traces", "{" + good + "}{}", 400},
		{"no device at all", red, "POST", "/traces", `{"condition":{}}`, 400},
		{"device of nothing", red, "POST", "/traces", `{"condition":{},"device":"bridge"}`, 400},
		{"device of no kind", red, "POST", "/traces", `{"condition":{},"device":` + uri("chains/"+redLAN) + `}`, 400},
		{"device that is a number", red, "POST", "/traces", `{"condition":{},"device":7}`, 400},
		{"no deviceId", red, "POST", "/traces", `{"condition":{},"name":"n","deviceType":"PORT"}`, 400},
		{"no deviceType", red, "POST", "/traces", `{"condition":{},"name":"n","deviceId":"` + redPort + `"}`, 400},
		{"deviceType", red, "POST", "/traces", m5("Bridge", redLAN), 400},
		{"no name", red, "POST", "/traces", `{"condition":{},"deviceType":"PORT","deviceId":"` + redPort + `"}`, 400},
		{"no condition", red, "POST", "/traces", `{"device":` + uri("bridges/"+redLAN) + `}`, 400},
		{"condition null", red, "POST", "/traces", `{"condition":null,"device":` + uri("bridges/"+redLAN) + `}`, 400},
		{"condition", red, "POST", "/traces", `{"condition":{"nwProto":256},"device":` + uri("bridges/"+redLAN) + `}`, 400},
		{"condition that is a number", red, "POST", "/traces", `{"condition":5,"device":` + uri("bridges/"+redLAN) + `}`, 400},
		{"condition in words", red, "POST", "/traces", `{"condition":"src","device":` + uri("bridges/"+redLAN) + `}`, 400},
		{"limit 0", red, "POST", "/traces", "{" + good + `,"limit":0}`, 400},
		{"limit below", red, "POST", "/traces", "{" + good + `,"maxFlowsPerHost":"-1"}`, 400},
		{"limit of words", red, "POST", "/traces", "{" + good + `,"maxFlowsPerHost":"ten"}`, 400},
		{"limit with a fraction", red, "POST", "/traces", "{" + good + `,"limit":1.5}`, 400},
		{"limit too large", red, "POST", "/traces", "{" + good + `,"limit":9223372036854775808}`, 400},
		{"two limits", red, "POST", "/traces", "{" + good + `,"limit":1,"maxFlowsPerHost":2}`, 400},
		{"two devices", red, "POST", "/traces", "{" + good + `,"deviceId":"` + redDMZ + `"}`, 400},
		{"two kinds", red, "POST", "/traces", "{" + good + `,"deviceType":"ROUTER"}`, 400},
		{"id", red, "POST", "/traces", "{" + good + `,"id":"1"}`, 400},
		{"enabled", red, "POST", "/traces", "{" + good + `,"enabled":"yes"}`, 400},
		{"id exists", red, "POST", "/traces", "{" + good + `,"id":"` + id + `"}`, 409},
		{"other device", red, "PUT", "/traces/" + id, m5("BRIDGE", redDMZ), 409},
		{"other device that is not there", red, "PUT", "/traces/" + id, m5("BRIDGE", absent), 404},
		{"other device that is foreign", red, "PUT", "/traces/" + id, m5("BRIDGE", blueLAN), 403},
		{"change of kind", red, "PUT", "/traces/" + id, m5("ROUTER", redLAN), 404},
		{"change without a condition", red, "PUT", "/traces/" + id, `{"device":` + uri("bridges/"+redLAN) + `}`, 400},
		{"change without a device", red, "PUT", "/traces/" + id, `{"name":"n","condition":{}}`, 400},
		{"change of the limit", red, "PUT", "/traces/" + id, "{" + good + `,"limit":0}`, 400},
		{"PATCH", red, "PATCH", "/traces/" + id, "{}", 405},
		{"DELETE of all", red, "DELETE", "/traces", "", 405},
		{"POST to state", red, "POST", "/traces/" + id + "/enabled", "", 405},
		{"no such path", red, "GET", "/trace", "", 404},
		{"below a request", red, "GET", "/traces/" + id + "/nothing", "", 404},
	} {
		if got := f.do(tt.token, tt.method, tt.path, tt.body); got.status != tt.want {
			t.Errorf("%s: status %d, want %d: %s", tt.name, got.status, tt.want, got.body)
		}
	}
	all := f.want(http.StatusOK, root, "GET", "/traces", "").array(t)
	if len(all) != 2 {
		t.Errorf("%d requests after refusals, want 2: %v", len(all), all)
	}
}

func TestTraceTakesBothFormsAtOnce(t *testing.T) {
	f := newFixture(t)
	id := f.create(red, "/traces", `{"tenantId":"red","device":"/midonet-api/bridges/`+redLAN+`","deviceType":"BRIDGE","deviceId":"`+redLAN+
		`","condition":"src 10.0.0.0/8 proto tcp","limit":"4","maxFlowsPerHost":4,"comment":[1]}`)
	one := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t)
	condition, _ := one["condition"].(map[string]any)
	if one["limit"] != 4.0 || condition["nwSrcAddress"] != "10.0.0.0" || condition["nwProto"] != 6.0 {
		t.Errorf("request = %v", one)
	}
	// What GET answers may be sent back.
	back := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").body
	f.want(http.StatusNoContent, red, "PUT", "/traces/"+id, back)
}

func TestTraceMediaTypes(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	for _, tt := range []struct {
		accept, want string
	}{
		{"", plainJSON},
		{"*/*", plainJSON},
		{"application/*", plainJSON},
		{"application/json", plainJSON},
		{"text/html, application/xml;q=0.9, */*;q=0.1", plainJSON},
		{vendorTrace, vendorTrace},
		{vendorTrace + ", application/json;q=0.5", vendorTrace},
		{"application/json;q=0.2, " + vendorTrace, vendorTrace},
		{"application/json;q=0, */*", vendorTrace},
	} {
		got := f.want(http.StatusOK, red, "GET", "/traces/"+id, "", "Accept", tt.accept)
		if kind := got.header.Get("Content-Type"); kind != tt.want {
			t.Errorf("Accept %q: answered %q, want %q", tt.accept, kind, tt.want)
		}
	}
	for _, accept := range []string{"text/html", vendor + "TraceRequest-v2+json", vendor + "collection.TraceRequest-v1+json", "application/json;q=0", ";"} {
		f.want(http.StatusNotAcceptable, red, "GET", "/traces/"+id, "", "Accept", accept)
	}
	f.want(http.StatusNotAcceptable, red, "GET", "/traces", "", "Accept", vendorTrace)
	body := `{"device":"/midonet-api/bridges/` + redLAN + `","condition":{}}`
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", vendor + "Bridge-v4+json", "?"} {
		f.want(http.StatusUnsupportedMediaType, red, "POST", "/traces", body, "Content-Type", kind)
	}
	f.want(http.StatusUnsupportedMediaType, red, "POST", "/traces", body, "Content-Type", "application/json; charset=iso-8859-1")
	f.want(http.StatusUnsupportedMediaType, red, "POST", "/traces", body, "Content-Encoding", "gzip")
	f.want(http.StatusCreated, red, "POST", "/traces", body, "Content-Encoding", "identity")
	f.want(http.StatusCreated, red, "POST", "/traces", body, "Content-Type", "application/json; charset=utf-8")
	f.want(http.StatusBadRequest, red, "POST", "/traces", `{"deviceType":"BRIDGE","deviceId":"`+redLAN+`","condition":{}}`, "Content-Type", vendorTrace)
	got := f.want(http.StatusMethodNotAllowed, red, "PATCH", "/traces", "")
	if allow := got.header.Get("Allow"); allow != "GET, POST" {
		t.Errorf("Allow: %q, want GET, POST", allow)
	}
}

func TestTracesOfTenants(t *testing.T) {
	f := newFixture(t)
	f.trace(red, "bridges/"+redLAN)
	f.trace(root, "ports/"+redPort)
	f.trace(root, "routers/"+blueRouter)
	for _, tt := range []struct {
		token, query string
		want         int
	}{
		{root, "", 3},
		{root, "?tenant_id=red", 2},
		{root, "?tenant_id=blue", 1},
		{root, "?tenant_id=green", 0},
		{red, "", 2},
		{red, "?tenant_id=red", 2},
		{red, "?tenant_id=blue", 0},
		{redUser, "", 2},
		{blue, "", 1},
		{blue, "?tenant_id=red", 0},
	} {
		got := f.want(http.StatusOK, tt.token, "GET", "/traces"+tt.query, "")
		if list := got.array(t); len(list) != tt.want {
			t.Errorf("%q as %q: %d requests, want %d", tt.query, tt.token, len(list), tt.want)
		}
	}
	if got := f.want(http.StatusOK, root, "GET", "/traces?tenant_id=green", ""); got.body != "[]" {
		t.Errorf("empty list = %s", got.body)
	}
}

func TestTraceOfADeviceGoesWithIt(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "ports/"+redPort)
	f.want(http.StatusNoContent, red, "PUT", "/traces/"+id+"/enabled", "")
	f.want(http.StatusNoContent, red, "DELETE", "/bridges/"+redLAN, "")
	f.want(http.StatusNotFound, red, "GET", "/traces/"+id, "")
	if list := f.want(http.StatusOK, root, "GET", "/traces", "").array(t); len(list) != 0 {
		t.Errorf("requests left: %v", list)
	}
}

// TestParallelEnables enables a request many times at once: it has one rule.
func TestParallelEnables(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() { f.want(http.StatusNoContent, red, "PUT", "/traces/"+id+"/enabled", "") })
	}
	wait.Wait()
	chain := named(topology.KindChain, "red-in")
	rules := f.want(http.StatusOK, red, "GET", "/chains/"+chain+"/rules", "").body
	if n := strings.Count(rules, `"type":"trace"`); n != 1 {
		t.Errorf("%d trace rules, want 1: %s", n, rules)
	}
}

func TestTraceTellsThatItsRuleIsMissing(t *testing.T) {
	f := newFixture(t)
	id := f.trace(red, "bridges/"+redLAN)
	f.want(http.StatusNoContent, red, "PUT", "/traces/"+id+"/enabled", "")
	one := f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t)
	if one["warning"] != nil {
		t.Errorf("warning %v of a request that has its rule", one["warning"])
	}
	status, _ := one["hostStatus"].([]any)
	if len(status) != 1 {
		t.Errorf("hostStatus = %v", one["hostStatus"])
	}
	f.want(http.StatusNoContent, red, "DELETE", "/chains/"+named(topology.KindChain, "red-in"), "")
	one = f.want(http.StatusOK, red, "GET", "/traces/"+id, "").object(t)
	if one["warning"] != "rule missing" || one["enabled"] != true {
		t.Errorf("request without its rule: %v", one)
	}
	f.want(http.StatusNoContent, red, "DELETE", "/traces/"+id+"/enabled", "")
}
