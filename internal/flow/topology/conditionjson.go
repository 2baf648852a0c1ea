// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/weir-io/weir/internal/flow/packet"
)

// MarshalJSON writes the fields of the reference; a prefix is two of them.
func (c Condition) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.fields())
}

// UnmarshalJSON reads the fields of the reference. Its error is an *Invalid with every
// field that is wrong.
func (c *Condition) UnmarshalJSON(data []byte) error {
	var bad []Violation
	*c = readCondition(readObject(data, "", &bad))
	bad = append(bad, c.violations()...)
	return invalid(bad)
}

// plainCondition is a Condition without its methods.
type plainCondition Condition

// conditionFields is a Condition as JSON has it.
type conditionFields struct {
	plainCondition

	SrcAddress       netip.Addr `json:"nwSrcAddress,omitzero"`
	SrcLength        *int       `json:"nwSrcLength,omitempty"`
	DstAddress       netip.Addr `json:"nwDstAddress,omitzero"`
	DstLength        *int       `json:"nwDstLength,omitempty"`
	QuotedSrcAddress netip.Addr `json:"icmpDataSrcIpAddress,omitzero"`
	QuotedSrcLength  *int       `json:"icmpDataSrcIpAddressLength,omitempty"`
	QuotedDstAddress netip.Addr `json:"icmpDataDstIpAddress,omitzero"`
	QuotedDstLength  *int       `json:"icmpDataDstIpAddressLength,omitempty"`
}

func (c *Condition) fields() conditionFields {
	f := conditionFields{plainCondition: plainCondition(*c)}
	f.SrcAddress, f.SrcLength = splitPrefix(c.Src)
	f.DstAddress, f.DstLength = splitPrefix(c.Dst)
	f.QuotedSrcAddress, f.QuotedSrcLength = splitPrefix(c.QuotedSrc)
	f.QuotedDstAddress, f.QuotedDstLength = splitPrefix(c.QuotedDst)
	return f
}

// splitPrefix returns the members of a prefix, and none of an invalid one.
func splitPrefix(p netip.Prefix) (netip.Addr, *int) {
	if !p.IsValid() {
		return netip.Addr{}, nil
	}
	return p.Addr(), new(p.Bits())
}

// readCondition reads the members that make a condition.
func readCondition(o *object) (c Condition) {
	o.bool("condInvert", &c.Invert)
	o.bool("matchForwardFlow", &c.MatchForwardFlow)
	o.bool("matchReturnFlow", &c.MatchReturnFlow)
	o.bool("matchNwDstRewritten", &c.MatchDstRewritten)
	o.ids("inPorts", &c.InPorts)
	o.ids("outPorts", &c.OutPorts)
	o.id("portGroup", &c.PortGroup)
	o.id("inPortGroup", &c.InPortGroup)
	o.id("outPortGroup", &c.OutPortGroup)
	o.id("ipAddrGroupSrc", &c.AddrGroupSrc)
	o.id("ipAddrGroupDst", &c.AddrGroupDst)
	o.id("traversedDevice", &c.TraversedDevice)
	readLinkFields(o, &c)
	readNetworkFields(o, &c)
	for _, inv := range c.inversions() {
		o.bool(inv.name, inv.flag)
	}
	var policy string
	if o.text("fragmentPolicy", &policy) {
		c.Fragments = FragmentPolicy(policy)
		if !slices.Contains(fragmentPolicies, c.Fragments) {
			o.report("fragmentPolicy", "got %.60q, want one of %q", policy, fragmentPolicies)
		}
	}
	return c
}

var fragmentPolicies = []FragmentPolicy{FragmentAny, FragmentHeader, FragmentNonHeader, FragmentUnfragmented}

// inversion is a flag that inverts a predicate.
type inversion struct {
	name string
	flag *bool
}

func (c *Condition) inversions() []inversion {
	return []inversion{
		{"invInPorts", &c.InvInPorts},
		{"invOutPorts", &c.InvOutPorts},
		{"invPortGroup", &c.InvPortGroup},
		{"invInPortGroup", &c.InvInPortGroup},
		{"invOutPortGroup", &c.InvOutPortGroup},
		{"invIpAddrGroupSrc", &c.InvAddrGroupSrc},
		{"invIpAddrGroupDst", &c.InvAddrGroupDst},
		{"invTraversedDevice", &c.InvTraversedDevice},
		{"invDlType", &c.InvEtherType},
		{"invDlSrc", &c.InvEthSrc},
		{"invDlDst", &c.InvEthDst},
		{"invNwTos", &c.InvTOS},
		{"invNwProto", &c.InvProto},
		{"invNwSrc", &c.InvSrc},
		{"invNwDst", &c.InvDst},
		{"invTpSrc", &c.InvTPSrc},
		{"invTpDst", &c.InvTPDst},
		{"invIcmpDataSrcIp", &c.InvQuotedSrc},
		{"invIcmpDataDstIp", &c.InvQuotedDst},
	}
}

// readLinkFields reads what is said of the Ethernet header.
func readLinkFields(o *object, c *Condition) {
	var n int64
	if o.integer("dlType", 0x0600, 0xffff, &n) {
		c.EtherType = uint16(n)
	}
	c.EthSrc = readMAC(o, "dlSrc")
	readMask(o, "dlSrcMask", &c.EthSrcMask)
	c.EthDst = readMAC(o, "dlDst")
	readMask(o, "dlDstMask", &c.EthDstMask)
	o.bool("noVlan", &c.NoVLAN)
	if o.integer("vlan", 1, 4094, &n) {
		c.VLAN = uint16(n)
	}
}

func readMAC(o *object, name string) *packet.MAC {
	var m packet.MAC
	if !o.mac(name, &m) {
		return nil
	}
	return &m
}

func readMask(o *object, name string, v *EthMask) {
	var s string
	if !o.text(name, &s) {
		return
	}
	m, err := parseEthMask(s)
	if err != nil {
		o.report(name, "%v", err)
		return
	}
	*v = m
}

// readNetworkFields reads what is said of the headers above Ethernet.
func readNetworkFields(o *object, c *Condition) {
	c.TOS = readByte(o, "nwTos")
	c.Proto = readByte(o, "nwProto")
	o.prefix("nwSrcAddress", "nwSrcLength", &c.Src)
	o.prefix("nwDstAddress", "nwDstLength", &c.Dst)
	o.prefix("icmpDataSrcIpAddress", o.either("icmpDataSrcIpAddressLength", "icmpDataSrcIpLength"), &c.QuotedSrc)
	o.prefix("icmpDataDstIpAddress", o.either("icmpDataDstIpAddressLength", "icmpDataDstIpLength"), &c.QuotedDst)
	c.TPSrc = readRange(o, "tpSrc")
	c.TPDst = readRange(o, "tpDst")
}

func readByte(o *object, name string) *uint8 {
	var n int64
	if !o.integer(name, 0, 255, &n) {
		return nil
	}
	return new(uint8(n))
}

func readRange(o *object, name string) *Range {
	raw, ok := o.get(name)
	if !ok {
		return nil
	}
	before := len(*o.bad)
	in := readObject(raw, o.at(name), o.bad)
	var start, end int64
	in.integer("start", 1, 65535, &start)
	in.integer("end", 1, 65535, &end)
	switch {
	case len(*o.bad) > before:
	case start == 0 && end == 0:
		o.report(name, "got neither start nor end")
	case end != 0 && start > end:
		o.report(name, "got start %d after end %d", start, end)
	}
	return &Range{Start: uint16(start), End: uint16(end)}
}

// violations returns what is wrong with fields taken together.
func (c *Condition) violations() []Violation {
	if (c.TPSrc != nil || c.TPDst != nil) && (c.Fragments == FragmentAny || c.Fragments == FragmentNonHeader) {
		return []Violation{{
			Property: "fragmentPolicy",
			Message:  "got " + string(c.Fragments) + " with tpSrc or tpDst, which later fragments do not have",
		}}
	}
	return nil
}

// FragmentPolicy returns the policy that holds: the one that is given, or the default.
func (c *Condition) FragmentPolicy() FragmentPolicy {
	switch {
	case c.Fragments != "":
		return c.Fragments
	case c.TPSrc != nil || c.TPDst != nil:
		return FragmentHeader
	}
	return FragmentAny
}
