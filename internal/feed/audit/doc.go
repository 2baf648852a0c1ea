// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package audit writes the records of a feed to files that tell when somebody has
// changed them: JSON lines, each with a hash over itself and the hash before it.
//
// # Format
//
// docs/format/audit.md has the lines and the files.
//
// # Exactly once
//
// A batch is synced before it is cancelled. The index of the last whole line is where
// the log is: what is delivered again is skipped, and what a crash has left of a line
// is cut off.
//
// # Concurrency
//
// One goroutine uses a Log; a lock on the directory keeps a second process out.
//
//	Log     a directory, and the feed that is written to it
//	line    one line, and its hash
//	file    one file: its header, its lines, a torn end
//	Verify  finds the first line that does not fit
package audit
