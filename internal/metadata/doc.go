// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package metadata is what the hub makes of the metadata that producers send:
// where declarations end in bytes that come cut anywhere, what a packet without
// events looks like, and the text of CTF 1.8 for what was declared in CTF 2.
//
// It keeps no files and knows neither producers nor viewers. What the text
// says is for package ctf and those below it.
//
// # Forms
//
// Metadata come as packets with headers (LTTng below 2.14), as plain text
// (since), or as the fragments of CTF 2, plain or in packets. See [Splitter].
package metadata
