// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// NID is the client that a change came from, as Lustre's lnet_nid: u8 size of the
// address above 4 bytes, u8 type of network, and big-endian u16 number of network
// and 16 bytes of address.
type NID [20]byte

// NetType is a type of network.
type NetType uint8

// Types of networks.
const (
	NetTCP  NetType = 2
	NetO2IB NetType = 5
	NetLo   NetType = 9
	NetGNI  NetType = 13
	NetKFI  NetType = 16
	NetAny  NetType = 0xFF
)

// nets are the types that have a name. Addresses of those that are not ip are
// numbers of 32 bits.
var nets = [...]struct {
	t    NetType
	name string
	ip   bool
}{
	{NetTCP, "tcp", true},
	{NetO2IB, "o2ib", true},
	{NetLo, "lo", false},
	{NetGNI, "gni", false},
	{NetKFI, "kfi", false},
}

const (
	anyText    = "<?>" // as Lustre writes it
	sizeIPv6   = 12    // bytes above 4
	nidHexText = 2 + 2*len(NID{})
)

// AnyNID stands for every client.
func AnyNID() NID { return NID{1: byte(NetAny), 2: 0xFF, 3: 0xFF, 4: 0xFF, 5: 0xFF, 6: 0xFF, 7: 0xFF} }

// LoNID is the client 0@lo: the host itself.
func LoNID() NID { return NID{1: byte(NetLo)} }

// NIDOfAddr returns the client with an address in the network tcp.
func NIDOfAddr(a netip.Addr) NID {
	n := NID{1: byte(NetTCP)}
	n.setAddr(a)
	return n
}

func (n *NID) setAddr(a netip.Addr) {
	if a.Is4() {
		v := a.As4()
		copy(n[4:], v[:])
		return
	}
	v := a.As16()
	n[0] = sizeIPv6
	copy(n[4:], v[:])
}

// NIDOfUint64 reads the old form: (type<<16 | number)<<32 | IPv4. It is false for
// types that a NID does not hold.
func NIDOfUint64(v uint64) (NID, bool) {
	if v == math.MaxUint64 {
		return AnyNID(), true
	}
	if v>>56 != 0 {
		return NID{}, false
	}
	n := NID{1: byte(v >> 48)}
	binary.BigEndian.PutUint16(n[2:], uint16(v>>32))
	binary.BigEndian.PutUint32(n[4:], uint32(v))
	return n, true
}

// Uint64 returns the old form. It is false for addresses above 32 bits.
func (n NID) Uint64() (uint64, bool) {
	if n == AnyNID() {
		return math.MaxUint64, true
	}
	if !n.short() {
		return 0, false
	}
	return uint64(n[1])<<48 | uint64(binary.BigEndian.Uint16(n[2:]))<<32 | uint64(binary.BigEndian.Uint32(n[4:])), true
}

// short reports whether the address has 4 bytes and nothing is behind it.
func (n NID) short() bool { return n[0] == 0 && [12]byte(n[8:]) == [12]byte{} }

// String returns the text form, as 192.0.2.7@tcp1. NIDs that have none are 0x and 40
// hexadecimal digits.
func (n NID) String() string { return string(n.AppendText(nil)) }

// AppendText appends the text form.
func (n NID) AppendText(dst []byte) []byte {
	if n == AnyNID() {
		return append(dst, anyText...)
	}
	for _, net := range nets {
		if net.t != NetType(n[1]) {
			continue
		}
		switch {
		case net.ip && n[0] == sizeIPv6:
			dst = netip.AddrFrom16([16]byte(n[4:])).AppendTo(dst)
		case net.ip && n.short():
			dst = netip.AddrFrom4([4]byte(n[4:8])).AppendTo(dst)
		case n.short():
			dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(n[4:])), 10)
		default:
			return hex.AppendEncode(append(dst, "0x"...), n[:])
		}
		dst = append(append(dst, '@'), net.name...)
		if number := binary.BigEndian.Uint16(n[2:]); number != 0 {
			dst = strconv.AppendUint(dst, uint64(number), 10)
		}
		return dst
	}
	return hex.AppendEncode(append(dst, "0x"...), n[:])
}

// ParseNID reads the text form. * is AnyNID too. Errors are of type *Error.
func ParseNID(text string) (NID, error) {
	fail := func(field string, offset int, got, want string) (NID, error) {
		return NID{}, &Error{Form: "NID", Field: field, Offset: offset, Got: got, Want: want}
	}
	if text == anyText || text == "*" {
		return AnyNID(), nil
	}
	if digits, ok := strings.CutPrefix(text, "0x"); ok && len(text) == nidHexText {
		var n NID
		if _, err := hex.Decode(n[:], []byte(digits)); err != nil {
			return fail("", 0, quoted(text), "hexadecimal digits behind 0x")
		}
		return n, nil
	}
	at := strings.IndexByte(text, '@')
	if at < 0 {
		return fail("", 0, quoted(text), "ADDRESS@NETWORK")
	}
	addr, name := text[:at], text[at+1:]
	end := len(name) // o2ib has a digit inside
	for end > 0 && name[end-1] >= '0' && name[end-1] <= '9' {
		end--
	}
	for _, net := range nets {
		if net.name != name[:end] {
			continue
		}
		var n NID
		n[1] = byte(net.t)
		if name[end:] != "" {
			number, ok := parseDecimal(name[end:], 16)
			if !ok {
				return fail("network", at+1+end, quoted(name[end:]), "a number of 16 bits")
			}
			binary.BigEndian.PutUint16(n[2:], uint16(number))
		}
		if !n.parseAddr(addr, net.ip) {
			want := "a number of 32 bits"
			if net.ip {
				want = "an IP address"
			}
			return fail("address", 0, quoted(addr), want)
		}
		return n, nil
	}
	return fail("network", at+1, quoted(name), "tcp, o2ib, lo, gni or kfi, and a number or none")
}

func (n *NID) parseAddr(text string, ip bool) bool {
	if !ip {
		v, ok := parseDecimal(text, 32)
		binary.BigEndian.PutUint32(n[4:], uint32(v))
		return ok
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return false
	}
	n.setAddr(a)
	return true
}

// parseDecimal reads digits without a sign and without zeros in front.
func parseDecimal[T string | []byte](text T, bits int) (uint64, bool) {
	if len(text) == 0 || len(text) > 20 || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	var v uint64
	for i := range len(text) {
		c := text[i] - '0'
		if c > 9 || v > (math.MaxUint64-uint64(c))/10 {
			return 0, false
		}
		v = v*10 + uint64(c)
	}
	return v, bits == 64 || v>>bits == 0
}
