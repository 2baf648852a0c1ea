// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import "testing"

func TestParseURL(t *testing.T) {
	tests := []struct {
		url  string
		want URL
		ok   bool
	}{
		{"net://relay", URL{"tcp", "relay:5344", Target{}}, true},
		{"net://relay:99/", URL{"tcp", "relay:99", Target{}}, true},
		{"net4://10.0.0.1/host/vm/s@begin", URL{"tcp4", "10.0.0.1:5344", Target{Host: "vm", Name: "s@begin"}}, true},
		{"net6://[::1]:1/host/vm/a b", URL{"tcp6", "[::1]:1", Target{Host: "vm", Name: "a b"}}, true},
		{"tcp://relay/host/vm/s", URL{"tcp", "relay:5344", Target{Host: "vm", Name: "s"}}, true},
		{"net://relay/host/vm", URL{}, false},
		{"net://relay/host/vm/s/t", URL{}, false},
		{"net://relay/host//s", URL{}, false},
		{"net://relay/hosts/vm/s", URL{}, false},
		{"net://relay:1:2/host/vm/s", URL{}, false},
		{"udp://relay/host/vm/s", URL{}, false},
		{"file:///tmp", URL{}, false},
		{"tcp://hop:1,net://relay", URL{}, false},
		{"relay", URL{}, false},
	}
	for _, tt := range tests {
		got, err := ParseURL(tt.url)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseURL(%q) = %+v, %v, want %+v", tt.url, got, err, tt.want)
		}
	}
}

func TestWithPort(t *testing.T) {
	for address, want := range map[string]string{
		"relay": "relay:5344", "relay:1": "relay:1", "::1": "[::1]:5344", "[::1]": "[::1]:5344", "[::1]:7": "[::1]:7", "": ":5344",
	} {
		if got := withPort(address); got != want {
			t.Errorf("withPort(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestTargetString(t *testing.T) {
	for target, want := range map[Target]string{
		{ID: 3, Name: "s"}: "session 3", {Name: "s"}: `session "s"`, {Host: "vm", Name: "s"}: `session "s" of host "vm"`,
	} {
		if got := target.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}
