// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

// Outcome is how a simulation ends.
type Outcome uint8

// Outcomes.
const (
	NoOp      Outcome = iota // consumed: ARP or an echo request that a device answered
	Forward                  // see the outputs
	Drop                     // the flow may be installed
	ShortDrop                // no route: may soon be otherwise
	ErrorDrop                // loops, black holes, TTL, ports that lead nowhere: may soon be otherwise
	NotYet                   // something is not known; run again when it is
	restart                  // a trace rule was met: again from the start
)

var outcomeNames = [...]string{"NoOp", "Forward", "Drop", "ShortDrop", "ErrorDrop", "NotYet", "TraceRequired"}

func (o Outcome) String() string { return outcomeNames[o] }

// final reports whether the simulation of a copy ends the simulation of the packet.
func (o Outcome) final() bool { return o == NotYet || o == restart }

// merge is the outcome of a packet of which two copies had these. A copy that is
// forwarded makes the packet forwarded.
func merge(a, b Outcome) Outcome {
	switch {
	case a == Forward || b == Forward:
		return Forward
	case a == ErrorDrop:
		return ErrorDrop
	default:
		return b
	}
}

// Reason is why a packet was dropped, consumed or has to wait.
type Reason string

// Reasons.
const (
	ReasonRule           Reason = "rule"
	ReasonLoop           Reason = "loop"
	ReasonPortDown       Reason = "port-down"
	ReasonDeviceDown     Reason = "device-down"
	ReasonSamePort       Reason = "same-port"
	ReasonUnplugged      Reason = "unplugged"
	ReasonGroupSource    Reason = "source-is-group"
	ReasonVLANMismatch   Reason = "vlan-mismatch"
	ReasonTooManyTags    Reason = "too-many-tags"
	ReasonNobodyToFlood  Reason = "nobody-to-flood"
	ReasonTagged         Reason = "tagged-at-router"
	ReasonNotIPv4        Reason = "not-ipv4"
	ReasonBroadcast      Reason = "broadcast-at-router"
	ReasonOtherMAC       Reason = "not-the-routers-mac"
	ReasonFragment       Reason = "first-fragment-dropped"
	ReasonNoRoute        Reason = "no-route"
	ReasonLocal          Reason = "local-address"
	ReasonBlackHole      Reason = "black-hole"
	ReasonReject         Reason = "reject-route"
	ReasonTTL            Reason = "ttl"
	ReasonNoPort         Reason = "route-without-port"
	ReasonNoAddress      Reason = "port-without-address"
	ReasonOwnAddress     Reason = "own-address"
	ReasonNoAnswer       Reason = "arp-unanswered"
	ReasonARP            Reason = "arp-taken"
	ReasonARPOpcode      Reason = "arp-opcode"
	ReasonARPAnswered    Reason = "arp-answered"
	ReasonEchoAnswered   Reason = "echo-answered"
	ReasonNeighbour      Reason = "arp" // the next hop is not known
	ReasonPorts          Reason = "nat" // no port for a translation yet
	ReasonPortsExhausted Reason = "translation-ports-exhausted"
	ReasonPortGone       Reason = "port-gone"
	ReasonDeviceGone     Reason = "device-gone"
)
