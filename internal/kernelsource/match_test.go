// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

var testEvents = []tracefs.EventName{
	{System: "sched", Name: "sched_switch"},
	{System: "sched", Name: "sched_wakeup"},
	{System: "irq", Name: "softirq_entry"},
	{System: "syscalls", Name: "sys_enter_openat"},
	{System: "syscalls", Name: "sys_exit_openat"},
	{System: "syscalls", Name: "sys_enter_open"},
}

func TestChoose(t *testing.T) {
	tests := []struct {
		kind    agent.EventType
		pattern string
		not     []string
		want    string // names, without their systems
	}{
		{agent.AllEvents, "*", nil, "sched_switch sched_wakeup softirq_entry sys_enter_openat sys_exit_openat sys_enter_open"},
		{agent.Tracepoint, "*", nil, "sched_switch sched_wakeup softirq_entry"},
		{agent.Tracepoint, "*", []string{"sched_w*", "irq:*"}, "sched_switch"},
		{agent.Tracepoint, "sched:*", nil, "sched_switch sched_wakeup"},
		{agent.Tracepoint, "softirq_entry", nil, "softirq_entry"},
		{agent.Tracepoint, "irq_softirq_entry", nil, "softirq_entry"},
		{agent.Tracepoint, "irq:softirq_entry", nil, "softirq_entry"},
		{agent.Tracepoint, "openat", nil, ""},
		{agent.Syscall, "openat", nil, "sys_enter_openat sys_exit_openat"},
		{agent.Syscall, "syscall_entry_openat", nil, "sys_enter_openat"},
		{agent.Syscall, "open*", []string{"openat"}, "sys_enter_open"},
		{agent.Syscall, "sched_switch", nil, ""},
		{agent.AllEvents, "nothing", nil, ""},
	}
	for _, tt := range tests {
		var got []string
		for _, n := range choose(testEvents, &agent.EventRule{Type: tt.kind, Pattern: tt.pattern, Exclusions: tt.not}, kerneltrace.LTTng) {
			got = append(got, n.Name)
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s %s without %v: got %v, want %s", tt.kind, tt.pattern, tt.not, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	if got := nearest(testEvents, "sched_swich", kerneltrace.LTTng); !strings.Contains(got, "sched_switch") {
		t.Errorf("got %q", got)
	}
	if got := nearest(testEvents, "xyz", kerneltrace.LTTng); got != "" {
		t.Errorf("got %q for what is like nothing", got)
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"abc", "abc", 0}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance of %q and %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestCounterpart(t *testing.T) {
	entry, exit := tracefs.EventName{System: "syscalls", Name: "sys_enter_x"}, tracefs.EventName{System: "syscalls", Name: "sys_exit_x"}
	if counterpart(entry) != exit || counterpart(exit) != entry {
		t.Errorf("got %v and %v", counterpart(entry), counterpart(exit))
	}
}

func TestPlain(t *testing.T) {
	if got := plain("a b/.ü" + strings.Repeat("x", 100)); strings.ContainsAny(got, " /.") || len(got) > 64 {
		t.Errorf("got %q", got)
	}
}
