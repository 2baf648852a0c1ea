// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package benchproc runs the programs that benchmarks measure: it starts them in
// a directory of their own, waits until they work, ends them, and says how they
// ended and what they said last. A [Relay] is such a program with free ports.
//
// A program is the leader of a process group: a terminal's Ctrl-C reaches the
// benchmark only, which ends its programs in order, and what a program leaves
// running in its group is killed. It learns of the end of a benchmark that is
// itself killed.
//
// # Concurrency
//
// The methods of a [Process] may be called from several goroutines at once. A
// goroutine waits for each process; it has ended when [Process.End] or
// [Process.Status] returns.
package benchproc
