// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package viewbench measures how fast traces are read, shown, filtered,
// converted and written, and how late a live session is seen: it is the engine
// of "weir bench view".
//
// # What is measured
//
// A trace as LTTng writes it is made first, or one that is there is taken. Each
// figure is the median of some runs of the program's own executable, in turn
// with babeltrace2 where that is installed and does the same. Output goes to the
// null device. Time is the CPU time of the process, which a busy machine
// stretches less than the time that passes; only what is about elapsed time (two
// processors, the first line, live latency) is measured with a clock. Memory is
// the peak resident set.
//
// Both texts are compared once, by their hashes: a figure for another output
// would mean nothing.
//
// # Concurrency
//
// A [Bench] is used by one goroutine at a time. All goroutines and processes it
// starts have ended when its methods return.
package viewbench
