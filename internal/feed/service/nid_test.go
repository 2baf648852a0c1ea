// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net"
	"testing"
)

func TestNIDOfAddresses(t *testing.T) {
	for want, texts := range map[string][]string{
		"0@lo":            {"127.0.0.1/8", "::1/128", "fe80::1/64", "169.254.3.4/16"},
		"192.0.2.7@tcp":   {"127.0.0.1/8", "2001:db8::1/64", "192.0.2.7/24", "192.0.2.8/24"},
		"2001:db8::1@tcp": {"::1/128", "fe80::1/64", "2001:db8::1/64", "2001:db8::2/64"},
	} {
		var addrs []net.Addr
		for _, text := range texts {
			ip, n, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		if got := nidOf(addrs).String(); got != want {
			t.Errorf("%q: got %s, want %s", texts, got, want)
		}
	}
}
