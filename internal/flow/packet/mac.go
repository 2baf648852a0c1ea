// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"encoding/hex"
	"fmt"
)

// MAC is an Ethernet address. Its text is six pairs of hexadecimal digits with colons
// between them.
type MAC [6]byte

// Broadcast is the address of all stations.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ParseMAC reads the text of an address; digits may be of either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, fmt.Errorf("address %q: got %d characters, want 17", s, len(s))
	}
	for i := range m {
		if i > 0 && s[3*i-1] != ':' {
			return MAC{}, fmt.Errorf("address %q: got %q at %d, want a colon", s, s[3*i-1], 3*i-1)
		}
		if _, err := hex.Decode(m[i:i+1], []byte(s[3*i:3*i+2])); err != nil {
			return MAC{}, fmt.Errorf("address %q: no hexadecimal digits at %d", s, 3*i)
		}
	}
	return m, nil
}

// IsZero reports whether there is no address.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsGroup reports whether the address is of more than one station: multicast or
// broadcast.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

func (m MAC) String() string {
	b, _ := m.AppendText(make([]byte, 0, 17))
	return string(b)
}

// AppendText appends the text of the address.
func (m MAC) AppendText(b []byte) ([]byte, error) {
	for i, c := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, []byte{c})
	}
	return b, nil
}

// MarshalText returns the text of the address.
func (m MAC) MarshalText() ([]byte, error) { return m.AppendText(nil) }

// UnmarshalText reads what MarshalText writes.
func (m *MAC) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMAC(string(b))
	return err
}
