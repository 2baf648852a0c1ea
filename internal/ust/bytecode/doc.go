// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package bytecode makes the programs that decide inside of applications which events
// are recorded: those of LTTng-UST's filters, of expressions of package filter.
//
// A program is instructions of a stack machine, an operation of one byte with what it
// needs behind it, and then a table of the names that instructions refer to:
//
//	a > 3 && $ctx.procname == "x*"
//
//	 0  load field a           table 0
//	 3  load 3
//	12  >
//	13  skip to 23 if false    &&
//	16  get context procname   table 4
//	19  load "x*"
//	23  ==
//	24  return
//
// Applications check it against each event that a rule chooses. One that lacks a field,
// or has it of another type, has no event recorded, as with LTTng's session daemon.
package bytecode
