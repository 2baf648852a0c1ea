// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package schema holds what the metadata of a trace declares: its clocks, its
// stream and event classes, and the classes of their fields.
//
// It is one model for both versions of the Common Trace Format. Package
// ctf/tsdl reads it from and writes it to the text of CTF 1.8, package ctf/ctf2
// the JSON fragments of CTF 2, package ctf decodes and encodes packets by it.
//
// # Model
//
//	Trace ── Clock…
//	  │ └── PacketHeader
//	  └─ Stream… ── PacketContext, EventHeader, EventContext
//	       └─ Event… ── Context, Payload
//
// The six scopes of a packet and its events are structs, nil where the trace
// declares none. What CTF 1.8 says with reserved names (a member "stream_id" of
// the packet header) and CTF 2 with roles is a [Role] here. References to other
// fields (the length of a sequence, the tag of a variant) are absolute: see
// [Ref].
//
// Names come twice where CTF 1.8 spells them with a leading underscore: Name is
// what people read, Spelled what the metadata says.
//
// # Concurrency
//
// A schema is plain data. Readers may share one that nobody changes; metadata
// that arrives while a trace is recorded (more classes, never other ones) is
// added by the one who owns the schema, between reads.
package schema
