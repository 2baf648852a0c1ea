// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ctf reads and writes files of the Common Trace Format.
//
// So far it holds the packet index files that LTTng writes beside the data
// files of a trace, index/CHANNEL.idx. They are no part of the format proper: a
// reader that has one needs no pass over the data to find packets by time.
//
// # Format
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
