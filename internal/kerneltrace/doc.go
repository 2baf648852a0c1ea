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
// # Limits
//
// Records are those of this machine's kernel, of 64 bits. Values of the table of
// tasks are what the state dump and the recorded events told, and may be old.
package kerneltrace
