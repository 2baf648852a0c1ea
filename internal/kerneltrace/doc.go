// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package kerneltrace makes traces in the Common Trace Format 1.8 of what the
// kernel's tracing records.
//
// A [Table] has the types of events of a channel: it declares each in the
// trace's metadata and compiles a plan of copies that makes an event of a record.
// A [Converter] does so for the pages of one ring and hands packets to a sink.
// Both work on bytes alone: package [github.com/weir-io/weir/internal/kernel/ftrace]
// knows what the bytes mean, others read and write the files.
//
// The daemon has a table for the metadata; it hands it, as bytes, to the
// process that converts, which declares what comes later in the same order.
//
// # Format
//
// Packets and events are as LTTng writes them, in the byte order of the machine:
//
//	packet  u32 0xc1fc1fc1, u8[16] uuid, u32 stream class, u64 CPU;
//	        u64 begin, u64 end, u64 content bits, u64 packet bits, u64 number,
//	        u64 events lost so far, u32 CPU; events
//	event   u16 id, u32 time; or, where 2^32 ns or more have passed since the
//	        last event or the packet's begin, u16 65535, u32 id, u64 time;
//	        i32 thread, u8 flags, u8 preemption count; contexts; payload
//
// # Time
//
// No event is earlier than the one before it or than the end of the packet
// before: what the kernel recorded out of order is written with the later time,
// and counted.
//
// # Contexts
//
// Some contexts are in the record. The others come from [Tasks], a table of what is
// known of threads, and since when: from the state dump, and from events of threads
// that begin, end, start programs, or make a system call after which they are
// somebody else. A [Feeder] takes these from rings of their own, all of a time before
// what is asked about that time: so each event has the contexts that were so when it
// happened, whichever processor's ring is read first.
//
// # Limits
//
// Records are those of this machine's kernel, of 64 bits. What no event tells is not
// noticed: a priority that another thread gives by other calls than setpriority, or
// lends; the owner of a program's file, or a user name space's map, when the thread
// has ended before the host could be asked; name spaces that were entered, which are
// told as not known. Not known is -1, for owners the id -1, for nice values the
// lowest number, for name spaces 0.
package kerneltrace
