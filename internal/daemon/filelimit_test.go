// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

func TestStartFileLimit(t *testing.T) {
	shell := peer.Need(t, "sh")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ set, want string }{
		// Raised by the run-time to one below the hard limit.
		{"ulimit -Sn 123; ulimit -Hn 1000", "123 999\n"},
		// Nothing to raise.
		{"ulimit -Sn 300; ulimit -Hn 300", "300 300\n"},
		{"ulimit -Sn 299; ulimit -Hn 300", "299 299\n"},
	}
	for _, tt := range tests {
		cmd := exec.Command(shell, "-c", tt.set+fmt.Sprintf("; exec %q", self))
		cmd.Env = append(os.Environ(), roleVar+"=limit")
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != tt.want {
			t.Errorf("after %q: %v, %q, want %q", tt.set, err, out, tt.want)
		}
	}
}
