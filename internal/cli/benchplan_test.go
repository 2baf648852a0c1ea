// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"os"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/peer"
)

func TestBenchPlanIsCompleted(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell := peer.Need(t, "sh")
	for _, tt := range []struct {
		name string
		args []string
		weir string
		peer string
		runs int
	}{
		{"nothing said", nil, self, shell, 0},
		{"no peer", []string{"--sh", "none", "--runs", "2"}, self, "", 2},
		{"both said", []string{"--sh", "a", "--weir", "b"}, "b", "a", 0},
	} {
		var plan bench.Plan
		var file string
		p := benchPlan{plan: &plan, peer: "sh", file: &file}
		c := &cobra.Command{}
		p.addFlags(c, []string{"a", "b"}, 3)
		if err := c.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		if err := p.complete(); err != nil || plan.Weir != tt.weir || file != tt.peer || plan.Runs != tt.runs {
			t.Errorf("%s: got %+v and peer %q, %v", tt.name, plan, file, err)
		}
	}
}

func TestBenchPlanRefusesWrongFlags(t *testing.T) {
	for _, tt := range []struct {
		command func() *cobra.Command
		args    []string
	}{
		{newBenchViewCommand, []string{"--runs", "-1"}},
		{newBenchViewCommand, []string{"--events", "-1"}},
		{newBenchTraceCommand, []string{"--runs", "-1"}},
		{newBenchUSTCommand, []string{"--runs", "-1"}},
	} {
		c := tt.command()
		c.SetArgs(tt.args)
		c.SetOut(&bytes.Buffer{})
		c.SetErr(&bytes.Buffer{})
		err := c.ExecuteContext(t.Context())
		if e, ok := err.(*exitError); !ok || e.code != exitUsage {
			t.Errorf("%s %q: got %v, want a usage error", c.Name(), tt.args, err)
		}
	}
}
