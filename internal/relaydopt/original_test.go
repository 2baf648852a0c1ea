// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// original runs the installed lttng-relayd and returns its exit status.
func original(t *testing.T, program, home string, args, env []string) int {
	t.Helper()
	// One that does not end by itself has accepted the arguments: a fault of
	// the test, not to hang on.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = home
	cmd.Env = append([]string{"HOME=" + home, "LTTNG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "LTTNG_MAN_BIN_PATH=/bin/true"}, env...)
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func status(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// TestLikeOriginal compares the exit status for command lines on which both
// programs end at once: errors, and -V behind arguments that are fine.
func TestLikeOriginal(t *testing.T) {
	program := peer.Need(t, "lttng-relayd")
	tests := []struct {
		args, ini string
		env       []string
	}{
		{args: "--ver"},
		{args: "--d"},
		{args: "--da"},
		{args: "--g x"},
		{args: "--gr x"},
		{args: "--group-output-by"},
		{args: "--con x"},
		{args: "--co x"},
		{args: "--nosuch"},
		{args: "--nosuch=x"},
		{args: "---x"},
		{args: "--=x"},
		{args: "-Z"},
		{args: "-vZ"},
		{args: "-l"},
		{args: "nonoption -Z"},
		{args: "--output"},
		{args: "-o"},
		{args: "-vo"},
		{args: "--verbose=1"},
		{args: "-v=1"},
		{args: "--help=x"},
		{args: "-p -p"},
		{args: "-s -p"},
		{args: "-s -s"},
		{args: "--group-output-by-h -s"},
		{args: "-p -p -V"},
		{args: "-V -Z"},
		{args: "-o relative"},
		{args: "-orelative"},
		{args: "--output="},
		{args: "--fd-pool-size 99"},
		{args: "--fd-pool-size 0"},
		{args: "--fd-pool-size=+100"},
		{args: "--fd-pool-size="},
		{args: "--fd-pool-size 4000000000"},
		{args: "--fd 99999999999999999999999"},
		{args: "--fd-pool-size x"},
		{args: "-C 5000"},
		{args: "-C /tmp/x"},
		{args: "-C udp://127.0.0.1:5"},
		{args: "-C tcp:/127.0.0.1"},
		{args: "-C tcp://"},
		{args: "-C tcp://:5000"},
		{args: "-D tcp://127.0.0.1:65536"},
		{args: "-D tcp://127.0.0.1:0"},
		{args: "-D tcp://127.0.0.1:-1"},
		{args: "-D tcp://127.0.0.1:abc"},
		{args: "-L tcp://127.0.0.1:1:2"},
		{args: "-L net://127.0.0.1:1:2:3"},
		{args: "-L tcp4://[::1]:5000"},
		{args: "-L tcp://[::1%lo]:5000"},
		{args: "--live-p 1"},
		{args: "--data-p=1"},
		{args: "-f /nowhere/at/all"},
		{args: "--conf /nowhere/at/all"},
		{args: "-x", env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR=nonsense"}, ini: "output=relative"},
		{env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR=nonsense"}},
		{env: []string{"LTTNG_RELAYD_DISALLOW_CLEAR="}},
		{ini: "group-output-by-session=1", args: "-p"},
		{ini: "group-output-by-session=1\ngroup-output-by-host=on"},
		{ini: "fd-pool-size=5"},
		{ini: "output=relative"},
		// Accepted.
		{args: "-V"},
		{args: "--vers"},
		{args: "-V nonoption"},
		{args: "nonoption -V"},
		{args: "-h"},
		{args: "--hel"},
		{args: "--h"},
		{args: "-V -- -Z"},
		{args: "-- -Z", ini: "fd-pool-size=5"},
		{args: "- -V"},
		{args: "-vvvvv -V"},
		{args: "-vxv -V"},
		{args: "-vV"},
		{args: "--w / -V"},
		{args: "--l tcp://127.0.0.1:5 -V"},
		{args: "--dis -V"},
		{args: "--dae -V"},
		{args: "--b -V"},
		{args: "--ou /o -V"},
		{args: "--fd 200 -V"},
		{args: "--fd-pool-size=0x100 -V"},
		{args: "--group x -V"},
		{args: "-gx -V"},
		{args: "-s -V"},
		{args: "--group-output-by-s -V"},
		{args: "-C TCP://127.0.0.1 -V"},
		{args: "-C tcp://127.0.0.1:5000/sub -V"},
		{args: "-C net://127.0.0.1:1:2 -V"},
		{args: "-C net://127.0.0.1::2 -V"},
		{args: "-C tcp6://[::1]:5000 -V"},
		{args: "-C tcp://127.0.0.1: -V"},
		{args: "-V", ini: "nosuch=1\nrubbish\ndisallow-clear=maybe\ncontrol-port=rubbish\nfd-pool-size=abc\nversion=yes\nconfig=/nowhere\n[\n"},
		{args: "-p -V", ini: "group-output-by-session=0"},
	}
	for _, tt := range tests {
		args := strings.Fields(tt.args)
		in := input(t, args...)
		in.FileLimit = 1 << 20
		in.Env = append(in.Env, tt.env...)
		home := writeINI(t, in, "[relayd]\n"+tt.ini)
		_, err := Parse(in)
		got, want := status(err), original(t, program, home, args, tt.env)
		if got != want {
			t.Errorf("%q with %q and file %q: exit status %d (%v), lttng-relayd's is %d", tt.args, tt.env, tt.ini, got, err, want)
		}
	}
}

// TestUnlikeOriginal lists where the original, release 2.13, is wrong or sloppy
// or lacks what later ones have.
func TestUnlikeOriginal(t *testing.T) {
	program := peer.Need(t, "lttng-relayd")
	if version, err := exec.Command(program, "-V").Output(); err != nil || !strings.HasPrefix(string(version), "2.13.") {
		peer.Lack(t, "lttng-relayd of release 2.13: this is %q, %v", version, err)
	}
	home := t.TempDir()
	file := filepath.Join(home, "own.conf")
	if err := os.WriteFile(file, []byte("[relayd]\ngroup=own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		why          string
		args         []string
		theirs, ours int
	}{
		{"-f works", []string{"-f", file, "-V"}, 1, 0},
		{"a bad working directory is an error", []string{"-w", "/nowhere/at/all"}, 0, 1},
		{"letters behind a pool size are an error", []string{"--fd-pool-size=100abc", "-V"}, 0, 1},
		{"tcp:// takes IPv6 in brackets", []string{"-C", "tcp://[::1]:5000", "-V"}, 1, 0},
		{"new option", []string{"--dynamic-port-allocation", "-V"}, 1, 0},
		{"new option", []string{"-S", "-V"}, 1, 0},
		{"new option", []string{"-P", "/p", "-V"}, 1, 0},
	}
	for _, tt := range tests {
		in := input(t, tt.args...)
		in.FileLimit = 1 << 20
		_, err := Parse(in)
		if got := status(err); got != tt.ours {
			t.Errorf("%s: %q: exit status %d (%v), want %d", tt.why, tt.args, got, err, tt.ours)
		}
		if theirs := original(t, program, home, tt.args, nil); theirs != tt.theirs {
			t.Errorf("%s: %q: lttng-relayd exits with %d, want %d", tt.why, tt.args, theirs, tt.theirs)
		}
	}
}
