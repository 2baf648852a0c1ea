// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

import "fmt"

// MaxTags is the number of VLAN tags that a match holds. The payload of a frame with
// more of them is not looked at.
const MaxTags = 4

// Match is what virtual devices see and change of a frame. It has no pointers: a copy
// is a snapshot, and making one does not allocate.
type Match struct {
	EthDst, EthSrc MAC
	Tags           [MaxTags]Tag // outermost first
	NumTags        uint8

	Net       Net
	Fragment  Fragment
	Transport Transport
	Proto     uint8 // of IPv4; of ARP the opcode, and 255 for those above
	TOS, TTL  uint8 // of IPv4
	EtherType uint16
	Src, Dst  IPv4 // of ARP: of sender and target

	SrcPort, DstPort uint16 // of TCP and UDP; of ICMP type and code
	ID               uint16 // of ICMP echo
	Quote            Quote  // of ICMP errors

	SHA, THA MAC // of ARP: Ethernet addresses of sender and target

	net, transport uint16 // offsets of the headers in the frame as it was received
}

// Tag is a VLAN tag: its type and the 16 bits that follow.
type Tag struct{ TPID, TCI uint16 }

// VLAN is the number of the VLAN. 0 is none: the tag tells a priority only.
func (t Tag) VLAN() uint16 { return t.TCI & 0xfff }

// Net is the kind of the header behind the Ethernet header.
type Net uint8

// Network headers. One that is cut off or nonsense is none.
const (
	NoNet Net = iota
	NetARP
	NetIPv4
)

// Fragment is the part that a packet is of a datagram.
type Fragment uint8

// Parts of datagrams.
const (
	Whole Fragment = iota
	FirstFragment
	LaterFragment
)

func (f Fragment) String() string {
	switch f {
	case FirstFragment:
		return "first"
	case LaterFragment:
		return "later"
	default:
		return "none"
	}
}

// Transport is what is known of the header behind that of IPv4.
type Transport uint8

// Transport headers. A later fragment has none.
const (
	NoTransport Transport = iota
	Ports                 // of TCP and UDP
	ICMP                  // type and code
	Echo                  // of ICMP, with an identifier
	ICMPError             // of ICMP, with a quoted packet
)

// Quote is the header of the packet that an ICMP error is about.
type Quote struct {
	Src, Dst         IPv4
	SrcPort, DstPort uint16 // of ICMP echo: the identifier, in both
	Proto            uint8
	Ports            bool // whether there are ports, or an identifier
}

// VLAN is the number of the outermost tag, and whether there is one.
func (m *Match) VLAN() (vlan uint16, ok bool) {
	if m.NumTags == 0 {
		return 0, false
	}
	return m.Tags[0].VLAN(), true
}

// Tagged reports whether the frame is of a VLAN. A tag of VLAN 0 does not count.
func (m *Match) Tagged() bool {
	for i := range m.NumTags {
		if m.Tags[i].VLAN() != 0 {
			return true
		}
	}
	return false
}

// Push adds an outermost tag. With MaxTags of them there is no room.
func (m *Match) Push(vlan uint16) bool {
	if m.NumTags == MaxTags {
		return false
	}
	copy(m.Tags[1:], m.Tags[:m.NumTags])
	m.Tags[0] = Tag{TPID: TypeVLAN, TCI: vlan}
	m.NumTags++
	return true
}

// Pop removes the outermost tag of a VLAN, if there is one.
func (m *Match) Pop(vlan uint16) bool {
	for i := range m.NumTags {
		if m.Tags[i].VLAN() == vlan {
			copy(m.Tags[i:], m.Tags[i+1:m.NumTags])
			m.NumTags--
			m.Tags[m.NumTags] = Tag{}
			return true
		}
	}
	return false
}

// HasID reports whether the packet is of an ICMP echo.
func (m *Match) HasID() bool { return m.Transport == Echo }

// Parse reads the headers of a frame. Only an incomplete Ethernet header is an error:
// bridges carry anything.
func (m *Match) Parse(frame []byte) error {
	if len(frame) < ethernetLen {
		return fmt.Errorf("frame: got %d bytes, want at least %d", len(frame), ethernetLen)
	}
	if len(frame) > maxFrameLen {
		return fmt.Errorf("frame: got %d bytes, want at most %d", len(frame), maxFrameLen)
	}
	*m = Match{EthDst: MAC(frame[0:6]), EthSrc: MAC(frame[6:12])}
	at := addressesLen
	kind := be.Uint16(frame[at:])
	for (kind == TypeVLAN || kind == TypeProvider) && m.NumTags < MaxTags && len(frame) >= at+tagLen+typeLen {
		m.Tags[m.NumTags] = Tag{TPID: kind, TCI: be.Uint16(frame[at+2:])}
		m.NumTags++
		at += tagLen
		kind = be.Uint16(frame[at:])
	}
	m.EtherType = kind
	at += typeLen
	m.net = uint16(at)
	switch kind {
	case TypeARP:
		m.parseARP(frame[at:])
	case TypeIPv4:
		m.parseIPv4(frame[at:])
	}
	return nil
}

// maxFrameLen bounds the offsets of headers, not the frames: those with segments that
// the hardware is to cut are 64 KiB and a header.
const maxFrameLen = 1 << 17

// parseARP reads an ARP message of IPv4 over Ethernet.
func (m *Match) parseARP(b []byte) {
	const ethernet = 1
	if len(b) < arpLen || be.Uint16(b) != ethernet || be.Uint16(b[2:]) != TypeIPv4 || b[4] != 6 || b[5] != 4 {
		return
	}
	m.Net = NetARP
	m.Proto = uint8(min(be.Uint16(b[6:]), 0xff))
	m.SHA, m.THA = MAC(b[arpSHA:]), MAC(b[arpTHA:])
	m.Src, m.Dst = IPv4(be.Uint32(b[arpSPA:])), IPv4(be.Uint32(b[arpTPA:]))
}

// parseIPv4 reads an IPv4 header and what is behind it.
func (m *Match) parseIPv4(b []byte) {
	h, ok := ipHeader(b)
	if !ok {
		return
	}
	m.Net = NetIPv4
	m.TOS, m.TTL, m.Proto = b[ipTOS], b[ipTTL], b[ipProto]
	m.Src, m.Dst = IPv4(be.Uint32(b[ipSrc:])), IPv4(be.Uint32(b[ipDst:]))
	m.transport = m.net + uint16(h)
	const moreFragments = 0x2000
	flags := be.Uint16(b[ipFlags:])
	switch {
	case flags&0x1fff != 0:
		m.Fragment = LaterFragment
		return
	case flags&moreFragments != 0:
		m.Fragment = FirstFragment
	}
	m.parseTransport(ipPayload(b, h))
}

// ipHeader returns the length of an IPv4 header.
func ipHeader(b []byte) (n int, ok bool) {
	if len(b) < ipMinLen || b[0]>>4 != 4 {
		return 0, false
	}
	n = int(b[0]&0xf) * 4
	return n, n >= ipMinLen && n <= len(b) && int(be.Uint16(b[ipTotal:])) >= n
}

// ipPayload is what is behind an IPv4 header, without what pads the frame. A packet
// may be longer than its frame: then it was cut.
func ipPayload(b []byte, header int) []byte {
	return b[header:max(header, min(len(b), int(be.Uint16(b[ipTotal:]))))]
}

func (m *Match) parseTransport(b []byte) {
	switch m.Proto {
	case ProtoTCP, ProtoUDP:
		if len(b) < 4 {
			return
		}
		m.Transport = Ports
		m.SrcPort, m.DstPort = be.Uint16(b), be.Uint16(b[2:])
	case ProtoICMP:
		if len(b) < icmpLen {
			return
		}
		m.Transport = ICMP
		m.SrcPort, m.DstPort = uint16(b[0]), uint16(b[1])
		switch kind := b[0]; {
		case kind == ICMPEchoRequest || kind == ICMPEchoReply:
			m.Transport = Echo
			m.ID = be.Uint16(b[icmpID:])
		case IsICMPError(kind) && m.Quote.parse(b[icmpLen:]):
			m.Transport = ICMPError
		}
	}
}

// parse reads the packet in an ICMP error, of which at least the header must be there.
func (q *Quote) parse(b []byte) bool {
	h, ok := ipHeader(b)
	if !ok {
		return false
	}
	q.Proto = b[ipProto]
	q.Src, q.Dst = IPv4(be.Uint32(b[ipSrc:])), IPv4(be.Uint32(b[ipDst:]))
	later := be.Uint16(b[ipFlags:])&0x1fff != 0
	b = b[h:]
	switch {
	case later:
	case (q.Proto == ProtoTCP || q.Proto == ProtoUDP) && len(b) >= 4:
		q.SrcPort, q.DstPort, q.Ports = be.Uint16(b), be.Uint16(b[2:]), true
	case q.Proto == ProtoICMP && len(b) >= icmpLen && (b[0] == ICMPEchoRequest || b[0] == ICMPEchoReply):
		q.SrcPort = be.Uint16(b[icmpID:])
		q.DstPort, q.Ports = q.SrcPort, true
	}
	return true
}

// SetPorts sets the ports of a quoted packet that has them. Identifiers of ICMP echo
// stay.
func (q *Quote) SetPorts(src, dst uint16) {
	if q.Ports && q.Proto != ProtoICMP {
		q.SrcPort, q.DstPort = src, dst
	}
}
