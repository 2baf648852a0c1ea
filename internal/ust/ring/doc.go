// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ring is the shared memory of application tracing: how channel and stream
// objects of LTTng-UST 2.13 and 2.14 lie in it, how they begin, and how a ring is read.
//
//	channel object   what all rings of a channel have; programs get it by value
//	stream object    one ring, a memory file that programs and the reader map
//
// A ring is a number of sub-buffers of one size, powers of two both. Positions count
// bytes from the beginning of all time; what lies in the memory is them modulo the
// ring. A program reserves by moving the write position, and commits by adding to a
// counter of the sub-buffer; a sub-buffer whose counter is complete can be read. Its
// first bytes are a CTF packet's header and context.
//
// # Trust
//
// Programs can write everywhere in the memory at any time. The reader keeps to the
// geometry that it was given, never to one that it finds; it copies before it looks,
// and takes positions and counters for what they are: claims. What cannot be is
// ErrCorrupt, or a sub-buffer that is skipped and counted. Memory files are sealed, so
// that nobody makes them smaller.
package ring
