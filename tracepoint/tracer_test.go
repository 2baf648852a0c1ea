// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"os"
	"path/filepath"
	"testing"
)

// A program that runs with more rights than its user, or cannot tell, keeps to the
// system's daemon, whatever the environment says.
func TestElevated(t *testing.T) {
	vector := func(words ...uint64) (b []byte) {
		for _, w := range words {
			b = le.AppendUint64(b, w)
		}
		return b
	}
	own, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		t.Fatal(err)
	}
	home := func(name string) string { return map[string]string{"HOME": "/home/u"}[name] }
	for _, c := range []struct {
		name   string
		vector []byte
		want   bool // the user's daemon too
	}{
		{"this program", own, true},
		{"a program with its user's rights", vector(6, 4096, auxSecure, 0, 0, 0), true},
		{"one with capabilities", vector(6, 4096, auxSecure, 1, 0, 0), false},
		{"one that says nothing", vector(6, auxSecure, 0, 0), false},
		{"one that may not read it", nil, false},
	} {
		all := daemons(home, elevated(c.vector))
		if all[0].socket != systemSocket {
			t.Errorf("%s: the first daemon is at %s, want the system's", c.name, all[0].socket)
		}
		if got := len(all) == 2 && all[1].socket == filepath.Join("/home/u", userSocket); got != c.want {
			t.Errorf("%s: daemons %+v, want the user's: %v", c.name, all, c.want)
		}
	}
}
