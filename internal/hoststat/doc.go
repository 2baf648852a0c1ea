// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package hoststat samples what the host's kernel counts, for any number of
// readers at once: the xmlsysd server, metrics and the host's own trace.
//
//	e, err := hoststat.New(hoststat.Options{})
//	s := e.NewSession()                       // one a connection
//	samples := s.Sample(ctx, wants, &query)   // the sections that are wanted
//	for _, p := range samples.Parts() { … p.Tape … }
//	samples.Release()
//	s.Close(); e.Close()
//
// # Sections
//
// A section is a file of /proc, or what a few system calls tell, as a tape of
// elements of [xmlsysd.Model]. [Engine.Sections] lists them in the order of a
// message. Sections are independent: each has its reader, its lock, its last
// sample and its account of what it cost.
//
//	fast   read when it is asked for, by whoever asks first. Who asks within
//	       Options.MinInterval gets the same sample, however many ask.
//	slow   may wait for hardware, networks or other programs. Who asks gets the
//	       last sample, with its time, if it is younger than Options.SlowPeriod
//	       and a half; else it is read for him, as long as that takes but
//	       milliseconds. A goroutine reads it every Options.SlowPeriod for who
//	       asks all the time, and for all where it takes longer or a file system
//	       needs a server.
//	own    depends on what the session asked before: tasks, raw files, errors.
//
// Some elements of a section cost much more than the rest: these are read when a
// reader wants them only ([detail]).
//
// # Time limits
//
// Sections that the kernel answers at once, from its own memory, are read by the
// session's goroutine. All others are read by its worker goroutine, those that
// follow each other with one handing over: that costs as much as two sections. A
// section that is not read within Options.SectionTimeout
// is left out and marked busy: the worker that hangs in it is left to its fate,
// another reads the rest, and nobody starts the section again until it returns.
// So a hung section costs one goroutine, in all, and each message at most one
// timeout, the first. A section that hangs has an entry in system/errors.
//
// # Ownership
//
// A sample is filled by one goroutine, then published and not changed until nobody
// holds it any more: the section holds its last one, [Samples] hold those of their
// message until Release. A section has as many samples as are held at once and one
// to fill. Tapes are valid from Sample to Release. Samples belong to their session,
// which has one message at a time.
//
// # Lock order
//
//	section.mu and job.mu: neither is taken while the other is held
//	section being read (a flag, not a lock) → vmstat.mu
//	section being read: agent and sections' list → other sections' mu, one at a time
//
// section.mu guards flags, the last sample and the account; nothing is read while
// it is held. What belongs to a reader is guarded by the flag that the section is
// being read.
package hoststat
