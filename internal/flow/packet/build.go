// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

// TTL of packets that are built here.
const builtTTL = 64

// appendEthernet appends an Ethernet header.
func appendEthernet(b []byte, dst, src MAC, kind uint16) []byte {
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	return be.AppendUint16(b, kind)
}

// ARP is an ARP message of IPv4 over Ethernet.
type ARP struct {
	Opcode   uint16
	SHA, THA MAC
	SPA, TPA IPv4
}

// AppendARP appends a frame with an ARP message.
func AppendARP(b []byte, dst, src MAC, a ARP) []byte {
	b = appendEthernet(b, dst, src, TypeARP)
	b = append(b, 0, 1, TypeIPv4>>8, TypeIPv4&0xff, 6, 4)
	b = be.AppendUint16(b, a.Opcode)
	b = append(b, a.SHA[:]...)
	b = be.AppendUint32(b, uint32(a.SPA))
	b = append(b, a.THA[:]...)
	return be.AppendUint32(b, uint32(a.TPA))
}

// AppendARPRequest appends a frame to all that asks for the station of an address.
func AppendARPRequest(b []byte, mac MAC, addr, target IPv4) []byte {
	return AppendARP(b, Broadcast, mac, ARP{Opcode: ARPRequest, SHA: mac, SPA: addr, TPA: target})
}

// AppendARPReply appends a frame that tells one station that mac has an address.
func AppendARPReply(b []byte, mac MAC, addr IPv4, to MAC, toAddr IPv4) []byte {
	return AppendARP(b, to, mac, ARP{Opcode: ARPReply, SHA: mac, SPA: addr, THA: to, TPA: toAddr})
}

// Route is where a packet that is built here comes from and goes to.
type Route struct {
	EthDst, EthSrc MAC
	Src, Dst       IPv4
}

// appendIPv4 appends an Ethernet and an IPv4 header without options.
func appendIPv4(b []byte, r Route, proto uint8, payload int) []byte {
	b = appendEthernet(b, r.EthDst, r.EthSrc, TypeIPv4)
	start := len(b)
	b = append(b, 0x45, 0)
	b = be.AppendUint16(b, uint16(ipMinLen+payload))
	b = append(b, 0, 0, 0, 0, builtTTL, proto, 0, 0)
	b = be.AppendUint32(b, uint32(r.Src))
	b = be.AppendUint32(b, uint32(r.Dst))
	setIPChecksum(b[start:])
	return b
}

// quotedLen is what an ICMP error quotes behind the IPv4 header.
const quotedLen = 8

// AppendICMPError appends a frame with an ICMP error. The frame about which it is must
// be one that Parse found to be of IPv4; m is what Parse made of it. Quoted are its
// IPv4 header and 8 bytes.
func AppendICMPError(b []byte, r Route, kind, code uint8, frame []byte, m *Match) []byte {
	quoted := frame[m.net:]
	header := int(m.transport - m.net)
	quoted = quoted[:header+min(quotedLen, len(ipPayload(quoted, header)))]
	b = appendIPv4(b, r, ProtoICMP, icmpLen+len(quoted))
	start := len(b)
	b = append(b, kind, code, 0, 0, 0, 0, 0, 0)
	b = append(b, quoted...)
	be.PutUint16(b[start+icmpChecksum:], checksumOf(b[start:], 0))
	return b
}

// AppendEchoReply appends a frame with the answer to an ICMP echo request.
func AppendEchoReply(b []byte, r Route, request []byte, m *Match) []byte {
	asked := ipPayload(request[m.net:], int(m.transport-m.net))
	b = appendIPv4(b, r, ProtoICMP, len(asked))
	start := len(b)
	b = append(b, asked...)
	b[start], b[start+1] = ICMPEchoReply, 0
	be.PutUint16(b[start+icmpChecksum:], 0)
	be.PutUint16(b[start+icmpChecksum:], checksumOf(b[start:], 0))
	return b
}

// AppendEchoRequest appends a frame with an ICMP echo request without data.
func AppendEchoRequest(b []byte, r Route, id, seq uint16) []byte {
	b = appendIPv4(b, r, ProtoICMP, icmpLen)
	start := len(b)
	b = append(b, ICMPEchoRequest, 0, 0, 0)
	b = be.AppendUint16(b, id)
	b = be.AppendUint16(b, seq)
	be.PutUint16(b[start+icmpChecksum:], checksumOf(b[start:], 0))
	return b
}

// AppendUDP appends a frame with a UDP datagram.
func AppendUDP(b []byte, r Route, src, dst uint16, data []byte) []byte {
	b = appendIPv4(b, r, ProtoUDP, udpLen+len(data))
	start := len(b)
	b = be.AppendUint16(b, src)
	b = be.AppendUint16(b, dst)
	b = be.AppendUint16(b, uint16(udpLen+len(data)))
	b = append(append(b, 0, 0), data...)
	sum := checksumOf(b[start:], pseudoSum(r.Src, r.Dst, ProtoUDP, udpLen+len(data)))
	if sum == 0 {
		sum = 0xffff
	}
	be.PutUint16(b[start+udpChecksum:], sum)
	return b
}

// AppendTCP appends a frame with a TCP segment without data. Of flags, 2 is SYN.
func AppendTCP(b []byte, r Route, src, dst uint16, flags uint8) []byte {
	b = appendIPv4(b, r, ProtoTCP, tcpLen)
	start := len(b)
	b = be.AppendUint16(b, src)
	b = be.AppendUint16(b, dst)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, tcpLen/4<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	be.PutUint16(b[start+tcpChecksum:], checksumOf(b[start:], pseudoSum(r.Src, r.Dst, ProtoTCP, tcpLen)))
	return b
}

// AppendIPv4 appends a frame with an IPv4 packet of any protocol.
func AppendIPv4(b []byte, r Route, proto uint8, data []byte) []byte {
	return append(appendIPv4(b, r, proto, len(data)), data...)
}
