// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"net/netip"
	"strconv"
)

// IPv4 is an address as a number, its first byte the most significant. It is what
// matches hold, because comparing and masking numbers is what simulations do most.
type IPv4 uint32

// AllHosts is the broadcast address of every network.
const AllHosts IPv4 = 0xffffffff

// FromAddr returns an address as a number, and 0 for what is no IPv4 address.
func FromAddr(a netip.Addr) IPv4 {
	if !a.Is4() && !a.Is4In6() {
		return 0
	}
	b := a.As4()
	return IPv4(be.Uint32(b[:]))
}

// Addr returns the address as the standard library has it.
func (a IPv4) Addr() netip.Addr {
	var b [4]byte
	be.PutUint32(b[:], uint32(a))
	return netip.AddrFrom4(b)
}

// IsMulticast reports whether the address is of a group of hosts.
func (a IPv4) IsMulticast() bool { return a>>28 == 0xe }

// Mask returns the first bits of the address, the others 0.
func (a IPv4) Mask(bits int) IPv4 { return a & mask(bits) }

// Last returns the address with all but the first bits 1.
func (a IPv4) Last(bits int) IPv4 { return a | ^mask(bits) }

// mask is the network mask of a prefix length. A shift by 32 gives 0 in Go.
func mask(bits int) IPv4 { return IPv4(^uint32(0) << (32 - bits)) }

func (a IPv4) String() string { return string(a.AppendTo(make([]byte, 0, 15))) }

// AppendTo appends the text of the address.
func (a IPv4) AppendTo(b []byte) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		b = strconv.AppendUint(b, uint64(a>>shift&0xff), 10)
		if shift > 0 {
			b = append(b, '.')
		}
	}
	return b
}
