// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

// sum adds the 16-bit words of b to a sum; an odd byte at the end counts as the first
// of a word.
func sum(b []byte, s uint32) uint32 {
	for len(b) >= 2 {
		s += uint32(be.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// fold makes 16 bits of a sum.
func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// change is a difference of checksums: what was taken away and what was added.
type change uint32

func (c *change) word(old, now uint16) { *c += change(^old) + change(now) }
func (c *change) address(old, now IPv4) {
	c.word(uint16(old>>16), uint16(now>>16))
	c.word(uint16(old), uint16(now))
}
func (c change) apply(old uint16) uint16   { return ^fold(uint32(^old) + uint32(c)) }
func (c change) update(checksum []byte)    { be.PutUint16(checksum, c.apply(be.Uint16(checksum))) }
func checksumOf(b []byte, s uint32) uint16 { return ^fold(sum(b, s)) }

// updateUDP updates the checksum of UDP, where 0 is that there is none.
func (c change) updateUDP(checksum []byte) {
	old := be.Uint16(checksum)
	if old == 0 {
		return
	}
	now := c.apply(old)
	if now == 0 {
		now = 0xffff
	}
	be.PutUint16(checksum, now)
}

// setIPChecksum computes the checksum of an IPv4 header.
func setIPChecksum(header []byte) {
	be.PutUint16(header[ipChecksum:], 0)
	be.PutUint16(header[ipChecksum:], checksumOf(header, 0))
}

// pseudoSum is the sum of what TCP and UDP add of the IPv4 header to their checksums.
func pseudoSum(src, dst IPv4, proto uint8, length int) uint32 {
	return uint32(src>>16) + uint32(src&0xffff) + uint32(dst>>16) + uint32(dst&0xffff) + uint32(proto) + uint32(length)
}
