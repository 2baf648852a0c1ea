// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/relaybench"
)

// benchFlags returns the flags of "weir bench relay" as args set them.
func benchFlags(t *testing.T, args ...string) *benchRelay {
	t.Helper()
	b := &benchRelay{}
	c := newBenchRelayCommand()
	c.ResetFlags()
	b.addFlags(c)
	if err := c.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBenchWorkloads(t *testing.T) {
	cell := relaybench.Cell{Sessions: 1, Streams: 16, PacketBytes: 4096}
	for _, tt := range []struct {
		name string
		args []string
		want []relaybench.Workload
	}{
		{"all", nil, relaybench.Suite()},
		{"quick", []string{"--quick"}, relaybench.QuickSuite()},
		{"a cell", []string{"--cells", "1x16x4096"}, []relaybench.Workload{{Cell: cell, Index: relaybench.Pipelined}}},
		{
			"a product",
			[]string{"--cells", "1x16x4096", "--index", "sync,pipelined", "--viewers", "0,2", "--volume", "1MiB"},
			[]relaybench.Workload{
				{Cell: cell, Index: relaybench.Sync, VolumeBytes: 1 << 20},
				{Cell: cell, Index: relaybench.Sync, Viewers: 2, VolumeBytes: 1 << 20},
				{Cell: cell, Index: relaybench.Pipelined, VolumeBytes: 1 << 20},
				{Cell: cell, Index: relaybench.Pipelined, Viewers: 2, VolumeBytes: 1 << 20},
			},
		},
	} {
		got, err := benchFlags(t, tt.args...).workloads()
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestBenchRefusesWrongFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--cells", "1x16"},
		{"--cells", "1x16x4096", "--index", "fast"},
		{"--cells", "1x16x4096", "--viewers", "-1"},
		{"--volume", "much"},
		{"--volume", "0"},
		{"--runs", "0"},
		{"--relay", "a="},
		{"--idle-connections", "-1"},
		{"--babeltrace", "101"},
	} {
		b := benchFlags(t, args...)
		err := b.run(t.Context(), &bytes.Buffer{}, &bytes.Buffer{})
		if e, ok := err.(*exitError); !ok || e.code != exitUsage {
			t.Errorf("%q: got %v, want a usage error", args, err)
		}
	}
}

func TestBenchRelaysUnderTest(t *testing.T) {
	relays, err := benchFlags(t).relaysUnderTest()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if r := relays[0]; r.Label != "weir" || r.Command[0] != self || r.Command[1] != "relayd" {
		t.Errorf("the first relay is %v, want this program", r)
	}
	_, installed := peer.Find(t, "lttng-relayd")
	if got := len(relays); got != 1 && !installed || got != 2 && installed {
		t.Errorf("%d relays, lttng-relayd installed: %v", got, installed)
	}
	relays, err = benchFlags(t, "--relay", "lttng-relayd", "--relay", "b=x").relaysUnderTest()
	if err != nil || len(relays) != 2 || relays[0].Label != "lttng-relayd" || relays[1].Label != "b" {
		t.Errorf("got %v, %v", relays, err)
	}
}

func TestBenchPrints(t *testing.T) {
	peer.Need(t, "lttng-relayd")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"medians of 1 runs\n\nsessions ", "\n1         2        4 KiB   sync"}},
		{[]string{"--json"}, []string{`{"run":`, `{"machine":`, `{"summary":`}},
		{[]string{"--markdown"}, []string{"\n| 1 | 2 | 4 KiB | sync | 0 | "}},
		{[]string{"--streams-memory", "8"}, []string{"scenario ", "\nstreams"}},
		{[]string{"--idle-connections", "2", "--json"}, []string{`{"strain":{"scenario":"idle connections"`}},
		{[]string{"--streams-memory", "8", "--markdown"}, []string{"| streams | lttng-relayd | 8 of 8 |"}},
	} {
		args := append([]string{
			"--relay", "lttng-relayd", "--dir", t.TempDir(), "--runs", "1", "--verify",
			"--cells", "1x2x4096", "--index", "sync", "--volume", "64KiB",
		}, tt.args...)
		var stdout, stderr bytes.Buffer
		if err := benchFlags(t, args...).run(t.Context(), &stdout, &stderr); err != nil {
			t.Errorf("%q: %v", tt.args, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%q: %q is not in the output:\n%s", tt.args, want, &stdout)
			}
		}
		if stderr.Len() > 0 {
			t.Errorf("%q: standard error has %q", tt.args, &stderr)
		}
	}
}
