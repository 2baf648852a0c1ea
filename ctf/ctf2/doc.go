// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package ctf2 reads and writes the metadata of the Common Trace Format,
// version 2 (CTF2-SPEC-2.0): a sequence of JSON fragments, to and from the model
// in package ctf/schema.
//
// # Format
//
// Each fragment is a record separator (0x1E), a JSON object and a line end. Its
// property "type" says what it is:
//
//	preamble            first, once: version 2, uuid, extensions in use
//	field-class-alias   a name for a field class
//	trace-class         environment, class of the packet headers
//	clock-class         frequency, origin, offset
//	data-stream-class   classes of packet context, event header, common context
//	event-record-class  classes of specific context and payload
//
// What refers to something follows it, and what was said once never changes, so
// that a producer appends fragments while it traces. A [Parser] reads them in
// such batches, and [AppendStream] and [AppendEvent] write them.
//
// Aliases are no part of the model: each use has the class in full. Field
// locations become absolute references ([schema.Ref]), role names become roles
// ([schema.Role]). Attributes are kept as they are, those of LTTng for log level
// and EMF URI understood as well.
//
// The writer takes a schema of CTF 1.8 too. It writes names as people read them,
// told apart where two members of one struct would be the same; roles for
// reserved names; strings for arrays of characters; and a blob for the uuid.
// An encoding of single characters, and mappings of integers to clocks outside
// packet context and event header, have no place in CTF 2 and are left out.
//
// # Limits
//
// Fields are at most 64 bits long, floating point numbers 32 or 64. A field has
// one role; the only pair that is understood is that of both packet sizes. No
// extension is known: a stream that declares one is refused, as the
// specification demands, and so is a property that it does not name. Text, depth,
// numbers of fragments and of field classes are bounded by the constants here.
//
// Range bounds beyond what the integer can hold are cut, null in place of an
// empty object is taken, and an unknown log level ignored, each with a warning:
// tracers write these.
//
// Metadata that comes in packets has to be taken out of them before.
package ctf2
