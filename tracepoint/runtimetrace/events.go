// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"golang.org/x/exp/trace"

	"github.com/weir-io/weir/tracepoint"
)

// events are those that the runtime's trace becomes. The first field of each is when it
// happened, in nanoseconds of CLOCK_MONOTONIC, which is the clock of the session.
type events struct {
	goroutine *tracepoint.Event8[uint64, trace.GoID, trace.GoState, trace.GoState, string, string, trace.ProcID, trace.ThreadID]
	proc      *tracepoint.Event6[uint64, trace.ProcID, trace.ProcState, trace.ProcState, string, trace.ThreadID]
	begin     *tracepoint.Event7[uint64, string, trace.ResourceKind, int64, bool, trace.GoID, trace.ProcID]
	end       *tracepoint.Event6[uint64, string, trace.ResourceKind, int64, trace.GoID, trace.ProcID]
	gap       *tracepoint.Event2[uint64, string]
}

func declare(p *tracepoint.Provider) *events {
	when := tracepoint.Uint64("time")
	name, id := tracepoint.String("name"), tracepoint.Int64("id")
	reason := tracepoint.String("reason")
	goroutine := tracepoint.Num[trace.GoID]("goroutine")
	proc := tracepoint.Num[trace.ProcID]("proc")
	thread := tracepoint.Num[trace.ThreadID]("thread")
	scope := tracepoint.Enum("scope", "scope", map[trace.ResourceKind]string{
		trace.ResourceNone: "GLOBAL", trace.ResourceGoroutine: "GOROUTINE", trace.ResourceProc: "PROC", trace.ResourceThread: "THREAD",
	})
	return &events{
		tracepoint.New8(p, "sched_goroutine_state", tracepoint.Debug, when, goroutine, goState("from"), goState("to"), reason,
			tracepoint.String("function"), proc, thread),
		tracepoint.New6(p, "sched_proc_state", tracepoint.Debug, when, proc, procState("from"), procState("to"), reason, thread),
		tracepoint.New7(p, "sched_range_begin", tracepoint.Debug, when, name, scope, id, tracepoint.Bool("earlier"), goroutine, proc),
		tracepoint.New6(p, "sched_range_end", tracepoint.Debug, when, name, scope, id, goroutine, proc),
		tracepoint.New2(p, "sched_gap", tracepoint.Warning, when, reason),
	}
}

func goState(name string) tracepoint.Field[trace.GoState] {
	return tracepoint.Enum(name, "goroutine_state", map[trace.GoState]string{
		trace.GoUndetermined: "UNKNOWN", trace.GoNotExist: "NONE", trace.GoRunnable: "RUNNABLE",
		trace.GoRunning: "RUNNING", trace.GoWaiting: "WAITING", trace.GoSyscall: "SYSCALL",
	})
}

func procState(name string) tracepoint.Field[trace.ProcState] {
	return tracepoint.Enum(name, "proc_state", map[trace.ProcState]string{
		trace.ProcUndetermined: "UNKNOWN", trace.ProcNotExist: "NONE", trace.ProcRunning: "RUNNING", trace.ProcIdle: "IDLE",
	})
}

// wanted reports whether somebody records any of them. Who records gaps alone wants
// nothing that could have one.
func (e *events) wanted() bool {
	return e.goroutine.Enabled() || e.proc.Enabled() || e.begin.Enabled() || e.end.Enabled()
}

func (e *events) goroutineState(s goroutineState) {
	e.goroutine.Write(s.time, s.goroutine, s.from, s.to, s.reason, s.function, s.proc, s.thread)
}

func (e *events) procState(s procStateChange) {
	e.proc.Write(s.time, s.proc, s.from, s.to, s.reason, s.thread)
}

func (e *events) rangeBegin(s span, earlier bool) {
	e.begin.Write(s.time, s.name, s.scope, s.id, earlier, s.goroutine, s.proc)
}

func (e *events) rangeEnd(s span) {
	e.end.Write(s.time, s.name, s.scope, s.id, s.goroutine, s.proc)
}
