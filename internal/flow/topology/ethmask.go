// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/hex"
	"fmt"

	"github.com/weir-io/weir/internal/flow/packet"
)

// Match reports whether two addresses are the same in the bits of the mask.
func (m EthMask) Match(a, b packet.MAC) bool {
	if m == (EthMask{}) {
		return a == b
	}
	for i := range m {
		if (a[i]^b[i])&m[i] != 0 {
			return false
		}
	}
	return true
}

// MarshalText returns the text of the mask.
func (m EthMask) MarshalText() ([]byte, error) {
	if m == (EthMask{}) {
		return []byte("ffff.ffff.ffff"), nil
	}
	b := make([]byte, 0, 14)
	for i := 0; i < len(m); i += 2 {
		if i > 0 {
			b = append(b, '.')
		}
		b = hex.AppendEncode(b, m[i:i+2])
	}
	return b, nil
}

// UnmarshalText reads what MarshalText writes.
func (m *EthMask) UnmarshalText(b []byte) error {
	mask, err := parseEthMask(string(b))
	if err == nil {
		*m = mask
	}
	return err
}

// parseEthMask reads the text of a mask. A mask of no bits would look like none, that
// is all, and matches every address; it is refused.
func parseEthMask(s string) (EthMask, error) {
	var m EthMask
	digits := []byte(s)
	if len(digits) != 14 || digits[4] != '.' || digits[9] != '.' {
		return m, fmt.Errorf("got %.60q, want a mask as ffff.ffff.0000", s)
	}
	for i, at := range []int{0, 5, 10} {
		if _, err := hex.Decode(m[2*i:2*i+2], digits[at:at+4]); err != nil {
			return m, fmt.Errorf("got %q, want a mask of hexadecimal digits", s)
		}
	}
	if m == (EthMask{}) {
		return m, fmt.Errorf("got %q, which compares nothing: leave the address out", s)
	}
	return m, nil
}
