// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package reread is the door to small files that are read again and again: those
// of /proc and /sys, and directories of them.
//
// # How it reads
//
// A [File] stays open and is read from its beginning into a buffer that is kept,
// so that a reading costs a system call and no memory. The calls are the kernel's
// own: the runtime's files ask for more than twice as many. A device that is
// unplugged takes its files along, also those that are open: the file is then
// opened anew, once.
//
// # Buffers
//
// A buffer begins as small as the caller says, and is doubled when a file fills
// it: below /proc/sys the kernel allocates and clears as much as it is offered,
// and 64 KiB there cost seven times what 256 bytes do. Files whose lines the
// kernel makes one after the other come in pieces of a page; for them the caller
// says so, and they are read until nothing comes.
//
// # What it does not open
//
// Nothing but regular files and directories: a pipe in a tree that was made for
// tests, or by a foe, neither blocks nor is read.
//
// # Concurrency
//
// A File or Dir has one user at a time. What Read returns is valid until the next
// call.
package reread
