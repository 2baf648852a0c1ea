// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// Context is a value that is recorded with each event beside its own.
type Context uint8

// Contexts. The first ones are exact: the record has them. Those from
// ContextPID on come from the [Tasks] of the converter, as far as they are known.
// There are those that LTTng has, but for counters of the processor (perf:…).
const (
	ContextTID            Context = iota // always there; asking for it adds nothing
	ContextCPU                           // cpu_id
	ContextInterruptible                 // interrupts were on
	ContextPreemptible                   // preemption was on
	ContextNeedReschedule                // another thread was to run
	ContextMigratable                    // the thread could go to another CPU
	ContextHostname
	ContextCallstackKernel // the record of the stack that follows the event's
	ContextCallstackUser
	ContextPID
	ContextPPID
	ContextProcname
	ContextVPID
	ContextVTID
	ContextVPPID
	ContextPrio
	ContextNice
	ContextUID // the real one; then effective, saved
	ContextEUID
	ContextSUID
	ContextGID
	ContextEGID
	ContextSGID
	ContextVUID // as the thread's own name space has them
	ContextVEUID
	ContextVSUID
	ContextVGID
	ContextVEGID
	ContextVSGID
	ContextCgroupNS // the numbers of name spaces
	ContextIPCNS
	ContextMntNS
	ContextNetNS
	ContextPIDNS
	ContextTimeNS
	ContextUserNS
	ContextUTSNS

	numContexts
)

// contextNames are LTTng's names, by context.
var contextNames = [numContexts]string{
	"tid", "cpu_id", "interruptible", "preemptible", "need_reschedule", "migratable", "hostname",
	"callstack-kernel", "callstack-user", "pid", "ppid", "procname", "vpid", "vtid", "vppid",
	"prio", "nice", "uid", "euid", "suid", "gid", "egid", "sgid", "vuid", "veuid", "vsuid", "vgid", "vegid", "vsgid",
	"cgroup_ns", "ipc_ns", "mnt_ns", "net_ns", "pid_ns", "time_ns", "user_ns", "uts_ns",
}

// String returns the name of the context as LTTng spells it.
func (c Context) String() string {
	if c < numContexts {
		return contextNames[c]
	}
	return fmt.Sprintf("context %d", uint8(c))
}

// ParseContext reads the name of a context.
func ParseContext(name string) (Context, error) {
	for i, n := range contextNames {
		if n == name {
			return Context(i), nil
		}
	}
	return 0, &ContextError{name}
}

// ContextError is for a context that kernel events cannot have.
type ContextError struct{ Name string }

// Error implements the error interface.
func (e *ContextError) Error() string {
	return fmt.Sprintf("context %q is not available for events of the kernel", e.Name)
}

// FromTasks reports whether the context comes from the table of tasks, which
// knows what the state dump and events of the scheduler told it.
func (c Context) FromTasks() bool { return c >= ContextPID && c < numContexts }

// about is what of a thread the context tells, beside what events of processes do.
func (c Context) about() about {
	switch {
	case c == ContextPrio || c == ContextNice:
		return aboutPrio
	case c >= ContextUID && c <= ContextVSGID:
		return aboutOwner
	case c >= ContextCgroupNS && c <= ContextUTSNS:
		return aboutSpaces
	}
	return 0
}

// procnameBytes is the room of a thread's name.
const procnameBytes = 16

// size is the most bytes that the context takes, without what a sequence holds.
func (c Context) size(hostname string) int {
	switch c {
	case ContextTID:
		return 0
	case ContextInterruptible, ContextNeedReschedule, ContextMigratable:
		return 1
	case ContextHostname:
		return len(hostname) + 1
	case ContextCallstackKernel, ContextCallstackUser:
		return 2
	case ContextProcname:
		return procnameBytes
	default:
		return 4
	}
}

// contextMembers appends the declaration of the context.
func (t *Table) contextMembers(members []schema.Member, c Context) []schema.Member {
	name := c.String()
	switch c {
	case ContextTID:
		return members
	case ContextInterruptible:
		return append(members, field(name, t.integer(1, true, 10)))
	case ContextNeedReschedule, ContextMigratable:
		return append(members, field(name, t.integer(1, false, 10)))
	case ContextHostname:
		return append(members, field(name, &schema.String{Encoding: schema.UTF8}))
	case ContextCallstackKernel, ContextCallstackUser:
		word := t.integer(t.long(), false, 16)
		return t.sequence(members, schema.EventContext, []string{"callstack_kernel", "callstack_user"}[c-ContextCallstackKernel], word)
	case ContextProcname:
		return append(members, field(name, t.text(procnameBytes)))
	default:
		return append(members, field(name, t.integer(4, c.about()&(aboutOwner|aboutSpaces) == 0, 10)))
	}
}
