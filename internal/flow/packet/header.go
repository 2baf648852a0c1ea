// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

import "encoding/binary"

// All numbers of headers are big-endian.
var be = binary.BigEndian

// Ethertypes.
const (
	TypeIPv4     = 0x0800
	TypeARP      = 0x0806
	TypeVLAN     = 0x8100 // 802.1Q
	TypeProvider = 0x88a8 // 802.1ad
	TypeIPv6     = 0x86dd
)

// IP protocols.
const (
	ProtoICMP = 1
	ProtoTCP  = 6
	ProtoUDP  = 17
)

// ARP opcodes.
const (
	ARPRequest = 1
	ARPReply   = 2
)

// ICMP types.
const (
	ICMPEchoReply    = 0
	ICMPUnreachable  = 3
	ICMPSourceQuench = 4
	ICMPRedirect     = 5
	ICMPEchoRequest  = 8
	ICMPTimeExceeded = 11
	ICMPParameter    = 12
)

// ICMP codes of ICMPUnreachable.
const (
	CodeNet        = 0
	CodeHost       = 1
	CodeFragNeeded = 4
	CodeProhibited = 13
)

// Layout of headers: sizes, and offsets within each.
const (
	addressesLen = 12 // two Ethernet addresses
	typeLen      = 2
	tagLen       = 4
	ethernetLen  = addressesLen + typeLen

	arpLen = 28 // of IPv4 over Ethernet
	arpSHA = 8
	arpSPA = 14
	arpTHA = 18
	arpTPA = 24

	ipMinLen   = 20
	ipTOS      = 1
	ipTotal    = 2
	ipFlags    = 6
	ipTTL      = 8
	ipProto    = 9
	ipChecksum = 10
	ipSrc      = 12
	ipDst      = 16

	icmpLen      = 8
	icmpChecksum = 2
	icmpID       = 4
	udpLen       = 8
	udpChecksum  = 6
	tcpLen       = 20
	tcpChecksum  = 16
)

// IsICMPError reports whether messages of this type tell of an error, and quote the
// packet that it is about.
func IsICMPError(kind uint8) bool {
	switch kind {
	case ICMPUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameter:
		return true
	default:
		return false
	}
}
