// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agenttest

import (
	"context"
	"slices"
	"strings"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
)

// KernelEvents lists two tracepoints and a system call.
func (s *Service) KernelEvents(_ context.Context, _ string, kind agent.EventType, fields bool) ([]agent.KernelEvent, error) {
	all := []agent.KernelEvent{
		{Name: "sched_switch", System: "sched", Event: "sched_switch", Type: agent.Tracepoint},
		{Name: "irq_softirq_entry", System: "irq", Event: "softirq_entry", Type: agent.Tracepoint},
		{Name: "syscall_entry_openat", System: "syscalls", Event: "sys_enter_openat", Type: agent.Syscall},
		{Name: "syscall_exit_openat", System: "syscalls", Event: "sys_exit_openat", Type: agent.Syscall},
	}
	all = slices.DeleteFunc(all, func(e agent.KernelEvent) bool { return kind != "" && e.Type != kind })
	for i := range all {
		if fields {
			all[i].Fields = []agent.KernelField{{Name: "_n", Type: "integer { size = 32; align = 8; signed = 1; }"}}
		}
	}
	return all, s.Fail["kernel-events"]
}

// KernelContexts lists two.
func (s *Service) KernelContexts() []string { return []string{"pid", "procname"} }

// StatEvents lists three, one of which has a field and one is not shown.
func (s *Service) StatEvents(_ context.Context, pattern string, fields bool) []agent.StatEvent {
	all := []agent.StatEvent{
		{Name: "proc/loadavg", Section: "loadavg", Class: "legacy", Source: "/proc/loadavg"},
		{Name: "system/filesystems/fs", Section: "filesystems", Class: "default", Source: "statfs", Slow: true},
		{Name: "system/cgroups/cgroup", Section: "cgroups", Class: "by name", Source: "/sys/fs/cgroup", Hidden: true},
	}
	if fields {
		all[0].Fields = []agent.StatField{{Name: "load1", Type: "floating point"}}
	}
	begin, _, _ := strings.Cut(pattern, "*")
	return slices.DeleteFunc(all, func(e agent.StatEvent) bool {
		return !strings.HasPrefix(e.Name, begin) && !strings.HasPrefix(e.Section, begin)
	})
}

// UserEvents lists two of one application, one of which has a field.
func (s *Service) UserEvents(_ context.Context, _ daemon.Caller, pattern string, fields bool) ([]agent.UserEvent, error) {
	all := []agent.UserEvent{
		{PID: 7, UID: 1000, Process: "app", Name: "app:begin", LogLevel: "TRACE_INFO"},
		{PID: 7, UID: 1000, Process: "app", Name: "app:end"},
	}
	if fields {
		all[0].Fields = []agent.UserField{{Name: "n", Type: "integer"}}
	}
	begin, _, _ := strings.Cut(pattern, "*")
	return slices.DeleteFunc(all, func(e agent.UserEvent) bool { return !strings.HasPrefix(e.Name, begin) }), nil
}

// Loggers lists two of one program.
func (s *Service) Loggers(context.Context, daemon.Caller, string) ([]agent.Logger, error) {
	return []agent.Logger{
		{PID: 7, UID: 1000, Process: "/usr/bin/python3", Name: "app"},
		{PID: 7, UID: 1000, Process: "/usr/bin/python3", Name: "app.db"},
	}, nil
}

// Capabilities tells that all is well.
func (s *Service) Capabilities() map[string]string { return map[string]string{"kernel": "yes"} }
