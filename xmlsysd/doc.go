// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package xmlsysd is the protocol by which a host tells what its kernel counts:
// documents of sections and leaves in XML, a command language that selects them,
// and a client.
//
// # Model
//
//	Model ── Node (an element kind: proc/stat/cpu/user)
//	Tape ─── what one section has read: opened and closed elements, leaves
//	Selection ─ which nodes, and which of their elements, a client wants
//
// The [Model] is fixed but for elements whose children the kernel names (each line
// of /proc/vmstat is one): these nodes are added when they are first seen, up to
// a limit. A reader of a section fills a [Tape] without allocating; XML, metrics
// and traces are written from tapes.
//
// # Concurrency
//
// A Model may be used from any goroutine. Tapes and selections have one user at a
// time.
package xmlsysd
