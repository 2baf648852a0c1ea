// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"math"
)

// UnmarshalJSON reads a chain. Its error is an *Invalid.
func (c *Chain) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*c = Chain{}
	o.id("id", &c.ID)
	readName(o, &c.Name)
	o.text("tenantId", &c.TenantID)
	return invalid(bad)
}

// MarshalJSON writes a rule with the fields of its condition beside its own.
func (r Rule) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID    ID       `json:"id"`
		Chain ID       `json:"chainId"`
		Type  RuleType `json:"type"`
		conditionFields
		JumpChain  ID          `json:"jumpChainId,omitzero"`
		FlowAction FlowAction  `json:"flowAction,omitempty"`
		NATTargets []NATTarget `json:"natTargets,omitempty"`
		Request    ID          `json:"requestId,omitzero"`
		Limit      int64       `json:"limit,omitempty"`
		Device     ID          `json:"traceDeviceId,omitzero"`
	}{
		r.ID, r.Chain, r.Type, r.Condition.fields(),
		r.JumpChain, r.FlowAction, r.NATTargets, r.Request, r.Limit, r.Device,
	})
}

// UnmarshalJSON reads a rule. Its error is an *Invalid.
func (r *Rule) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*r = Rule{Condition: readCondition(o)}
	o.id("id", &r.ID)
	o.id("chainId", &r.Chain)
	o.text("type", (*string)(&r.Type))
	o.id("jumpChainId", &r.JumpChain)
	readNAT(o, r)
	o.id("requestId", &r.Request)
	o.integer("limit", 1, math.MaxInt64, &r.Limit)
	o.id("traceDeviceId", &r.Device)
	bad = append(bad, r.violations()...)
	return invalid(bad)
}

// readNAT reads what rules that translate have; without a flow action they accept.
func readNAT(o *object, r *Rule) {
	o.text("flowAction", (*string)(&r.FlowAction))
	if r.FlowAction == "" && r.NAT() {
		r.FlowAction = FlowAccept
	}
	for i, raw := range o.array("natTargets") {
		r.NATTargets = append(r.NATTargets, readNATTarget(readObject(raw, o.at(index("natTargets", i)), o.bad)))
	}
}

// readNATTarget reads a target. The upper end of a range that is not given is the lower.
func readNATTarget(o *object) (t NATTarget) {
	o.want("addressFrom", "an IPv4 address")
	o.addr("addressFrom", &t.AddressFrom)
	t.AddressTo = t.AddressFrom
	o.addr("addressTo", &t.AddressTo)
	var from, to int64
	o.integer("portFrom", 0, 65535, &from)
	to = from
	o.integer("portTo", 0, 65535, &to)
	if t.AddressTo.Less(t.AddressFrom) {
		o.report("addressTo", "got %v before %v", t.AddressTo, t.AddressFrom)
	}
	if to < from || from == 0 && to != 0 {
		o.report("portTo", "got ports %d to %d, want a range from 1 on, or 0 to 0", from, to)
	}
	t.PortFrom, t.PortTo = uint16(from), uint16(to)
	return t
}

// UnmarshalJSON reads a target. Its error is an *Invalid.
func (t *NATTarget) UnmarshalJSON(data []byte) error {
	var bad []Violation
	*t = readNATTarget(readObject(data, "", &bad))
	return invalid(bad)
}

// NAT reports whether the rule translates addresses.
func (r *Rule) NAT() bool {
	switch r.Type {
	case DNATRule, SNATRule, RevDNATRule, RevSNATRule:
		return true
	}
	return false
}

// Dynamic reports whether the rule keeps state of what it translates: a target has a
// port, or more than one address.
func (r *Rule) Dynamic() bool {
	if r.Type != DNATRule && r.Type != SNATRule {
		return false
	}
	if len(r.NATTargets) > 1 {
		return true
	}
	for _, t := range r.NATTargets {
		if t.PortFrom != 0 || t.PortTo != 0 || t.AddressFrom != t.AddressTo {
			return true
		}
	}
	return false
}

// FragmentPolicy returns the policy that holds: the one that is given, or the default.
func (r *Rule) FragmentPolicy() FragmentPolicy {
	if r.Fragments == "" && r.wholePackets() {
		return FragmentUnfragmented
	}
	return r.Condition.FragmentPolicy()
}

// wholePackets reports whether the rule can only be of packets that are not fragments:
// it translates, and looks at ports or changes them.
func (r *Rule) wholePackets() bool {
	return r.Dynamic() || r.NAT() && (r.TPSrc != nil || r.TPDst != nil)
}

// violations returns what is wrong with members taken together.
func (r *Rule) violations() []Violation {
	var bad []Violation
	report := func(property, message string) {
		bad = append(bad, Violation{Property: property, Message: message})
	}
	switch r.Type {
	case AcceptRule, DropRule, RejectRule, ReturnRule, RevDNATRule, RevSNATRule:
	case JumpRule:
		if r.JumpChain == (ID{}) {
			report("jumpChainId", "got none, want the chain to jump to")
		}
	case DNATRule, SNATRule:
		if len(r.NATTargets) == 0 {
			report("natTargets", "got none, want at least one")
		}
	case TraceRule:
		bad = append(bad, r.traceViolations()...)
	default:
		report("type", "want accept, drop, reject, return, jump, dnat, snat, rev_dnat or rev_snat")
	}
	switch r.FlowAction {
	case FlowAccept, FlowContinue, FlowReturn:
	default:
		if r.FlowAction != "" {
			report("flowAction", "want accept, continue or return")
		}
	}
	if r.wholePackets() {
		if r.Fragments != "" && r.Fragments != FragmentUnfragmented {
			report("fragmentPolicy", "got "+string(r.Fragments)+", want unfragmented with ports or state")
		}
		return bad
	}
	return append(bad, r.Condition.violations()...)
}

func (r *Rule) traceViolations() []Violation {
	if r.Request == (ID{}) || r.Device == (ID{}) || r.Limit < 1 {
		return []Violation{{"type", "got a trace rule without request, device and limit"}}
	}
	return nil
}

// UnmarshalJSON reads a trace request. Its error is an *Invalid.
func (t *TraceRequest) UnmarshalJSON(data []byte) error {
	var bad []Violation
	o := readObject(data, "", &bad)
	*t = TraceRequest{Limit: math.MaxInt64}
	o.id("id", &t.ID)
	o.text("name", &t.Name)
	o.text("deviceType", (*string)(&t.DeviceType))
	o.id("deviceId", &t.Device)
	if raw, ok := o.get("condition"); ok {
		t.Condition = readCondition(readObject(raw, "condition", &bad))
		bad = append(bad, prefixed("condition", t.Condition.violations())...)
	}
	o.integer("creationTimestampMs", 0, math.MaxInt64, &t.CreatedMS)
	o.numeric("limit", 1, math.MaxInt64, &t.Limit)
	o.bool("enabled", &t.Enabled)
	o.id("enabledRule", &t.EnabledRule)
	switch t.DeviceType {
	case TraceBridge, TraceRouter, TracePort:
	default:
		o.report("deviceType", "got %.60q, want BRIDGE, ROUTER or PORT", string(t.DeviceType))
	}
	return invalid(bad)
}

// prefixed puts violations below a property.
func prefixed(property string, bad []Violation) []Violation {
	for i := range bad {
		if bad[i].Property == "" {
			bad[i].Property = property
		} else {
			bad[i].Property = property + "." + bad[i].Property
		}
	}
	return bad
}
