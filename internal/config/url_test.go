// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

func TestSplitURL(t *testing.T) {
	tests := []struct{ url, network, address string }{
		{"tcp://127.0.0.1:5342", "tcp", "127.0.0.1:5342"},
		{"tcp://localhost:0/", "tcp", "localhost:0"},
		{"tcp4://0.0.0.0:65535", "tcp4", "0.0.0.0:65535"},
		{"tcp6://[::1]:5342", "tcp6", "[::1]:5342"},
		{"tcp://[fe80::1%eth0]:1", "tcp", "[fe80::1%eth0]:1"},
	}
	for _, tt := range tests {
		network, address, err := SplitURL(tt.url)
		if err != nil || network != tt.network || address != tt.address {
			t.Errorf("SplitURL(%q) = %q, %q, %v, want %q, %q", tt.url, network, address, err, tt.network, tt.address)
		}
	}
	for _, url := range []string{"", "tcp:", "127.0.0.1:1", "udp://h:1", "tcp://h", "tcp://:1", "tcp://h:65536", "tcp://h:-1", "tcp://h:x", "tcp://::1:1", "tcp://h:1/x"} {
		if network, address, err := SplitURL(url); err == nil {
			t.Errorf("SplitURL(%q) = %q, %q, want an error", url, network, address)
		}
	}
}
