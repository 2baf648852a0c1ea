// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package xmlsysd is the protocol by which a host tells what its kernel counts:
// documents of sections and leaves in XML, a command language that selects them,
// and a client. It is the protocol of the xmlsysd of 2002 with additions that are
// not sent unless asked for.
//
// # Model
//
//	Model ───── Node (an element kind: proc/stat/cpu/user)
//	Tape ────── what one section has read: opened and closed elements, leaves
//	Selection ─ which nodes, and which of their elements, a client wants
//	Encoder ─── tapes under a selection as messages
//	Command ─── a line from a client
//
//	Reader ──── messages from a stream
//	Scanner ─── tags of a document
//	Slots, Reading ─ the leaves that a client wants, of message after message
//	Document ── one message as a tree, asked by path
//	Client ──── a session with a daemon
//
// The [Model] is fixed but for elements whose children the kernel names (each line
// of /proc/vmstat is one): these nodes are added when they are first seen, up to
// a limit. A reader of a section fills a [Tape] without allocating; XML, metrics
// and traces are written from tapes.
//
// # Limits
//
// What comes from the other side is bounded before memory is taken for it: lines,
// selectors and rules here, headers, bodies, depth, texts, attributes and rows
// there. Expressions are RE2, and of bounded size.
//
// # Concurrency
//
// A Model may be used from any goroutine. Tapes, selections, encoders, readers and
// readings have one user at a time, a [Client] one that sends and one that receives.
package xmlsysd
