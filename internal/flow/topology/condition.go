// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"net/netip"

	"github.com/weir-io/weir/internal/flow/packet"
)

// FragmentPolicy is which fragments a condition matches.
type FragmentPolicy string

// Fragment policies.
const (
	FragmentAny          FragmentPolicy = "any"
	FragmentHeader       FragmentPolicy = "header"
	FragmentNonHeader    FragmentPolicy = "nonheader"
	FragmentUnfragmented FragmentPolicy = "unfragmented"
)

// Range is a range of ports, both ends included. An end of 0 is open.
type Range struct {
	Start uint16 `json:"start,omitempty"`
	End   uint16 `json:"end,omitempty"`
}

// Condition is what a packet must be for a rule to apply: all predicates that are
// given hold, and with Invert not all of them. A predicate that is not given holds,
// whatever the flag that inverts it.
type Condition struct {
	Invert             bool `json:"condInvert,omitempty"`
	MatchForwardFlow   bool `json:"matchForwardFlow,omitempty"`
	MatchReturnFlow    bool `json:"matchReturnFlow,omitempty"`
	MatchDstRewritten  bool `json:"matchNwDstRewritten,omitempty"`
	InPorts            []ID `json:"inPorts,omitempty"`
	InvInPorts         bool `json:"invInPorts,omitempty"`
	OutPorts           []ID `json:"outPorts,omitempty"`
	InvOutPorts        bool `json:"invOutPorts,omitempty"`
	PortGroup          ID   `json:"portGroup,omitzero"` // of the exterior port where the packet entered
	InvPortGroup       bool `json:"invPortGroup,omitempty"`
	InPortGroup        ID   `json:"inPortGroup,omitzero"`
	InvInPortGroup     bool `json:"invInPortGroup,omitempty"`
	OutPortGroup       ID   `json:"outPortGroup,omitzero"`
	InvOutPortGroup    bool `json:"invOutPortGroup,omitempty"`
	AddrGroupSrc       ID   `json:"ipAddrGroupSrc,omitzero"`
	InvAddrGroupSrc    bool `json:"invIpAddrGroupSrc,omitempty"`
	AddrGroupDst       ID   `json:"ipAddrGroupDst,omitzero"`
	InvAddrGroupDst    bool `json:"invIpAddrGroupDst,omitempty"`
	TraversedDevice    ID   `json:"traversedDevice,omitzero"`
	InvTraversedDevice bool `json:"invTraversedDevice,omitempty"`

	EtherType    uint16      `json:"dlType,omitempty"` // 0x0600 to 0xFFFF, 0 for none
	InvEtherType bool        `json:"invDlType,omitempty"`
	EthSrc       *packet.MAC `json:"dlSrc,omitempty"`
	EthSrcMask   EthMask     `json:"dlSrcMask,omitzero"`
	InvEthSrc    bool        `json:"invDlSrc,omitempty"`
	EthDst       *packet.MAC `json:"dlDst,omitempty"`
	EthDstMask   EthMask     `json:"dlDstMask,omitzero"`
	InvEthDst    bool        `json:"invDlDst,omitempty"`
	NoVLAN       bool        `json:"noVlan,omitempty"`
	VLAN         uint16      `json:"vlan,omitempty"` // 1 to 4094: the outermost tag

	TOS      *uint8       `json:"nwTos,omitempty"`
	InvTOS   bool         `json:"invNwTos,omitempty"`
	Proto    *uint8       `json:"nwProto,omitempty"` // of ARP: the opcode
	InvProto bool         `json:"invNwProto,omitempty"`
	Src      netip.Prefix `json:"-"` // nwSrcAddress, nwSrcLength; of ARP: the sender's
	InvSrc   bool         `json:"invNwSrc,omitempty"`
	Dst      netip.Prefix `json:"-"` // nwDstAddress, nwDstLength; of ARP: the target's
	InvDst   bool         `json:"invNwDst,omitempty"`
	TPSrc    *Range       `json:"tpSrc,omitempty"` // of ICMP: the type
	InvTPSrc bool         `json:"invTpSrc,omitempty"`
	TPDst    *Range       `json:"tpDst,omitempty"` // of ICMP: the code
	InvTPDst bool         `json:"invTpDst,omitempty"`

	QuotedSrc    netip.Prefix `json:"-"` // icmpDataSrcIpAddress, …Length: of the packet in an ICMP error
	InvQuotedSrc bool         `json:"invIcmpDataSrcIp,omitempty"`
	QuotedDst    netip.Prefix `json:"-"` // icmpDataDstIpAddress, …Length
	InvQuotedDst bool         `json:"invIcmpDataDstIp,omitempty"`

	Fragments FragmentPolicy `json:"fragmentPolicy,omitempty"` // not inverted by Invert
}

// EthMask says which bits of an Ethernet address are compared; the zero mask is all.
// Its text is three groups of four hexadecimal digits with dots between them.
type EthMask packet.MAC
