// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestParseCondition(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"hw-src 02:00:00:00:00:01 hw-src-mask=ffff.0000.0000", `{"dlSrc":"02:00:00:00:00:01","dlSrcMask":"ffff.0000.0000"}`},
		{"hw-dst !02:00:00:00:00:01 hw-dst-mask ff00.0000.0000", `{"dlDst":"02:00:00:00:00:01","dlDstMask":"ff00.0000.0000","invDlDst":true}`},
		{"ethertype 0x0806", `{"dlType":2054}`},
		{"ethertype=!arp", `{"dlType":2054,"invDlType":true}`},
		{"src 10.1.2.3/8  dst=!10.0.0.1", `{"nwSrcAddress":"10.1.2.3","nwSrcLength":8,"nwDstAddress":"10.0.0.1","nwDstLength":32,"invNwDst":true}`},
		{"proto 6 tos !16", `{"nwProto":6,"nwTos":16,"invNwTos":true}`},
		{"proto udp", `{"nwProto":17}`},
		{"src-port 80", `{"tpSrc":{"start":80,"end":80}}`},
		{"src-port 80-90 dst-port ! 1:2", `{"tpSrc":{"start":80,"end":90},"tpDst":{"start":1,"end":2},"invTpDst":true}`},
		{"flow fwd-flow", `{"matchForwardFlow":true}`},
		{"flow return-flow", `{"matchReturnFlow":true}`},
		{"port-group " + idA + " in-port-group !" + idA + " out-port-group=" + idB, `{"portGroup":"` + idA + `","inPortGroup":"` + idA + `","invInPortGroup":true,"outPortGroup":"` + idB + `"}`},
		{"ip-address-group-src " + idA + " ip-address-group-dst !" + idB, `{"ipAddrGroupSrc":"` + idA + `","ipAddrGroupDst":"` + idB + `","invIpAddrGroupDst":true}`},
		{"in-ports " + idA + "," + idB + " out-ports !" + idB, `{"inPorts":["` + idA + `","` + idB + `"],"outPorts":["` + idB + `"],"invOutPorts":true}`},
		{"fragment-policy nonheader vlan 7", `{"fragmentPolicy":"nonheader","vlan":7}`},
		{"no-vlan", `{"noVlan":true}`},
		{"no-vlan proto 1", `{"noVlan":true,"nwProto":1}`},
		{"no-vlan=false", `{}`},
		{"no-vlan true proto = 1", `{"noVlan":true,"nwProto":1}`},
	} {
		c, err := ParseCondition(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var want Condition
		if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c, want) {
			got, _ := json.Marshal(c)
			t.Errorf("ParseCondition(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestParseConditionNamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"  ", ""},
		{"tcp", "tcp"},
		{"src", "src"},
		{"src !", "src"},
		{"src 10.0.0.0/33", "src"},
		{"src fe80::1", "src"},
		{"proto 6 proto 7", "proto"},
		{"proto 256 tos x", "proto tos"},
		{"src-port 9-1", "src-port"},
		{"src-port 0", "src-port"},
		{"flow back", "flow"},
		{"flow !fwd-flow", "flow"},
		{"vlan !7", "vlan"},
		{"vlan 4095", "vlan"},
		{"in-ports " + idA + ",", "in-ports"},
		{"fragment-policy some", "fragment-policy"},
		{"fragment-policy any dst-port 80", "fragmentPolicy"},
		{"hw-src 02:00", "hw-src"},
		{"hw-src-mask ffff", "hw-src-mask"},
		{"ethertype 5", "ethertype"},
		{"no-vlan=maybe", "no-vlan"},
	} {
		_, err := ParseCondition(tt.text)
		if err == nil {
			t.Errorf("%q: no error", tt.text)
			continue
		}
		if got := properties(t, err); got != tt.want {
			t.Errorf("%q: violations of %q, want %q: %v", tt.text, got, tt.want, err)
		}
	}
}

func FuzzParseCondition(f *testing.F) {
	f.Add("src 10.0.0.0/8 dst=!10.0.0.1 proto tcp dst-port 80-90 no-vlan")
	f.Add("in-ports " + idA + " hw-src ! 02:00:00:00:00:01 flow fwd-flow fragment-policy header")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil {
			return
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again Condition
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%q was read and written as %s: %v", text, out, err)
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("%q was read as %+v, then as %+v", text, c, again)
		}
	})
}
