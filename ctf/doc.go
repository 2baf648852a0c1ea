// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ctf reads and writes traces of the Common Trace Format: CTF 1.8, and
// CTF 2 as far as its data goes beyond.
//
// The metadata of a trace becomes a [schema.Trace] (package ctf/schema), by way
// of package ctf/tsdl or ctf/ctf2. From it, a plan for each event class is made
// once, by which events are decoded without allocation.
//
// # Decoded form
//
// A decoded field is one or more 64-bit words in a [Frame]:
//
//	class                words  meaning
//	Integer, Bits        1      the value; sign-extended where signed
//	Float                1      IEEE 754 bits, 32 or 64 of them
//	String, Text, Blob   1      offset << 32 | length, in bytes of Frame.Data
//	Struct               n      its members, one behind the other
//	Array                1      index of the first element's first word << 32 | elements;
//	                            each element has Width(element) words
//	Variant              1      index of the option's first word << 32 | option
//	Optional             1      index of the field's first word << 32 | 1 (there) or 0
//
// What arrays, variants and optional fields hold lies behind the fixed row of
// the frame. The same form is what a writer takes.
//
// # Traces that grow
//
// A trace that is being recorded is opened with [Options].Growing. Its cursors
// tell no end: io.EOF means that this is all for now. [Set.Refresh] looks for
// more; streams, and cursors in the middle of them, stay what they are.
//
// # Index files
//
// LTTng writes a packet index beside each data file of a trace, index/CHANNEL.idx.
// Those are no part of the format proper: a reader that has one needs no pass
// over the data to find packets by time.
//
// A header of 16 bytes, then records of equal length; all integers are
// big-endian, whatever the byte order of the trace.
//
//	off  size  header
//	0    4     magic 0xC1F1DCC1
//	4    4     major 1
//	8    4     minor 0 or 1
//	12   4     record length: 56 (1.0) or 72 (1.1)
//
//	off  size  record
//	0    8     byte offset of the packet in its data file
//	8    8     packet size, bits
//	16   8     content size, bits
//	24   8     timestamp of the packet's begin, clock units
//	32   8     timestamp of the packet's end
//	40   8     events discarded up to then
//	48   8     stream class id
//	56   8     stream instance id, 1.1 only
//	64   8     packet number, 1.1 only
//
// # Limits
//
// Records longer than 72 bytes are read without what follows, records longer
// than [MaxIndexRecordLen] are refused.
package ctf
