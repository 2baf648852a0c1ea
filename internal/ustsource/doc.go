// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ustsource is applications as a source of sessions: programs linked with
// LTTng-UST 2.13 or 2.14 are traced as they are, in domain "ust".
//
//	program ── registers ──▶ listener ──▶ program (a worker, a notify goroutine)
//	                                        │ commands: session, channels, rules
//	session ──▶ trace ── wants ─────────────┘ notices: events, enumerations, contexts
//	              │
//	            channel ──▶ buffers of a user ──▶ rings in shared memory ──▶ consumer
//
// # What a program is told
//
// A trace says what it wants: which channels with which rules, and whether they record.
// Each program's worker compares that with what it has told the program, and sends what
// is missing. So a program that comes later gets the same as one that was there, and
// one that is slow holds up nobody but those who wait for it.
//
// # Events
//
// A program declares an event before it records the first one, and waits for a number.
// Programs of a user share rings, and numbers of events that are declared alike. The
// answer waits until the consumer has the metadata: for that the session is asked to
// follow, or does it itself where it waits for programs.
//
// # Trust
//
// A program that breaks the protocol, lies about who it is, or gives no answer in time
// is dropped and told by name. What it may write to is the rings of its own user.
//
// # Lock order
//
//	the session's lock (outside) → Source.mu → trace.mu → program.mu
//
// No lock is held while a program is waited for, but that of the session.
package ustsource
