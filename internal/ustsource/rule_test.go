// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/ust/wire"
)

// What is no rule, context or channel is refused.
func TestRefused(t *testing.T) {
	s := serve(t)
	if _, err := s.Open(source.SessionInfo{Clock: "boot"}); err == nil {
		t.Error("clock boot is taken")
	}
	tr, err := s.Open(source.SessionInfo{Name: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Channel(0, "c", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 1, Overwrite: true}); err == nil {
		t.Error("a channel of one sub-buffer that is overwritten is taken")
	}
	c, err := tr.Channel(0, "c", agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 2})
	if err != nil {
		t.Fatal(err)
	}
	leveled := c.(source.Leveled)
	for text, want := range map[string]string{"WARNING": "TRACE_WARNING", "trace_warning": "TRACE_WARNING", "4": "TRACE_WARNING", "15": "", "LOUD": "", "-1": ""} {
		if name, ok := leveled.Level(text); name != want || ok != (want != "") {
			t.Errorf("level %q is %q, %v, want %q", text, name, ok, want)
		}
	}
	for _, r := range []agent.EventRule{
		{Type: agent.Syscall, Pattern: "a"},
		{Type: agent.Tracepoint, Pattern: "a", Filter: "n +"},
		{Type: agent.Tracepoint, Pattern: "a", Filter: "n + 1 > 1"},
		{Type: agent.Tracepoint, Pattern: "a", Filter: "$ctx.nothing == 1"},
		{Type: agent.Tracepoint, Pattern: "a", Filter: "$ctx.perf_thread_cpu_cycles > 1"},
		{Type: agent.Tracepoint, Pattern: strings.Repeat("a", wire.NameLen)},
		{Type: agent.Tracepoint, Pattern: "a", LogLevel: "LOUD"},
		{Type: agent.Tracepoint, Pattern: "a", Filter: `s < "*x*"`},
		{Type: agent.Tracepoint, Pattern: "a*", Exclusions: []string{strings.Repeat("a", wire.NameLen)}},
		{Type: agent.Tracepoint, Pattern: "a:b", Exclusions: []string{"x:*"}},
		{Type: agent.Tracepoint, Pattern: `a\*`, Exclusions: []string{"b"}},
		{Type: agent.Tracepoint, Pattern: "a:*", Exclusions: []string{"b:c", "a*"}},
		{Type: agent.AllEvents, Pattern: "*", Exclusions: []string{"*"}},
	} {
		if _, err := c.AddRule(&r); err == nil {
			t.Errorf("rule %+v is taken", r)
		}
	}
	for _, r := range []agent.EventRule{
		{Type: agent.Tracepoint, Pattern: "a:*", Exclusions: []string{"b:c", "a:x*", `a:\*`, ""}},
		{Type: agent.AllEvents, Pattern: "*", Exclusions: []string{"a:*"}},
		{Type: agent.Tracepoint, Pattern: "a:b", Filter: `s >= "x*" && "y" > $ctx.procname`},
	} {
		if _, err := c.AddRule(&r); err != nil {
			t.Errorf("rule %+v: %v", r, err)
		}
	}
	for name, want := range map[string]string{"nothing": "want one of", "perf_thread_cpu_cycles": "do not compare counters"} {
		if err := checkContext(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("context %s: %v, want %q", name, err, want)
		}
	}
	if err := c.AddContext("nothing"); err == nil {
		t.Error("context nothing is taken")
	}
}
