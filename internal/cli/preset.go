// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/weir-io/weir/client/agent"
)

// preset is a choice of events for a purpose. Patterns are tracefs' spelling,
// which is the same on all kernels.
type preset struct {
	name, purpose string
	tracepoints   string // separated by spaces
	syscalls      string
}

// presets are modest: each can run on a busy host. What every event of a system
// costs is for those who name the system.
func presets() []preset {
	return []preset{
		{
			"sched", "which task runs where, why not, and interrupts",
			"sched:sched_switch sched:sched_wakeup sched:sched_wakeup_new sched:sched_waking sched:sched_migrate_task " +
				"sched:sched_process_fork sched:sched_process_exec sched:sched_process_exit sched:sched_process_free " +
				"irq:irq_handler_entry irq:irq_handler_exit irq:softirq_entry irq:softirq_exit irq:softirq_raise", "",
		},
		{
			"io", "block devices, and the system calls for files",
			"block:*",
			"read write pread64 pwrite64 readv writev open openat close fsync fdatasync sync_file_range sendfile64 copy_file_range " +
				"io_submit io_getevents io_uring_enter",
		},
		{
			"net", "packets, sockets, and the system calls for them",
			"net:* napi:* skb:* sock:* tcp:* udp:*",
			"socket bind listen connect accept accept4 shutdown close sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg " +
				"epoll_wait epoll_pwait poll ppoll select pselect6",
		},
		{"syscalls", "all system calls", "", "*"},
	}
}

func presetNames() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

// presetTable is the part of a help text.
func presetTable() string {
	var b strings.Builder
	for _, p := range presets() {
		fmt.Fprintf(&b, "  %-9s %s\n", p.name, p.purpose)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// presetRules makes the rules of a preset.
func presetRules(name, filter string, exclude []string) ([]agent.EventRule, error) {
	for _, p := range presets() {
		if p.name != name {
			continue
		}
		var rules []agent.EventRule
		add := func(kind agent.EventType, patterns string) {
			for pattern := range strings.FieldsSeq(patterns) {
				rules = append(rules, agent.EventRule{Type: kind, Pattern: pattern, Filter: filter, Exclusions: exclude, Enabled: true})
			}
		}
		add(agent.Tracepoint, p.tracepoints)
		add(agent.Syscall, p.syscalls)
		return rules, nil
	}
	return nil, usageErrorf("--preset: want one of %s, got %q", strings.Join(presetNames(), ", "), name)
}
