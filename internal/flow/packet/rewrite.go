// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

// AppendRewritten appends a frame with the headers of another match. From must be what
// Parse made of the frame, and to a changed copy of it. What can change are Ethernet
// addresses and tags, and of IPv4 addresses, TTL, TOS, the ports of TCP and UDP, and
// the addresses and ports of the packet that an ICMP error quotes.
//
// The checksum of an IPv4 header that changed is computed; those of TCP, UDP and ICMP
// are updated, so what was wrong before stays wrong, and a packet that is only begun
// here gets the right one.
func AppendRewritten(b, frame []byte, from, to *Match) []byte {
	b = append(b, to.EthDst[:]...)
	b = append(b, to.EthSrc[:]...)
	for _, t := range to.Tags[:to.NumTags] {
		b = be.AppendUint16(b, t.TPID)
		b = be.AppendUint16(b, t.TCI)
	}
	b = append(b, frame[from.net-typeLen:from.net]...)
	start := len(b)
	b = append(b, frame[from.net:]...)
	if from.Net == NetIPv4 {
		rewriteIPv4(b[start:], from, to)
	}
	return b
}

func rewriteIPv4(b []byte, from, to *Match) {
	header := int(from.transport - from.net)
	var c change
	if from.Src != to.Src || from.Dst != to.Dst || from.TTL != to.TTL || from.TOS != to.TOS {
		b[ipTTL], b[ipTOS] = to.TTL, to.TOS
		be.PutUint32(b[ipSrc:], uint32(to.Src))
		be.PutUint32(b[ipDst:], uint32(to.Dst))
		setIPChecksum(b[:header])
		c.address(from.Src, to.Src)
		c.address(from.Dst, to.Dst)
	}
	b = ipPayload(b, header)
	switch from.Transport {
	case Ports:
		rewritePorts(b, from.Proto, c, endpoint{from.SrcPort, from.DstPort}, endpoint{to.SrcPort, to.DstPort})
	case ICMPError:
		if from.Quote != to.Quote {
			rewriteQuote(b, &from.Quote, &to.Quote)
		}
	}
}

// endpoint is the ports of a packet.
type endpoint struct{ src, dst uint16 }

// rewritePorts changes ports, and the checksum by them and by the change of addresses.
func rewritePorts(b []byte, proto uint8, c change, from, to endpoint) {
	if from == to && c == 0 {
		return
	}
	be.PutUint16(b, to.src)
	be.PutUint16(b[2:], to.dst)
	c.word(from.src, to.src)
	c.word(from.dst, to.dst)
	switch {
	case proto == ProtoUDP && len(b) >= udpLen:
		c.updateUDP(b[udpChecksum:])
	case proto == ProtoTCP && len(b) >= tcpChecksum+2:
		c.update(b[tcpChecksum:])
	}
}

// rewriteQuote changes the packet that an ICMP error quotes. Of its transport header
// there may be no more than ports.
func rewriteQuote(icmp []byte, from, to *Quote) {
	b := icmp[icmpLen:]
	var whole change
	before := fold(sum(b, 0))
	header, _ := ipHeader(b)
	be.PutUint32(b[ipSrc:], uint32(to.Src))
	be.PutUint32(b[ipDst:], uint32(to.Dst))
	setIPChecksum(b[:header])
	if from.Ports && from.Proto != ProtoICMP {
		var c change
		c.address(from.Src, to.Src)
		c.address(from.Dst, to.Dst)
		rewritePorts(b[header:], from.Proto, c, endpoint{from.SrcPort, from.DstPort}, endpoint{to.SrcPort, to.DstPort})
	}
	whole.word(before, fold(sum(b, 0)))
	whole.update(icmp[icmpChecksum:])
}
