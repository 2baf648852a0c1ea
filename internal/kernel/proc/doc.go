// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package proc is the door to what /proc tells of the host at a moment: threads
// with their name spaces, open files, block devices and interrupts, and the
// network's interfaces. A trace begins with it, so that events which refer to any
// of these can be understood.
//
// # What a reading is worth
//
// The host goes on while it is read. Threads and files that end meanwhile are left
// out, without an error; of one that is there all values were read one after the
// other. What this process may not see, as another user's files, is left out and
// counted.
//
// # Hostile names
//
// Names of threads, files and devices are any bytes but the zero: ") S 1" is the
// name of a thread as good as any, and so is a line break. They are passed on as
// they are; the parsers look for what the kernel writes around them.
//
// # Limits
//
// [Options] bounds the numbers of threads and of files; what comes behind is
// counted. A process of which something was left out for want of room has its
// first threads, and its leader in any case.
//
// # Concurrency
//
// An FS may be used from several goroutines at once.
package proc
