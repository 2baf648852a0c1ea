// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package tsdl reads and writes the metadata of the Common Trace Format 1.8: a
// text in the Trace Stream Description Language that declares what is in the
// binary data of a trace. Package [github.com/weir-io/weir/ctf/schema] holds
// what it says.
//
// [Parse] reads a whole text. A [Parser] reads a text that grows while the
// trace is recorded, one batch of whole declarations after the other. [Append],
// [AppendTrace], [AppendStream] and [AppendEvent] write, also what comes from
// CTF 2, as far as CTF 1.8 can say it.
//
// The package takes and gives text alone. The packets that tracers put metadata
// into, and the data, are for others.
//
// # Format
//
//	metadata = decl*
//	decl     = ("trace" | "env" | "clock" | "stream" | "event" | "callsite") block ";"
//	         | typedef ";" | typealias ";" | type ";"
//	block    = "{" ((path "=" value | path ":=" type | typedef | typealias) ";")* "}"
//	path     = word (("." | "->") word)*
//	value    = ["+" | "-"] integer | string | path
//	typealias= "typealias" type declarator ":=" names "*"*
//	typedef  = "typedef" type declarator ("," declarator)*  |  type "typedef" …
//	type     = names
//	         | ("integer" | "floating_point" | "string") "{" (path "=" value ";")* "}"
//	         | "struct" [name] "{" (type declarator ("," declarator)* ";")* "}" ["align" "(" n ")"]
//	         | "variant" [name] ["<" path ">"] "{" … "}"
//	         | "enum" [name] [":" type] "{" label ["=" n ["..." n]] ("," …)* [","] "}"
//	         | ("struct" | "variant" | "enum") name
//	declarator = "*"* name ("[" (n | path) "]")*
//
// Blocks of a batch may stand in any order. They are read as environment,
// clocks, types of the root, trace, streams, events; a type has to be declared
// before it is used, within its scope.
//
// What the schema says of roles and clocks comes from reserved names, in CTF
// 1.8: a field "timestamp" of the event header without a mapping has the trace's
// only clock, or, where there is none, one of 1 GHz named "default". Arrays of
// characters are text. A monotonic clock of LTTng counts from the epoch.
//
// The reader is as strict as babeltrace2 2.0.4, with these exceptions: labels
// that name no value have to fit an enumeration's integer, alignments are powers
// of two, and a variant has options; aliases of variants with a tag are fine, so are tags of
// more than one name, two fields that differ by a leading underscore only, and
// a stream id without stream_id in the packet header. What that program accepts
// with a warning gives a [Warning].
//
// The writer's text is read by babeltrace2 2.0.4, and reading it gives the same
// schema. It declares no types of its own: each declaration stands for itself.
//
// # CTF 2
//
// A schema of CTF 2 is written by these rules:
//
//	members of contexts, payloads  "_" and the name, with "_" for what no identifier may have
//	fields with a role             the reserved name
//	identifier of the trace, blob  array of 16 bytes
//	clocks                         their identifier; a custom origin that is a UUID is the clock's
//	tag of a variant               enumeration that has the options' names for labels
//	bit arrays, booleans           unsigned integers
//
// Integers of variable length, other blobs, UTF-16 and UTF-32, optional fields,
// bit maps and bit orders against the byte order give an [UnsupportedError].
//
// # Limits
//
// [DefaultMaxBytes], [MaxDepth], [MaxDeclarations], [MaxFields], [MaxWarnings];
// 4096 clocks, streams, and entries of the environment.
package tsdl
