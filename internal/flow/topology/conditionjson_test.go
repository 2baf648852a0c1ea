// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"reflect"
	"testing"
)

const (
	idA = "11111111-1111-4111-8111-111111111111"
	idB = "22222222-2222-4222-8222-222222222222"
)

func TestConditionKeepsItsFields(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"condInvert":true,"matchForwardFlow":true,"matchReturnFlow":true,"matchNwDstRewritten":true}`,
		`{"inPorts":["` + idA + `","` + idB + `"],"invInPorts":true,"outPorts":["` + idA + `"],"invOutPorts":true}`,
		`{"portGroup":"` + idA + `","invPortGroup":true,"inPortGroup":"` + idA + `","invInPortGroup":true,"outPortGroup":"` + idB + `","invOutPortGroup":true}`,
		`{"ipAddrGroupSrc":"` + idA + `","invIpAddrGroupSrc":true,"ipAddrGroupDst":"` + idB + `","invIpAddrGroupDst":true}`,
		`{"traversedDevice":"` + idA + `","invTraversedDevice":true}`,
		`{"dlType":1536,"invDlType":true,"noVlan":true,"vlan":4094}`,
		`{"dlSrc":"02:00:00:00:00:01","dlSrcMask":"ffff.ff00.0000","invDlSrc":true,"dlDst":"ff:ff:ff:ff:ff:ff","dlDstMask":"0100.0000.0000","invDlDst":true}`,
		`{"nwTos":0,"invNwTos":true,"nwProto":255,"invNwProto":true}`,
		`{"invNwSrc":true,"invNwDst":true,"nwSrcAddress":"10.1.2.3","nwSrcLength":8,"nwDstAddress":"0.0.0.0","nwDstLength":0}`,
		`{"tpSrc":{"start":1,"end":65535},"invTpSrc":true,"tpDst":{"start":80},"invTpDst":true}`,
		`{"tpDst":{"end":80},"fragmentPolicy":"unfragmented"}`,
		`{"invIcmpDataSrcIp":true,"invIcmpDataDstIp":true,"icmpDataSrcIpAddress":"10.0.0.1","icmpDataSrcIpAddressLength":32,"icmpDataDstIpAddress":"10.0.0.0","icmpDataDstIpAddressLength":24}`,
	} {
		var c Condition
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		_ = json.Unmarshal(out, &got)
		_ = json.Unmarshal([]byte(text), &want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s came back as %s", text, out)
		}
	}
}

func TestConditionReadsWhatIsLeftOut(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"an address alone is one address", `{"nwSrcAddress":"10.0.0.1"}`, `{"nwSrcAddress":"10.0.0.1","nwSrcLength":32}`},
		{
			"the shorter names of lengths", `{"icmpDataSrcIpAddress":"10.0.0.0","icmpDataSrcIpLength":8,"icmpDataDstIpAddress":"10.0.0.0","icmpDataDstIpLength":9}`,
			`{"icmpDataSrcIpAddress":"10.0.0.0","icmpDataSrcIpAddressLength":8,"icmpDataDstIpAddress":"10.0.0.0","icmpDataDstIpAddressLength":9}`,
		},
		{"a length alone says nothing", `{"nwSrcLength":8}`, `{}`},
		{"null is absent", `{"tpSrc":null,"vlan":null,"inPorts":null,"condInvert":null}`, `{}`},
		{"no ports are as none", `{"inPorts":[]}`, `{}`},
		{"other members are let be", `{"comment":{"by":"me"},"vlan":7}`, `{"vlan":7}`},
		{"members are told apart by case", `{"VLAN":7}`, `{}`},
	} {
		var c Condition
		if err := json.Unmarshal([]byte(tt.text), &c); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if out, _ := json.Marshal(c); string(out) != tt.want {
			t.Errorf("%s: %s became %s, want %s", tt.name, tt.text, out, tt.want)
		}
	}
}

func TestConditionNamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`[]`, ""},
		{`{"condInvert":"yes"}`, "condInvert"},
		{`{"condInvert":1}`, "condInvert"},
		{`{"inPorts":"` + idA + `"}`, "inPorts"},
		{`{"inPorts":["x","` + idA + `",7]}`, "inPorts[0] inPorts[2]"},
		{`{"portGroup":"{11111111-1111-4111-8111-111111111111}"}`, "portGroup"},
		{`{"dlType":1535}`, "dlType"},
		{`{"dlType":65536}`, "dlType"},
		{`{"dlType":"0x0800"}`, "dlType"},
		{`{"dlType":2048.5}`, "dlType"},
		{`{"dlSrc":"02:00"}`, "dlSrc"},
		{`{"dlSrc":"02:00:00:00:00:01","dlSrcMask":"ffff"}`, "dlSrcMask"},
		{`{"dlDstMask":"0000.0000.0000"}`, "dlDstMask"},
		{`{"vlan":0}`, "vlan"},
		{`{"vlan":4095}`, "vlan"},
		{`{"nwTos":256,"nwProto":-1}`, "nwProto nwTos"},
		{`{"nwSrcAddress":"::1"}`, "nwSrcAddress"},
		{`{"nwSrcAddress":"10.0.0.256","nwSrcLength":33}`, "nwSrcAddress nwSrcLength"},
		{`{"tpSrc":80}`, "tpSrc"},
		{`{"tpSrc":{}}`, "tpSrc"},
		{`{"tpSrc":{"start":0}}`, "tpSrc.start"},
		{`{"tpSrc":{"start":2,"end":1}}`, "tpSrc"},
		{`{"tpDst":{"end":65536}}`, "tpDst.end"},
		{`{"fragmentPolicy":"first"}`, "fragmentPolicy"},
		{`{"fragmentPolicy":"any","tpDst":{"start":1}}`, "fragmentPolicy"},
		{`{"fragmentPolicy":"nonheader","tpSrc":{"start":1}}`, "fragmentPolicy"},
		{`{"icmpDataSrcIpAddress":1,"icmpDataDstIpAddressLength":99}`, "icmpDataDstIpAddressLength icmpDataSrcIpAddress"},
	} {
		var c Condition
		err := json.Unmarshal([]byte(tt.text), &c)
		if err == nil {
			t.Errorf("%s: no error", tt.text)
			continue
		}
		if got := properties(t, err); got != tt.want {
			t.Errorf("%s: violations of %q, want %q: %v", tt.text, got, tt.want, err)
		}
	}
}

func TestFragmentPolicyDefaults(t *testing.T) {
	for _, tt := range []struct {
		text string
		want FragmentPolicy
	}{
		{`{"type":"drop"}`, FragmentAny},
		{`{"type":"drop","tpDst":{"start":80}}`, FragmentHeader},
		{`{"type":"drop","fragmentPolicy":"nonheader"}`, FragmentNonHeader},
		{`{"type":"dnat","natTargets":[{"addressFrom":"10.0.0.1"}]}`, FragmentAny},
		{`{"type":"dnat","tpDst":{"start":80},"natTargets":[{"addressFrom":"10.0.0.1"}]}`, FragmentUnfragmented},
		{`{"type":"snat","natTargets":[{"addressFrom":"10.0.0.1","portFrom":1,"portTo":9}]}`, FragmentUnfragmented},
		{`{"type":"snat","natTargets":[{"addressFrom":"10.0.0.1","addressTo":"10.0.0.2"}]}`, FragmentUnfragmented},
		{`{"type":"rev_snat"}`, FragmentAny},
	} {
		var r Rule
		if err := json.Unmarshal([]byte(tt.text), &r); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if got := r.FragmentPolicy(); got != tt.want {
			t.Errorf("%s: policy %q, want %q", tt.text, got, tt.want)
		}
	}
}

func FuzzCondition(f *testing.F) {
	f.Add([]byte(`{"nwSrcAddress":"10.0.0.0","nwSrcLength":8,"tpDst":{"start":80,"end":80},"fragmentPolicy":"header"}`))
	f.Add([]byte(`{"dlSrc":"02:00:00:00:00:01","dlSrcMask":"ffff.ff00.0000","inPorts":["` + idA + `"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Condition
		if c.UnmarshalJSON(data) != nil {
			return
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again Condition
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s was read and written as %s: %v", data, out, err)
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("%s was read as %+v, then as %+v", data, c, again)
		}
	})
}
