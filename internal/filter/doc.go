// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package filter reads LTTng's filter expressions and decides with them which
// events match.
//
// [Parse] makes a tree of a text, [Compile] a [Program] of the tree for rows
// whose layout a [Resolver] tells, and [Program.Match] decides about a row.
// One expression is compiled once for each type of event; what then depends on
// constants alone, such as the event's name, is decided there. Whoever
// translates expressions into something else walks the tree, [Expr.Root].
//
// # Language
//
//	expression = operand { binary operand } .
//	operand    = { unary } ( integer | float | string | field | "(" expression ")" ) .
//	field      = path | "$ctx" "." path | "$app" "." path | "$event" "." "name" .
//	path       = name { index } { ( "." | "->" ) name { index } } .
//	index      = "[" integer "]" .
//	name       = ( letter | "_" | ":" ) { letter | digit | "_" | ":" } .
//
// Comments are those of C. The operators, those that bind most tightly first;
// those of one line group from the left:
//
//	!  ~  -  +         before an operand
//	*  /  %            not in LTTng
//	+  -               not in LTTng
//	<<  >>
//	&
//	^
//	|
//	<  <=  >  >=
//	==  !=
//	&&
//	||
//
// Unlike in C, flags & 4 == 4 means (flags & 4) == 4.
//
// Integers are decimal, octal or hexadecimal, with the suffixes of C; floats
// are those of C. Strings stand in double quotes; a * in one stands for any
// bytes, and \* for a star. LTTng has the escapes \* and \\ only, weir all of
// C. Strings can be compared by == and != alone, but by [ParseOrdered], and not
// two with a star. A string in single quotes is a string; if it is of one byte,
// it is also that integer where the other side is a number.
//
// A bare name is looked up by the resolver, as a rule in the payload, then in
// the event's own context, the context that all events of a stream share, and
// that of the packet. The name of the event is $event.name; a bare name is
// always a field, for many events have one that is called so.
//
// # Values
//
// Numbers are of three kinds: int64, uint64, float64. A literal is signed if
// it fits and has no U. Comparisons are by value, so that -1 is less than any
// unsigned number; an integer beside a float is rounded to float64.
// Arithmetic wraps at 64 bits; where the kinds differ, float wins over
// unsigned over signed, as in C, but -x is signed. A shift to the right brings
// in zeros, also into negative numbers. The result of a comparison or of
// && || ! is 1 or 0; a number other than 0 is true.
//
// An enumeration is a number, and beside a string its labels: == is true if
// one label of the value fits, != if none does.
//
// # Missing fields
//
// A value can be missing: a field that the event does not have, an element
// behind the end of an array, a division by zero, a shift by less than 0 or
// more than 63 bits, a field of a kind that does not fit. What is computed from
// it, also by a comparison, is unknown, as NULL is in SQL. An event matches if
// the whole is true; neither false nor unknown is enough:
//
//	x         !x        x && true   x && false   x || true   x || false
//	true      false     true        false        true        true
//	false     true      false       false        true        false
//	unknown   unknown   unknown     false        true        unknown
//
// So x != 5 and !(x == 5) mean the same also for events without x, which match
// neither of them, and one expression can serve events of many types:
//
//	pid == 7 || prev_pid == 7 || next_pid == 7
//
// # Dialects
//
// All of this is [View]. In [LTTng] an expression is taken as LTTng 2.13 takes
// it where it traces:
//
//	                        View                     LTTng
//	missing field           unknown, as above        no event matches
//	value missing in a row  unknown, as above        the event does not match, once evaluated
//	unsigned integers       by value                 taken as signed
//	enumerations            numbers and labels       numbers
//	+ - * / %, $event.name  yes                      refused
//	'a' beside a number     its code                 refused
//	escapes in strings      those of C               \* and \\
//
// # Limits
//
// [MaxLength], [MaxDepth] and [MaxNodes] bound an expression, so that its text
// may come from anywhere. A row's words and data may hold anything: what they
// refer to outside of themselves is missing.
//
// Of what LTTng reads, weir refuses universal character names, wide strings
// (L"…"), line ends in strings, integers of more than 64 bits (which LTTng
// cuts) and == between two patterns that end in their only star. A float that
// stands as a condition is true unless it is 0, where LTTng cuts it to an
// integer beside && and ||, and refuses it alone.
package filter
