// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

// TestObjectsKeepTheirMembers reads and writes the JSON of each kind of object.
func TestObjectsKeepTheirMembers(t *testing.T) {
	for _, tt := range []struct {
		object any
		text   string
	}{
		{new(Bridge), `{"id":"` + idA + `","name":"b","tenantId":"t","adminStateUp":false,"inboundFilterId":"` + idB + `","outboundFilterId":"` + idB + `"}`},
		{new(Router), `{"id":"` + idA + `","name":"r","tenantId":"t","adminStateUp":true}`},
		{new(Port), `{"id":"` + idA + `","type":"Bridge","deviceId":"` + idB + `","adminStateUp":true,"hostId":"` + idB + `","interfaceName":"veth0","tunnelKey":7,"vlanId":9}`},
		{new(Port), `{"id":"` + idA + `","type":"Router","deviceId":"` + idB + `","adminStateUp":true,"peerId":"` + idB + `","tunnelKey":1048575,"networkAddress":"10.0.0.0","networkLength":24,"portAddress":"10.0.0.1","portMac":"02:00:00:00:00:01"}`},
		{new(Route), `{"id":"` + idA + `","routerId":"` + idB + `","srcNetworkAddr":"0.0.0.0","srcNetworkLength":0,"dstNetworkAddr":"10.0.0.0","dstNetworkLength":8,"type":"Normal","nextHopPort":"` + idB + `","nextHopGateway":"10.0.0.1","weight":100,"learned":false}`},
		{new(Chain), `{"id":"` + idA + `","name":"c","tenantId":"t"}`},
		{new(Rule), `{"id":"` + idA + `","chainId":"` + idB + `","type":"dnat","nwProto":6,"tpDst":{"start":80,"end":80},"flowAction":"continue","natTargets":[{"addressFrom":"10.0.0.1","addressTo":"10.0.0.2","portFrom":1,"portTo":2}]}`},
		{new(Rule), `{"id":"` + idA + `","chainId":"` + idB + `","type":"jump","jumpChainId":"` + idB + `"}`},
		{new(Rule), `{"id":"` + idA + `","chainId":"` + idB + `","type":"trace","requestId":"` + idA + `","limit":9223372036854775807,"traceDeviceId":"` + idB + `"}`},
		{new(PortGroup), `{"id":"` + idA + `","name":"g","tenantId":"t","stateful":true}`},
		{new(AddrGroup), `{"id":"` + idA + `","name":"g"}`},
		{new(Host), `{"id":"` + idA + `","name":"h","addresses":["192.0.2.1","fe80::1"]}`},
		{new(TunnelZone), `{"id":"` + idA + `","name":"z","type":"vxlan"}`},
		{new(TraceRequest), `{"id":"` + idA + `","name":"n","deviceType":"PORT","deviceId":"` + idB + `","condition":{"vlan":7},"creationTimestampMs":12,"limit":3,"enabled":true,"enabledRule":"` + idB + `"}`},
	} {
		if err := json.Unmarshal([]byte(tt.text), tt.object); err != nil {
			t.Errorf("%T of %s: %v", tt.object, tt.text, err)
			continue
		}
		out, err := json.Marshal(tt.object)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		_ = json.Unmarshal(out, &got)
		_ = json.Unmarshal([]byte(tt.text), &want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%T of %s came back as %s", tt.object, tt.text, out)
		}
	}
}

func TestObjectsHaveDefaults(t *testing.T) {
	var (
		b Bridge
		p Port
		r Route
		z TunnelZone
		q TraceRequest
	)
	for object, text := range map[any]string{
		&b: `{}`, &p: `{"type":"Router","networkAddress":null}`, &r: `{"type":"Reject","dstNetworkAddr":"0.0.0.0"}`,
		&z: `{"name":"z"}`, &q: `{"deviceType":"BRIDGE"}`,
	} {
		if err := json.Unmarshal([]byte(text), object); err != nil {
			t.Errorf("%T of %s: %v", object, text, err)
		}
	}
	if !b.AdminStateUp || !p.AdminStateUp {
		t.Error("a bridge or port of which nothing is said is down")
	}
	if r.Src != everywhere || r.Dst != everywhere {
		t.Errorf("route from %v to %v, want all addresses", r.Src, r.Dst)
	}
	if z.Type != VXLAN || q.Limit != math.MaxInt64 {
		t.Errorf("zone of type %q, request with limit %d", z.Type, q.Limit)
	}
}

func TestObjectsNameWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		object     any
		text, want string
	}{
		{new(Bridge), `7`, ""},
		{new(Bridge), `{"id":"x","name":7,"tenantId":[],"adminStateUp":"on","inboundFilterId":"0"}`, "adminStateUp id inboundFilterId name tenantId"},
		{new(Router), `{"outboundFilterId":5}`, "outboundFilterId"},
		{new(Port), `{"type":"Switch"}`, "type"},
		{new(Port), `{"type":"Bridge","vlanId":4095,"tunnelKey":1048576}`, "tunnelKey vlanId"},
		{new(Port), `{"type":"Bridge","portAddress":"10.0.0.1","networkAddress":"10.0.0.0","networkLength":8}`, "type"},
		{new(Port), `{"type":"Router","vlanId":7,"portMac":"01:00:00:00:00:00"}`, "portMac vlanId"},
		{new(Port), `{"type":"Router","networkAddress":"10.0.0.0","networkLength":33}`, "networkLength"},
		{new(Port), `{"type":"Router","portAddress":"10.0.0.1"}`, "networkAddress"},
		{new(Port), `{"type":"Router","portAddress":"10.1.0.1","networkAddress":"10.0.0.0","networkLength":16}`, "portAddress"},
		{new(Route), `{"type":"Normal"}`, "nextHopPort"},
		{new(Route), `{"type":"normal","weight":-1}`, "type weight"},
		{new(Route), `{"type":"Reject","dstNetworkAddr":"x","srcNetworkLength":"8"}`, "dstNetworkAddr srcNetworkLength"},
		{new(Chain), `{"name":7}`, "name"},
		{new(Rule), `{}`, "type"},
		{new(Rule), `{"type":"jump","vlan":0}`, "jumpChainId vlan"},
		{new(Rule), `{"type":"snat","natTargets":[]}`, "natTargets"},
		{new(Rule), `{"type":"snat","natTargets":[{"addressFrom":"x"},{"portTo":70000},7]}`, "natTargets[0].addressFrom natTargets[1].addressFrom natTargets[1].portTo natTargets[2] natTargets[2].addressFrom"},
		{new(Rule), `{"type":"dnat","flowAction":"drop","natTargets":[{"addressFrom":"10.0.0.1"}]}`, "flowAction"},
		{new(Rule), `{"type":"dnat","fragmentPolicy":"any","natTargets":[{"addressFrom":"10.0.0.1","portFrom":1}]}`, "fragmentPolicy"},
		{new(Rule), `{"type":"trace"}`, "type"},
		{new(PortGroup), `{"stateful":1}`, "stateful"},
		{new(AddrGroup), `{"name":1}`, "name"},
		{new(Host), `{"addresses":["x"]}`, "addresses"},
		{new(TunnelZone), `{"type":"gre"}`, "name type"},
		{new(TraceRequest), `{"deviceType":"bridge","limit":0,"condition":{"vlan":0}}`, "condition.vlan deviceType limit"},
		{new(TraceRequest), `{"deviceType":"PORT","limit":"many","condition":7}`, "condition limit"},
		{new(NATTarget), `{"portFrom":5,"portTo":4,"addressFrom":"10.0.0.1"}`, "portTo"},
	} {
		err := json.Unmarshal([]byte(tt.text), tt.object)
		if err == nil {
			t.Errorf("%T of %s: no error", tt.object, tt.text)
			continue
		}
		if got := properties(t, err); got != tt.want {
			t.Errorf("%T of %s: violations of %q, want %q: %v", tt.object, tt.text, got, tt.want, err)
		}
	}
}

func TestParseIDHasOneForm(t *testing.T) {
	for text, good := range map[string]bool{
		idA: true, "ABCDEFAB-1111-4111-8111-111111111111": true,
		"": false, "1": false, "{" + idA + "}": false, "urn:uuid:" + idA: false,
		"11111111111141118111111111111111": false, "11111111-1111-4111-8111-11111111111g": false,
		"11111111-1111-4111-81111-11111111111": false,
	} {
		if _, err := ParseID(text); (err == nil) != good {
			t.Errorf("ParseID(%q) = %v, want good %v", text, err, good)
		}
	}
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"type":"dnat","nwProto":6,"flowAction":"continue","natTargets":[{"addressFrom":"10.0.0.1","portFrom":1}]}`))
	f.Add([]byte(`{"type":"Router","networkAddress":"10.0.0.0","networkLength":24,"portAddress":"10.0.0.1"}`))
	f.Add([]byte(`{"deviceType":"PORT","limit":"3","condition":{"vlan":7},"enabled":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, pair := range [][2]json.Unmarshaler{
			{new(Bridge), new(Bridge)},
			{new(Router), new(Router)},
			{new(Port), new(Port)},
			{new(Route), new(Route)},
			{new(Chain), new(Chain)},
			{new(Rule), new(Rule)},
			{new(PortGroup), new(PortGroup)},
			{new(AddrGroup), new(AddrGroup)},
			{new(Host), new(Host)},
			{new(TunnelZone), new(TunnelZone)},
			{new(TraceRequest), new(TraceRequest)},
		} {
			if json.Unmarshal(data, pair[0]) != nil {
				continue
			}
			out, err := json.Marshal(pair[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(out, pair[1]); err != nil {
				t.Fatalf("%T of %s was written as %s: %v", pair[0], data, out, err)
			}
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Fatalf("%T of %s is %+v, then %+v", pair[0], data, pair[0], pair[1])
			}
		}
	})
}
