// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package view turns decoded events into what people and programs read: text,
// JSON lines, CSV, a timeline for trace viewers, counts.
//
// # Text
//
// The text is that of babeltrace2 2.0's component sink.text.pretty, to the byte,
// so that scripts written for it go on working; [Text] prints it. What the
// format has no words for, as babeltrace2 2.0 reads CTF 1.8 only, is printed so:
//
//	boolean       true, false
//	bit array     0x and upper-case hexadecimal digits
//	bit map       ( "A", "B" : container = 0x3 ), as enumerations
//	optional      { x }, or <none> where it is absent
//	blob          0x and two upper-case hexadecimal digits a byte
//	UTF-16, -32   as UTF-8
//
// One thing is not as in babeltrace2 2.0.4: where a text is empty, that prints
// what the same field held in an earlier event. Here it is "".
//
// # Plans
//
// How the fields of an event are laid out is known from its class. The first
// event of a class makes a plan of it: a list of steps, each a constant text and
// the value that follows. Printing an event runs through the list, with neither
// look-up by name nor allocation.
//
// # Concurrency
//
// Nothing here is safe for concurrent use, but that a [Run] uses several
// goroutines itself. Counts and summaries read each stream by itself. Text, JSON
// lines and CSV are made in slices of the time line, each with a printer of its
// own, that take turns at the output; or, where streams do not allow that, text
// and JSON in lanes: some read streams and make what [Text.AppendRest] does, one
// merges them and puts the heads before the lines. What an event is on a
// timeline depends on all before it: that is made by one.
package view
