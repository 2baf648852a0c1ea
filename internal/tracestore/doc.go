// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tracestore is the shared model of stored traces: sessions, their
// traces, streams and packets, the chunks they lie in, and the files on disk.
// The producers' server writes through it, the viewers' server reads.
//
// # Model
//
//	Store ── Session (one producer connection; kernel and user space of one
//	 │         │      tracing session are two)
//	 │         └─ Trace (one CTF trace: a directory, its metadata, its streams)
//	 │              └─ Stream (one ring buffer, or the metadata)
//	 │                   └─ TraceFile (data file and its index file)
//	 └─ group (one tracing session of one session daemon: a directory)
//	      └─ chunk (what lies between two rotations)
//
// A composite points to its container, so holding a stream holds its trace and
// session. Memory is the collector's; files, descriptors and directories have
// owners: a stream owns its current file, a chunk counts its users and is
// moved or deleted when the last one lets go, a viewer's [Cursor] keeps what
// it reads open and must be closed.
//
// # Concurrency
//
// A session and its streams are written by one goroutine at a time, the event
// loop of the worker that serves its connections; methods that say "writer"
// belong to it. Everything else may be called from anywhere. Lock order:
// group.mu, backlog.mu, Store.mu, Session.mu, Stream.mu. No lock is held over a read or
// write of trace data; group.mu is held over renames, which must not overlap.
//
// # Lost producers
//
// A producer that has said so may come back: [Store.CreateResumable] finds the
// directory by a mark that it has left in each open chunk, and [Session.Resume]
// goes on in the files that lie there, behind the last packet that has its index
// record. All that is needed is on the disk, so it does not matter whether the
// connection or the relay was lost.
//
// # Promises
//
// A packet is visible to viewers only after it and its index lie in their
// files. An index is acknowledged only then too, unless its packet has not
// arrived: producers wait for the answer and may send the packet later. The end of the last complete packet is
// kept in a table that outlives the process (package tail), so that a partial
// packet can be cut off after a crash.
package tracestore
