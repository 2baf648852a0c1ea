// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// syscallSystem has an event for the entry of each system call, and one for its
// exit.
const syscallSystem = "syscalls"

const (
	entryPrefix = "sys_enter_"
	exitPrefix  = "sys_exit_"
)

func kindOf(n tracefs.EventName) agent.EventType {
	if n.System == syscallSystem {
		return agent.Syscall
	}
	return agent.Tracepoint
}

// choose returns the events that a rule chooses.
func choose(events []tracefs.EventName, r *agent.EventRule, naming kerneltrace.Naming) []tracefs.EventName {
	want := filter.NewGlob(r.Pattern)
	var not []filter.Glob
	for _, x := range r.Exclusions {
		not = append(not, filter.NewGlob(x))
	}
	var chosen []tracefs.EventName
	for _, n := range events {
		if r.Type != agent.AllEvents && r.Type != kindOf(n) {
			continue
		}
		if matches(want, n, naming) && !excluded(not, n, naming) {
			chosen = append(chosen, n)
		}
	}
	return chosen
}

// matches compares a pattern with all spellings of an event's name: that in the
// trace, the kernel's with and without its system, and a system call's own.
func matches(g filter.Glob, n tracefs.EventName, naming kerneltrace.Naming) bool {
	if g.Match([]byte(naming.EventName(n.System, n.Name))) || g.Match([]byte(n.String())) || g.Match([]byte(n.Name)) {
		return true
	}
	if n.System != syscallSystem {
		return false
	}
	name, ok := strings.CutPrefix(n.Name, entryPrefix)
	if !ok {
		name = strings.TrimPrefix(n.Name, exitPrefix)
	}
	return g.Match([]byte(name))
}

func excluded(not []filter.Glob, n tracefs.EventName, naming kerneltrace.Naming) bool {
	for _, g := range not {
		if matches(g, n, naming) {
			return true
		}
	}
	return false
}
