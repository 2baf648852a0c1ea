// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tracebench measures what recording the kernel costs and whether
// anything is lost: it is the engine of "weir bench trace".
//
// # What is measured
//
// A session daemon of the executable under test records loads of the bench's
// own, in turn with trace-cmd: the same events, clock and ring sizes, in one
// run, so that a disturbance of the machine hits both. CPU time is what all
// threads of the consumer process ran (schedstat) from the load's beginning to
// the end of "stop", when all is written; of trace-cmd it is that of its
// recorders, which write the ring's pages as they are: what its main process
// takes to join their files stands in the note. Figures are medians.
//
// Beside costs there are promises to keep: the same events as trace-cmd's, no
// packet lost or doubled when a session moves between files and a relay, or when
// its relay is away.
//
// # The load
//
// A [Load] runs in a process of its own, the hidden "weir bench load", on locked
// threads that are bound to processors in turn. It says when it is ready, waits
// for the word, and says when it is done, so that both ends are known.
//
// # Concurrency
//
// A [Bench] is used by one goroutine at a time. All goroutines, processes and
// tracing instances that it makes are gone when its methods return. Only those
// are touched.
package tracebench
