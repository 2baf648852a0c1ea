// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package statsource is what the host's kernel counts as a source of trace
// sessions: the sections of host statistics, sampled on a period, are events of
// the domain "stat", on the clock of the kernel's own events.
//
//	enable-event --stat stat        rule (a selector of package xmlsysd, a period)
//	        │
//	sampler ── reads what the rules that are due want ──▶ tapes of elements
//	        │
//	walker ─── takes tapes apart by the plan ──▶ records, each an event
//	        │
//	shapes ─── which fields a record has ──▶ event classes
//	        │
//	ctf.StreamWriter ──▶ packets ──▶ socket of the consumer
//
// # Events
//
// An event is an element of the document that stands for a file or for one of many
// objects: a section (proc/stat), a part with a time of its own
// (proc/pressure/cpu), an element of a list (proc/stat/cpu, one for each CPU). It
// has the path of the element as its name; its attributes, and the leaves below it
// that are in no other event, are its fields, with the unit behind the name. A
// list within an element of a list is a sequence.
//
// A leaf that a host, or an object, does not have, or whose text is empty, is no
// field (babeltrace2 2.0 shows an empty text as that of an event before): there is a class of
// events for each set of fields that comes up, and classes of one name. Those of
// the first sample are declared before recording begins; another one has to be
// published before its first event is written, which waits for that.
//
// # Time
//
// The time of an event is when its file was read, or a moment after that where that
// would be before the event that is written already. What was not read anew gives
// no event: sections that others have read a moment ago, and such as are read
// every few seconds by themselves.
//
// # Lock order
//
//	the session's lock (outside) → channel.mu → trace.mu
//
// No lock is held while the host is read, or while a publication is waited for.
package statsource
