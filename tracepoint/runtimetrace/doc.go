// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package runtimetrace has what the Go runtime traces recorded with the tracepoints of
// a program, as events go:sched_…: what each goroutine does when, and why it waits, on
// one time line with the program's own events and with the kernel's.
//
//	go runtimetrace.New(log).Run(ctx)
//
// While somebody records one of the events, runtime/trace is on. While nobody does, the
// program looks five times a second whether that is still so. The package is apart from
// package tracepoint for what it links, a parser of the runtime's trace.
//
// # Events
//
// Each has a field time: when it happened, by the clock of the session, to 64 ns. The
// event's own time is when it was written, which is one to two seconds later: the
// runtime hands out what it traces once a second. Events are written in the order in
// which it happened.
//
//   - go:sched_goroutine_state: a goroutine's state, from and to; the reason; the
//     function of the program that it is in, or is to begin with; the Go processor and
//     the thread that made it so, which are of another goroutine where that has woken it
//     up. Goroutines that there were before are told first, from UNKNOWN.
//   - go:sched_proc_state: a Go processor begins to run goroutines, or no longer does.
//   - go:sched_range_begin, go:sched_range_end: the collector's phases, its help by
//     goroutines, sweeping, and when and why the world was stopped: a name, of whom it
//     is (scope and id, -1 where it is of all), and whether it had begun earlier than
//     the trace.
//   - go:sched_gap: what happened around this time is not told, and why.
//
// # Limits
//
// A session that stops, and Run when its context ends, has what happened until then
// recorded first, though it has not been handed out by then. The session waits for that
// up to a second; what takes longer is missing at its end. For other sessions there is a
// gap, which is told.
//
// The runtime has one trace of this kind. When the program has it itself, as by
// runtime/trace.Start or the profiles of net/http/pprof, it keeps it: the gap is told,
// and the conversion begins once it is free. While the events are recorded, the
// program's own Start fails. A flight recorder is not in the way. A program that calls
// Stop without Start ends the conversion; it begins anew.
//
// At most 32 MiB of the trace wait for conversion. If more would have to, or the trace
// cannot be read, as one of a Go version that the parser does not know, the gap is
// told, and tracing begins anew. Tasks, regions, logs and metrics of the runtime's
// trace are not converted: programs with tracepoints have spans, events and
// [tracepoint.Runtime].
package runtimetrace
