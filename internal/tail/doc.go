// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tail keeps a trace tree readable when the relay that writes it is
// killed.
//
// A CTF reader refuses a whole trace when a data file ends inside a packet, and
// may never end when the packetised metadata file does; and SIGKILL can cut a
// write at any byte. So the relay keeps, for each file that it writes, the
// length up to which the file is made of whole packets in a [Table]: a file
// mapped into memory, whose pages outlive the process. Who notices that the
// relay died cuts each file back to that length with [Recover]: the guard
// process ([Table.StartGuard], [GuardMain]) at once, or else the next start
// ([RecoverAll]).
//
// A power failure is another matter: the table's pages may then be older than
// the trace's. A table of an earlier boot is therefore never acted upon. What a
// power failure leaves behind is looked for by a [Scanner].
//
// # Format
//
// All integers are in the host's byte order: only the host that wrote a table
// reads it. The file has a header, the slots (one per file being written) and
// the directories (one per chunk directory), each of a fixed size:
//
//	header, 4096 bytes
//	  0  u64  magic: the bytes "weirtail" read as a big-endian integer
//	  8  u32  version, 1
//	 12  u32  header length, 4096
//	 16  u32  slot length, 640
//	 20  u32  number of slots S
//	 24  u32  directory length, 8256
//	 28  u32  number of directories D
//	 32  16   boot id of the kernel
//	 48  u32  process id of the writer, for people
//	 52  u32  CRC-32C of the bytes 0 to 51
//	 56  u32  state: 0 being made, 1 open, 2 closed in order
//	 60  u32  slots ever used: those behind were never written
//	 64  u32  directories ever used
//	slot i, at 4096 + 640 i
//	  0  u32  state: 0 nothing to repair, 1 follows a file
//	  4  u32  CRC-32C of the bytes 16 to 39 and the path; 0 when idle
//	  8  u64  committed length of the file in bytes
//	 16  u64  device of the file
//	 24  u64  inode of the file
//	 32  u32  directory number
//	 36  u32  length of the path, 1 to 576
//	 64       path of the file relative to the directory
//	directory j, at 4096 + 640 S + 8256 j
//	  0  u32  state, bits: 1 in use; 2 the second path is the current one, not
//	          the first; 4 the other path is valid too
//	 64       first path: u32 length, 1 to 4088; u32 CRC-32C; the path
//	 4160     second path, the same
//
// Each state is stored after all that it vouches for and taken back before that
// changes, so that a record cut by SIGKILL is one without the state: it is
// passed over. Nothing is lost by that: a stream follows a file before it writes
// the first byte, and leaves the previous file whole.
//
// The writer holds flock(LOCK_EX) on the file for its whole life. A table that
// can be locked has lost its writer.
//
// # Concurrency
//
// A Table, its directories and the taking and giving back of slots may be used
// from any goroutine. A Slot has one user at a time.
//
// # Limits
//
// A stream for which there is no slot, no directory record, no space in the
// file system of the table, or whose path does not fit, goes on unprotected, and
// is counted in [Stats]. Space is reserved before a record is handed out: a
// store to a mapped page without space would kill the process. The table
// belongs on tmpfs (the run directory); copy-on-write file systems may break
// that reservation when full.
package tail
