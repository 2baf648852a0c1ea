// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tracepoint lets Go programs take part in traces of LTTng and of weir: it
// speaks the programs' side of the LTTng-UST protocol, without cgo.
//
//	var (
//		app  = tracepoint.NewProvider("app")
//		tick = tracepoint.New2(app, "tick", tracepoint.Info, tracepoint.Int64("n"), tracepoint.String("text"))
//	)
//
//	tick.Write(1, "tock")
//
// A session daemon that listens sees the program as any other that has tracepoints:
// lttng list -u lists them, and lttng enable-event -u app:tick records them. Events go
// to memory that is shared with the daemon; recording one is no system call.
//
// # Declarations
//
// Providers, events and fields have names of letters, digits and underscores that begin
// with no digit; those of providers and events may have hyphens. With its provider an event's
// name has 255 bytes at most, and it is declared once in a program. Spans, a Handler and
// Runtime are events of fixed names, so a provider has each of them once. Functions that
// declare panic where that is not so, as where a log level is none, or an enumeration
// differs from another of its name: declare in variables of a package, and the
// first start of the program shows it.
//
// # Daemons
//
// The program registers with the system's daemon and with its user's, wherever they
// listen: /var/run/lttng/lttng-ust-sock-8, and .lttng/lttng-ust-sock-8 in the directory
// that LTTNG_HOME, or HOME, names. Daemons that start later, and those that start again,
// find it. With WEIR_TRACE=off in its environment, the program looks for none. One that
// runs with more rights than its user, by its file's owner, group or capabilities, keeps
// to the system's daemon; so does one that cannot read its /proc/self/auxv, which says so.
//
// # Concurrency
//
// All of the package is safe for concurrent use. A goroutine that writes an event never
// waits for another, nor for a daemon: events for which there is no room are counted in
// the trace as discarded.
//
// # Limits
//
// Little-endian machines of 64 bits with Linux. ABI 9 of the protocol is spoken, which
// daemons of LTTng 2.13 and 2.14 and weir take. Sequences are of integers, as session
// daemons take no others. Filters, log levels, wildcards, exclusions and contexts are
// kept to, but for contexts of other languages' agents, which are refused, and with them
// the channel; triggers and their counters are taken and do nothing. The processor
// that an event tells is that of the Go scheduler; a counter of a thread (perf:thread:…) is
// that of the thread on which the goroutine is, which context vtid tells, and is asked of
// the kernel for each event. Texts end at a zero byte. A daemon that makes the shared
// memory shorter ends the program: it can do so by other means too. What the runtime's own
// tracer tells is recorded by package runtimetrace.
package tracepoint
