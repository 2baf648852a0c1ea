// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ftrace reads what the kernel's tracing files hold: the texts that
// declare events and the pages of the rings that events are recorded in. It
// takes bytes and does no input or output; who finds and reads the files is for
// others.
//
// # Format: event declarations
//
// The file events/SYSTEM/EVENT/format is a text:
//
//	name: EVENT
//	ID: 372
//	format:
//		field:DECLARATION;	offset:0;	size:2;	signed:0;
//		…
//
//	print fmt: "FORMAT", ARGUMENT, …
//
// The first block of fields is common to all events, an empty line ends it. A
// declaration is a type and a name: "TYPE NAME", "TYPE NAME[8]" for arrays,
// "__data_loc TYPE[] NAME" and "__rel_loc TYPE[] NAME" for data of any length
// that lie elsewhere in the record, "TYPE NAME[]" for data up to the record's end.
//
// # Format: pages
//
// All integers are in the byte order of the kernel. On 64-bit kernels:
//
//	offset size
//	    0   8   time stamp that the times of the page's records count from
//	    8   8   bits 0-26: length of the data; bit 31: events were lost before
//	            the page; bit 30: their number is stored. Sign-extended from bit 31
//	   16   …   records
//	 16+length  8   number of lost events, when bit 30 is set
//
// 32-bit kernels have a word of 4 bytes at offset 8, the data at 12, and a number
// of 4 bytes behind them. A record begins with a word: type_len in its 5 lowest
// bits (the 5 highest of a big-endian kernel) and a time in the other 27.
//
//	type_len
//	   1-28   payload of type_len × 4 bytes
//	      0   a word follows: length of the payload and of that word
//	     29   nothing. Time 0: the rest of the page is empty; else a word follows,
//	          the length of what is to be skipped, that word included
//	     30   a word follows, the upper bits of the time since the last record
//	     31   a word follows, the upper bits of a time that is absolute: 59 bits
//	          in all, the 5 highest remain those of the last record
//
// The time of a record that was taken back (29) counts, as the next one's is the
// time since it; only a time of 1 does not, which the kernel writes for a padding
// that has none.
//
// A payload begins with 8 bytes: u16 the event's id, u8 flags, u8 preemption
// count, i32 thread. The offsets of fields count from its first byte. It may end
// with bytes that no field covers.
//
// # Limits
//
// A declaration that a kernel cannot have written is refused with a
// [*FormatError], a page that it cannot have written with a [*PageError]; nothing
// is read outside of what was given.
package ftrace
