// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package procstat reads from /proc what processes have run, what memory they
// take and whose children they are: what benchmarks measure other programs by.
//
// # Two clocks
//
// The scheduler counts what each thread has run in nanoseconds (schedstat), and
// forgets it with the thread; the process's own account (stat) knows ended
// threads too, in ticks of 10 ms. A [Clock] reads both and takes the finer one
// unless that lacks something.
//
// # Processes that end
//
// A process may end while it is read. The error is then one that [Gone] tells
// from others.
package procstat
