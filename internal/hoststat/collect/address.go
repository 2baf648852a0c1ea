// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// addressPort reads an address and a port of the kernel's load balancer: C0A80016:0CEA
// or [2620:0000:0000:0000:0000:0000:0000:0001]:0050.
func addressPort(s string) (address, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", fmt.Errorf("%q, want an address and a port", s)
	}
	n, err := strconv.ParseUint(s[i+1:], 16, 16)
	if err != nil {
		return "", "", fmt.Errorf("port of %q: %w", s, err)
	}
	port = strconv.FormatUint(n, 10)
	host := s[:i]
	if six, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(six, "]"))
		if err != nil {
			return "", "", fmt.Errorf("address of %q: %w", s, err)
		}
		return a.Unmap().String(), port, nil
	}
	b, err := hex.DecodeString(host)
	if err != nil {
		return "", "", fmt.Errorf("address of %q: %w", s, err)
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return "", "", fmt.Errorf("address of %q: %d bytes", s, len(b))
	}
	return a.String(), port, nil
}
