// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// TestResourceMediaTypes reads each resource and each list as its own type.
func TestResourceMediaTypes(t *testing.T) {
	f := newFixture(t)
	rule := f.create(red, "/chains/"+named(topology.KindChain, "red-in")+"/rules", `{"type":"accept"}`)
	routes := f.want(http.StatusOK, root, "GET", "/routers/"+redRouter+"/routes", "").array(t)
	trace := f.trace(red, "bridges/"+redLAN)
	group, addrs, zone := named(topology.KindPortGroup, "red-group"), named(topology.KindAddrGroup, "addresses"), named(topology.KindTunnelZone, "zone")
	chain, link := named(topology.KindChain, "red-in"), named(topology.KindPort, "red-blue")
	for path, kind := range map[string]string{
		"":                                      "Application-v5",
		"/":                                     "Application-v5",
		"/bridges/" + redLAN:                    "Bridge-v4",
		"/routers/" + redRouter:                 "Router-v3",
		"/ports/" + redPort:                     "Port-v3",
		"/ports/" + link + "/link":              "PortLink-v1",
		"/hosts/" + host1 + "/ports/" + redPort: "HostInterfacePort-v1",
		"/chains/" + chain:                      "Chain-v1",
		"/rules/" + rule:                        "Rule-v2",
		"/routes/" + routes[0]["id"].(string):   "Route-v1",
		"/port_groups/" + group:                 "PortGroup-v1",
		"/port_groups/" + group + "/ports/" + redPort:     "PortGroupPort-v1",
		"/ip_addr_groups/" + addrs:                        "IpAddrGroup-v1",
		"/ip_addr_groups/" + addrs + "/ip_addrs/10.0.0.1": "IpAddrGroupAddr-v1",
		"/hosts/" + host1:                                 "Host-v3",
		"/tunnel_zones/" + zone:                           "TunnelZone-v1",
		"/tunnel_zones/" + zone + "/hosts/" + host1:       "TunnelZoneHost-v1",
		"/traces/" + trace:                                "TraceRequest-v1",

		"/bridges": "collection.Bridge-v4", "/routers": "collection.Router-v3", "/ports": "collection.Port-v3",
		"/bridges/" + redLAN + "/ports": "collection.Port-v3", "/routers/" + redRouter + "/ports": "collection.Port-v3",
		"/bridges/" + redLAN + "/peer_ports": "collection.Port-v3", "/routers/" + redRouter + "/peer_ports": "collection.Port-v3",
		"/bridges/" + redLAN + "/mac_table": "collection.MacPort-v2", "/bridges/" + redLAN + "/arp_table": "collection.IP4Mac-v1",
		"/chains": "collection.Chain-v1", "/chains/" + named(topology.KindChain, "red-in") + "/rules": "collection.Rule-v2",
		"/routers/" + redRouter + "/routes": "collection.Route-v1",
		"/port_groups":                      "collection.PortGroup-v1", "/ports/" + redPort + "/port_groups": "collection.PortGroupPort-v1",
		"/port_groups/" + named(topology.KindPortGroup, "red-group") + "/ports": "collection.PortGroupPort-v1",
		"/ip_addr_groups": "collection.IpAddrGroup-v1",
		"/ip_addr_groups/" + named(topology.KindAddrGroup, "addresses") + "/ip_addrs": "collection.IpAddrGroupAddr-v1",
		"/hosts": "collection.Host-v3", "/hosts/" + host1 + "/interfaces": "collection.Interface-v1",
		"/hosts/" + host1 + "/ports": "collection.HostInterfacePort-v1",
		"/tunnel_zones":              "collection.TunnelZone-v1", "/tunnel_zones/" + named(topology.KindTunnelZone, "zone") + "/hosts": "collection.TunnelZoneHost-v1",
		"/traces": "collection.TraceRequest-v1",
	} {
		want := vendor + kind + "+json"
		got := f.want(http.StatusOK, root, "GET", path, "", "Accept", want)
		if sent := got.header.Get("Content-Type"); sent != want {
			t.Errorf("GET %s: Content-Type %q, want %q", path, sent, want)
		}
		plain := f.want(http.StatusOK, root, "GET", path, "")
		if sent := plain.header.Get("Content-Type"); sent != plainJSON {
			t.Errorf("GET %s: Content-Type %q, want %q", path, sent, plainJSON)
		}
		if strings.HasPrefix(kind, "collection.") {
			if list := plain.array(t); len(list) == 0 && !strings.Contains(path, "interfaces") && !strings.Contains(path, "/bridges/"+redLAN+"/peer") {
				t.Errorf("GET %s: an empty list", path)
			}
		} else if m := plain.object(t); !strings.HasPrefix(m["uri"].(string), "http://hub.example:8181"+Base) {
			t.Errorf("GET %s: uri %v is not absolute", path, m["uri"])
		}
		f.want(http.StatusNotAcceptable, root, "GET", path, "", "Accept", vendor+"Nothing-v1+json")
	}
}

// TestURIsLead follows every URI of an application and of what it names.
func TestURIsLead(t *testing.T) {
	f := newFixture(t)
	f.trace(red, "bridges/"+redLAN)
	seen := make(map[string]bool)
	var visit func(v any, depth int)
	visit = func(v any, depth int) {
		switch v := v.(type) {
		case map[string]any:
			for _, value := range v {
				visit(value, depth)
			}
		case []any:
			for _, value := range v {
				visit(value, depth)
			}
		case string:
			path, ok := strings.CutPrefix(v, "http://hub.example:8181"+Base)
			if !ok || seen[path] || strings.Contains(path, "{id}") || path == "/login" || path == "/simulations" || strings.HasSuffix(path, "/link") || depth > 4 {
				return
			}
			seen[path] = true
			got := f.want(http.StatusOK, root, "GET", path, "")
			if strings.HasPrefix(got.body, "[") {
				var list []any
				for _, m := range got.array(t) {
					list = append(list, m)
				}
				visit(list, depth+1)
				return
			}
			visit(got.object(t), depth+1)
		}
	}
	visit("http://hub.example:8181"+Base+"/", 0)
	if len(seen) < 50 {
		t.Errorf("followed %d URIs, want the objects of the fixture", len(seen))
	}
}

func TestApplicationNamesCollections(t *testing.T) {
	f := newFixture(t)
	m := f.want(http.StatusOK, red, "GET", "/", "").object(t)
	for _, name := range []string{"bridges", "routers", "chains", "hosts", "portGroups", "ports", "traceRequests", "tunnelZones"} {
		if _, ok := m[name].(string); !ok {
			t.Errorf("no %s in %v", name, m)
		}
	}
	if got, want := m["traceRequestTemplate"], "http://hub.example:8181/midonet-api/traces/{id}"; got != want {
		t.Errorf("traceRequestTemplate = %v, want %s", got, want)
	}
}

func TestDevices(t *testing.T) {
	f := newFixture(t)
	for _, plural := range []string{"bridges", "routers"} {
		id := f.create(root, "/"+plural, `{"name":"n","tenantId":"green","adminStateUp":false}`)
		one := f.want(http.StatusOK, root, "GET", "/"+plural+"/"+id, "").object(t)
		if one["name"] != "n" || one["tenantId"] != "green" || one["adminStateUp"] != false || one["id"] != id {
			t.Errorf("made %v", one)
		}
		f.want(http.StatusConflict, root, "POST", "/"+plural, `{"id":"`+id+`"}`)
		f.want(http.StatusNoContent, root, "PUT", "/"+plural+"/"+id, `{"name":"m","inboundFilterId":"`+named(topology.KindChain, "red-in")+`"}`)
		one = f.want(http.StatusOK, root, "GET", "/"+plural+"/"+id, "").object(t)
		if one["name"] != "m" || one["tenantId"] != "green" || one["adminStateUp"] != true ||
			one["inboundFilter"] != "http://hub.example:8181/midonet-api/chains/"+named(topology.KindChain, "red-in") {
			t.Errorf("changed to %v", one)
		}
		f.want(http.StatusBadRequest, root, "POST", "/"+plural, `{"name":"`+strings.Repeat("n", 256)+`"}`)
		f.want(http.StatusBadRequest, root, "POST", "/"+plural, `{"name":5}`)
		f.want(http.StatusBadRequest, root, "POST", "/"+plural, `{"inboundFilterId":"`+absent+`"}`)
		f.want(http.StatusNoContent, root, "DELETE", "/"+plural+"/"+id, "")
		f.want(http.StatusNotFound, root, "DELETE", "/"+plural+"/"+id, "")
		f.want(http.StatusNotFound, root, "GET", "/"+plural+"/"+id, "")
		f.want(http.StatusNotFound, root, "PUT", "/"+plural+"/"+id, "{}")
		f.want(http.StatusNotFound, root, "GET", "/"+plural+"/x", "")
		list := f.want(http.StatusOK, red, "GET", "/"+plural+"?tenant_id=blue", "").array(t)
		if len(list) != 0 {
			t.Errorf("%s of blue for red: %v", plural, list)
		}
	}
	id := f.create(red, "/bridges", `{}`) // of the caller's tenant
	if one := f.want(http.StatusOK, red, "GET", "/bridges/"+id, "").object(t); one["tenantId"] != "red" {
		t.Errorf("bridge without a tenant made by red: %v", one)
	}
}

func TestPorts(t *testing.T) {
	f := newFixture(t)
	id := f.create(red, "/bridges/"+redLAN+"/ports", `{"type":"Bridge"}`)
	one := f.want(http.StatusOK, red, "GET", "/ports/"+id, "").object(t)
	if one["type"] != "Bridge" || one["deviceId"] != redLAN || one["adminStateUp"] != true || one["active"] != false {
		t.Errorf("bridge port %v", one)
	}
	if key, _ := one["tunnelKey"].(float64); key < 1 || key > 0xfffff {
		t.Errorf("tunnelKey %v", one["tunnelKey"])
	}
	router := f.create(red, "/routers/"+redRouter+"/ports", `{"networkAddress":"10.5.0.0","networkLength":24,"portAddress":"10.5.0.1"}`)
	one = f.want(http.StatusOK, red, "GET", "/ports/"+router, "").object(t)
	mac, _ := one["portMac"].(string)
	if one["type"] != "Router" || len(mac) != 17 || !strings.Contains("26ae", mac[1:2]) {
		t.Errorf("router port %v", one)
	}
	routes := f.want(http.StatusOK, red, "GET", "/routers/"+redRouter+"/routes", "").body
	if !strings.Contains(routes, `"dstNetworkAddr":"10.5.0.1","dstNetworkLength":32`) {
		t.Errorf("no Local route of the new port: %s", routes)
	}
	f.want(http.StatusBadRequest, red, "POST", "/routers/"+redRouter+"/ports", `{"type":"Bridge"}`)
	f.want(http.StatusBadRequest, red, "POST", "/bridges/"+redLAN+"/ports", `{"type":"Router"}`)
	f.want(http.StatusBadRequest, red, "POST", "/bridges/"+redLAN+"/ports", `{"portAddress":"10.0.0.1","networkAddress":"10.0.0.0","networkLength":8}`)
	f.want(http.StatusBadRequest, red, "POST", "/routers/"+redRouter+"/ports", `{"vlanId":7}`)
	f.want(http.StatusBadRequest, red, "POST", "/bridges/"+redLAN+"/ports", `{"vlanId":4095}`)
	f.want(http.StatusNotFound, red, "POST", "/routers/"+redLAN+"/ports", `{}`)
	f.want(http.StatusForbidden, red, "POST", "/bridges/"+blueLAN+"/ports", `{}`)

	f.want(http.StatusBadRequest, red, "POST", "/ports/"+id+"/link", `{}`)
	f.want(http.StatusBadRequest, red, "POST", "/ports/"+id+"/link", `{"peerId":"x"}`)
	f.want(http.StatusNotFound, red, "POST", "/ports/"+id+"/link", `{"peerId":"`+absent+`"}`)
	f.want(http.StatusForbidden, red, "POST", "/ports/"+id+"/link", `{"peerId":"`+named(topology.KindPort, "blue-free")+`"}`)
	f.want(http.StatusNotFound, red, "GET", "/ports/"+id+"/link", "")
	f.want(http.StatusCreated, red, "POST", "/ports/"+id+"/link", `{"peerId":"`+router+`"}`)
	f.want(http.StatusConflict, red, "POST", "/ports/"+id+"/link", `{"peerId":"`+named(topology.KindPort, "red-free2")+`"}`)
	f.want(http.StatusConflict, red, "POST", "/ports/"+named(topology.KindPort, "red-free2")+"/link", `{"peerId":"`+id+`"}`)
	one = f.want(http.StatusOK, red, "GET", "/ports/"+router, "").object(t)
	if one["peerId"] != id {
		t.Errorf("peer of the router port: %v", one["peerId"])
	}
	peers := f.want(http.StatusOK, red, "GET", "/bridges/"+redLAN+"/peer_ports", "").array(t)
	if len(peers) != 1 || peers[0]["id"] != router {
		t.Errorf("peer ports of the bridge: %v", peers)
	}
	f.want(http.StatusNoContent, red, "DELETE", "/ports/"+router+"/link", "")
	f.want(http.StatusNotFound, red, "GET", "/ports/"+id+"/link", "")

	f.want(http.StatusNoContent, red, "PUT", "/ports/"+router, `{"adminStateUp":false,"networkAddress":"10.5.0.0","networkLength":24,"portAddress":"10.5.0.1","hostId":"`+host1+`","interfaceName":"x"}`)
	one = f.want(http.StatusOK, red, "GET", "/ports/"+router, "").object(t)
	if one["adminStateUp"] != false || one["portMac"] != mac || one["hostId"] != nil {
		t.Errorf("changed port %v", one)
	}
	f.want(http.StatusBadRequest, red, "PUT", "/ports/"+router, `{"type":"Bridge"}`)
	f.want(http.StatusNoContent, red, "DELETE", "/ports/"+router, "")
	f.want(http.StatusNotFound, red, "GET", "/ports/"+router, "")
}

func TestBindings(t *testing.T) {
	f := newFixture(t)
	free := named(topology.KindPort, "red-free")
	at := "/hosts/" + host1 + "/ports"
	f.want(http.StatusForbidden, red, "POST", at, `{"portId":"`+free+`","interfaceName":"r2"}`)
	f.want(http.StatusConflict, root, "POST", at, `{"portId":"`+free+`","interfaceName":"r1"}`)
	f.want(http.StatusConflict, root, "POST", at, `{"portId":"`+redPort+`","interfaceName":"r2"}`)
	f.want(http.StatusBadRequest, root, "POST", at, `{"portId":"`+free+`"}`)
	f.want(http.StatusBadRequest, root, "POST", at, `{"interfaceName":"r2"}`)
	f.want(http.StatusNotFound, root, "POST", at, `{"portId":"`+absent+`","interfaceName":"r2"}`)
	f.want(http.StatusNotFound, root, "POST", "/hosts/"+absent+"/ports", `{"portId":"`+free+`","interfaceName":"r2"}`)
	if got := f.create(root, at, `{"portId":"`+free+`","interfaceName":"r2"}`); got != free {
		t.Errorf("binding of %s is at %s", free, got)
	}
	one := f.want(http.StatusOK, red, "GET", "/ports/"+free, "").object(t)
	if one["hostId"] != host1 || one["interfaceName"] != "r2" {
		t.Errorf("bound port %v", one)
	}
	f.want(http.StatusForbidden, root, "DELETE", "/hosts/"+host1, "")
	f.want(http.StatusNoContent, root, "DELETE", at+"/"+free, "")
	f.want(http.StatusNotFound, root, "DELETE", at+"/"+free, "")
	// A host in no tunnel zone.
	zone := "/tunnel_zones/" + named(topology.KindTunnelZone, "zone") + "/hosts"
	f.want(http.StatusNoContent, root, "DELETE", zone+"/"+host1, "")
	f.want(http.StatusConflict, root, "POST", at, `{"portId":"`+free+`","interfaceName":"r2"}`)
	f.want(http.StatusCreated, root, "POST", zone, `{"hostId":"`+host1+`","ipAddress":"192.0.2.1"}`)
	f.want(http.StatusBadRequest, root, "POST", zone, `{"hostId":"`+host1+`","ipAddress":"::1"}`)
	for _, port := range []string{redPort, bluePort} {
		f.want(http.StatusNoContent, root, "DELETE", at+"/"+port, "")
	}
	if got := f.want(http.StatusOK, root, "DELETE", "/hosts/"+host1, ""); got.body != "" {
		t.Errorf("deletion of a host answered %s", got.body)
	}
	f.want(http.StatusNotFound, root, "GET", "/hosts/"+host1, "")
}

func TestChainsAndRules(t *testing.T) {
	f := newFixture(t)
	chain := f.create(red, "/chains", `{"name":"c"}`)
	rules := "/chains/" + chain + "/rules"
	first := f.create(red, rules, `{"type":"accept","nwProto":6}`)
	second := f.create(red, rules, `{"type":"drop","position":2}`)
	third := f.create(red, rules, `{"type":"jump","jumpChainId":"`+named(topology.KindChain, "red-in")+`","tpDst":{"start":80,"end":80}}`)
	list := f.want(http.StatusOK, red, "GET", rules, "").array(t)
	if len(list) != 3 || list[0]["id"] != third || list[1]["id"] != first || list[2]["id"] != second || list[2]["position"] != 3.0 ||
		list[0]["jumpChainName"] != "red-in" {
		t.Errorf("rules: %v", list)
	}
	for _, body := range []string{
		`{"type":"drop","position":0}`, `{"type":"drop","position":5}`, `{"type":"drop","position":"1"}`, `{"type":"jump"}`,
		`{"type":"jump","jumpChainId":"` + absent + `"}`, `{"type":"trace","requestId":"` + absent + `","limit":1,"traceDeviceId":"` + absent + `"}`,
		`{"type":"trace"}`, `{}`, `{"type":"dnat"}`, `{"type":"drop","fragmentPolicy":"any","tpDst":{"start":80}}`, `{"type":"drop","vlan":0}`,
	} {
		f.want(http.StatusBadRequest, red, "POST", rules, body)
	}
	f.want(http.StatusForbidden, red, "POST", rules, `{"type":"jump","jumpChainId":"`+named(topology.KindChain, "blue-in")+`"}`)
	f.create(red, rules, `{"type":"dnat","natTargets":[{"addressFrom":"10.0.0.1"}]}`)
	f.want(http.StatusMethodNotAllowed, red, "PUT", "/rules/"+first, "{}")
	f.want(http.StatusNoContent, red, "DELETE", "/rules/"+first, "")
	f.want(http.StatusNotFound, red, "GET", "/rules/"+first, "")
	f.want(http.StatusNoContent, red, "DELETE", "/chains/"+chain, "")
	f.want(http.StatusNotFound, red, "GET", "/rules/"+second, "")
	f.want(http.StatusNotFound, red, "GET", rules, "")
}

func TestRoutes(t *testing.T) {
	f := newFixture(t)
	at := "/routers/" + redRouter + "/routes"
	port := named(topology.KindPort, "red-free2")
	id := f.create(red, at, `{"dstNetworkAddr":"10.7.0.0","dstNetworkLength":16,"type":"Normal","nextHopPort":"`+port+`","nextHopGateway":"10.1.0.9","weight":5}`)
	one := f.want(http.StatusOK, red, "GET", "/routes/"+id, "").object(t)
	if one["routerId"] != redRouter || one["srcNetworkLength"] != 0.0 || one["dstNetworkAddr"] != "10.7.0.0" || one["learned"] != false {
		t.Errorf("route %v", one)
	}
	for _, body := range []string{
		`{"type":"Normal"}`, `{"type":"Normal","nextHopPort":"` + named(topology.KindPort, "blue-free") + `"}`,
		`{"type":"Normal","nextHopPort":"` + absent + `"}`, `{"type":"Odd"}`, `{"type":"Reject","weight":-1}`, `{"type":"Reject","dstNetworkLength":33}`,
	} {
		f.want(http.StatusBadRequest, red, "POST", at, body)
	}
	f.want(http.StatusForbidden, blue, "GET", "/routes/"+id, "")
	f.want(http.StatusNoContent, red, "DELETE", "/routes/"+id, "")
	f.want(http.StatusNotFound, red, "DELETE", "/routes/"+id, "")
}

func TestGroupsAndZones(t *testing.T) {
	f := newFixture(t)
	group := f.create(red, "/port_groups", `{"name":"g","stateful":true}`)
	f.want(http.StatusCreated, red, "POST", "/port_groups/"+group+"/ports", `{"portId":"`+redPort+`"}`)
	f.want(http.StatusForbidden, red, "POST", "/port_groups/"+group+"/ports", `{"portId":"`+bluePort+`"}`)
	f.want(http.StatusNotFound, red, "POST", "/port_groups/"+group+"/ports", `{"portId":"`+absent+`"}`)
	f.want(http.StatusBadRequest, red, "POST", "/port_groups/"+group+"/ports", `{}`)
	if list := f.want(http.StatusOK, red, "GET", "/ports/"+redPort+"/port_groups", "").array(t); len(list) != 2 {
		t.Errorf("groups of the port: %v", list)
	}
	f.want(http.StatusNoContent, red, "DELETE", "/port_groups/"+group+"/ports/"+redPort, "")
	f.want(http.StatusNotFound, red, "DELETE", "/port_groups/"+group+"/ports/"+redPort, "")
	f.want(http.StatusNoContent, red, "DELETE", "/port_groups/"+group, "")

	addrs := f.create(root, "/ip_addr_groups", `{"name":"a"}`)
	f.want(http.StatusCreated, root, "POST", "/ip_addr_groups/"+addrs+"/ip_addrs", `{"addr":"10.0.0.7"}`)
	f.want(http.StatusBadRequest, root, "POST", "/ip_addr_groups/"+addrs+"/ip_addrs", `{"addr":"x"}`)
	f.want(http.StatusOK, root, "GET", "/ip_addr_groups/"+addrs+"/ip_addrs/10.0.0.7", "")
	f.want(http.StatusNoContent, root, "DELETE", "/ip_addr_groups/"+addrs+"/ip_addrs/10.0.0.7", "")
	f.want(http.StatusNotFound, root, "GET", "/ip_addr_groups/"+addrs+"/ip_addrs/10.0.0.7", "")
	f.want(http.StatusNoContent, root, "DELETE", "/ip_addr_groups/"+addrs, "")

	f.want(http.StatusBadRequest, root, "POST", "/tunnel_zones", `{"name":"z","type":"gre"}`)
	f.want(http.StatusBadRequest, root, "POST", "/tunnel_zones", `{"name":"z","type":"vtep"}`)
	f.want(http.StatusBadRequest, root, "POST", "/tunnel_zones", `{"type":"vxlan"}`)
	zone := f.create(root, "/tunnel_zones", `{"name":"z","type":"vxlan"}`)
	f.want(http.StatusNotFound, root, "POST", "/tunnel_zones/"+zone+"/hosts", `{"hostId":"`+absent+`","ipAddress":"192.0.2.9"}`)
	f.want(http.StatusNoContent, root, "PUT", "/tunnel_zones/"+zone, `{"name":"y"}`)
	f.want(http.StatusBadRequest, root, "PUT", "/tunnel_zones/"+zone, `{}`)
	if m := f.want(http.StatusOK, root, "GET", "/tunnel_zones/"+zone, "").object(t); m["name"] != "y" {
		t.Errorf("renamed tunnel zone: %v", m)
	}
	f.want(http.StatusNoContent, root, "DELETE", "/tunnel_zones/"+zone, "")
}

func TestBodies(t *testing.T) {
	f := newFixture(t)
	f.want(http.StatusRequestEntityTooLarge, root, "POST", "/bridges", `{"name":"`+strings.Repeat("x", DefaultMaxBody)+`"}`)
	for _, body := range []string{"{", "[]", "7", `"x"`, "null", "{}{}", "{\"name\":\"\xff\"", "\x00", strings.Repeat("[", 100000)} {
		f.want(http.StatusBadRequest, root, "POST", "/bridges", body)
	}
	f.want(http.StatusBadRequest, root, "POST", "/bridges", "")
	f.want(http.StatusNotFound, root, "GET", "/bridges/"+redLAN+"/ports/x/y", "")
	f.want(http.StatusNotFound, root, "GET", "/../bridges", "")
	f.want(http.StatusOK, root, "HEAD", "/bridges", "")
	f.want(http.StatusOK, root, "GET", "/bridges/", "")
}

// TestBodyThatDoesNotCome sends the begin of a body and waits: for an answer, and for
// the end of the connection, also where nobody reads the body.
func TestBodyThatDoesNotCome(t *testing.T) {
	f := newFixture(t)
	f.server.opts.Timeout = 20 * time.Millisecond
	server := httptest.NewServer(f.server)
	defer server.Close()
	for begin, want := range map[string]string{
		"POST /midonet-api/bridges HTTP/1.1\r\nX-Auth-Token: " + root:                 "408",
		"POST /midonet-api/bridges HTTP/1.1":                                          "401",
		"PUT /midonet-api/traces/" + absent + " HTTP/1.1\r\nX-Auth-Token: " + redUser: "403",
	} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, begin+"\r\nHost: hub\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+want+" ") {
			t.Errorf("%s: answer %q, %v, want %s and the end", begin, answer, err, want)
		}
		c.Close()
	}
}

func TestTopologyGoesOutAndIn(t *testing.T) {
	f := newFixture(t)
	f.want(http.StatusForbidden, red, "GET", "/topology", "")
	f.want(http.StatusForbidden, red, "POST", "/topology", "{}")
	document := f.want(http.StatusOK, root, "GET", "/topology", "").body
	other := newFixture(t)
	other.want(http.StatusNoContent, root, "DELETE", "/bridges/"+redLAN, "")
	other.want(http.StatusNoContent, root, "POST", "/topology", document)
	if got := other.want(http.StatusOK, root, "GET", "/topology", "").body; got != document {
		t.Errorf("imported %s\nexported %s", document, got)
	}
	f.want(http.StatusNoContent, root, "POST", "/topology", `{"bridges":[{"name":"lan","tenantId":"red"}],"ports":[{"name":"web1","device":"lan",
		"host":"h1","interface":"w","workload":{"mac":"02:00:00:00:00:09","address":"10.7.0.9/24","gateway":"10.7.0.1"}}]}`)
	at := "/ports/" + named(topology.KindPort, "web1")
	f.want(http.StatusNoContent, red, "PUT", at, `{"name":"web2"}`) // machines are what the document said
	d, err := topology.ReadDocument(strings.NewReader(f.want(http.StatusOK, root, "GET", "/topology", "").body))
	if err != nil {
		t.Fatal(err)
	}
	found := slices.IndexFunc(d.Ports, func(p topology.DocumentPort) bool { return p.Name == "web2" })
	if found < 0 || d.Ports[found].Workload == nil || d.Ports[found].Workload.Network.String() != "10.7.0.0/24" {
		t.Errorf("exported ports %+v, want web2 with its machine", d.Ports)
	}
	got := f.want(http.StatusBadRequest, root, "POST", "/topology", `{"ports":[{"name":"p","device":"nowhere"}]}`)
	if !strings.Contains(got.body, "ports[0].device") {
		t.Errorf("error %s does not name the place", got.body)
	}
}
