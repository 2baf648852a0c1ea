// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import "net/netip"

// Chain is a list of rules that filters name.
type Chain struct {
	ID       ID     `json:"id"`
	Name     string `json:"name"`
	TenantID string `json:"tenantId"`
}

// RuleType is what a rule does with a packet that its condition matches.
type RuleType string

// Rule types.
const (
	AcceptRule  RuleType = "accept"
	DropRule    RuleType = "drop"
	RejectRule  RuleType = "reject"
	ReturnRule  RuleType = "return"
	JumpRule    RuleType = "jump"
	DNATRule    RuleType = "dnat"
	SNATRule    RuleType = "snat"
	RevDNATRule RuleType = "rev_dnat"
	RevSNATRule RuleType = "rev_snat"
	TraceRule   RuleType = "trace" // made by the system alone
)

// FlowAction is how a chain goes on after a rule that translates addresses.
type FlowAction string

// Flow actions.
const (
	FlowAccept   FlowAction = "accept"
	FlowContinue FlowAction = "continue"
	FlowReturn   FlowAction = "return"
)

// Rule is an element of a chain. It never changes.
type Rule struct {
	ID    ID       `json:"id"`
	Chain ID       `json:"chainId"`
	Type  RuleType `json:"type"`
	Condition

	JumpChain  ID          `json:"jumpChainId,omitzero"` // jump
	FlowAction FlowAction  `json:"flowAction,omitempty"` // dnat, snat, rev_dnat, rev_snat
	NATTargets []NATTarget `json:"natTargets,omitempty"` // dnat, snat: at least one

	Request ID    `json:"requestId,omitzero"`     // trace
	Limit   int64 `json:"limit,omitempty"`        // trace: flows of an agent
	Device  ID    `json:"traceDeviceId,omitzero"` // trace: the device or port that alone evaluates it
}

// NATTarget is a range of addresses and ports, all ends included. With both ports 0
// ports stay as they are.
type NATTarget struct {
	AddressFrom netip.Addr `json:"addressFrom"`
	AddressTo   netip.Addr `json:"addressTo"`
	PortFrom    uint16     `json:"portFrom"`
	PortTo      uint16     `json:"portTo"`
}

// DeviceType is what a trace request is for.
type DeviceType string

// Device types.
const (
	TraceBridge DeviceType = "BRIDGE"
	TraceRouter DeviceType = "ROUTER"
	TracePort   DeviceType = "PORT"
)

// TraceRequest asks for a record of the simulations of packets that meet a condition
// at a device.
type TraceRequest struct {
	ID          ID         `json:"id"`
	Name        string     `json:"name"`
	DeviceType  DeviceType `json:"deviceType"`
	Device      ID         `json:"deviceId"`
	Condition   Condition  `json:"condition"`
	CreatedMS   int64      `json:"creationTimestampMs"` // since 1970
	Limit       int64      `json:"limit"`               // flows of each host, at least 1
	Enabled     bool       `json:"enabled"`
	EnabledRule ID         `json:"enabledRule,omitzero"`
}
