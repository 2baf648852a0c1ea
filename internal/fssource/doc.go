// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package fssource is what changes in file systems as a source of trace sessions: the
// records of feeds are events of the domain "fs", on the clock of the kernel's own
// events.
//
//	enable-event --fs CREAT,UNLNK       rule (names of records, a directory)
//	        │
//	reader ─── one transient feed for each directory ──▶ records
//	        │
//	layout ─── one event class for each type of record
//	        │
//	ctf.StreamWriter ──▶ packets ──▶ socket of the consumer
//
// # Events
//
// An event is a record: fs:CREAT, fs:RENME and so on, with the names that package
// changelog gives them. What has no value for being unknown has one that nothing else
// can have: paths begin with a slash and are "?" then, names are ".", ids are -1. Paths
// of more than 4096 bytes are cut. Objects are shown as package changelog writes them.
//
// # Time
//
// The time of an event is when the kernel's event was read, put on the trace's clock
// when the record is; it is no earlier than that of the event before in the stream.
//
// # Loss
//
// A feed waits for a consumer that takes no packets. What it had to skip meanwhile,
// and what the file system's watcher has missed, are gaps: an event fs:MARK tells of
// each, and the events that are missing are counted as discarded, one at least.
//
// # Lock order
//
//	the session's lock (outside) → channel.mu
//
// No lock is held while a feed is waited for.
package fssource
