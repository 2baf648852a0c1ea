// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package alarm judges hosts by expressions over their numbers.
//
//	expr, err := alarm.Compile("load1 > 2*ncpu && up", place)
//	rule := alarm.Rule{ID: "busy", When: expr, For: time.Minute}
//	event, changed := rule.Step(&status, now, values)
//
// # Expressions
//
//	|| && !   < <= > >= == !=   + - * /   ( )   numbers   names
//
// Numbers may have a unit: k M G (1000), Ki Mi Gi (1024), s m h (seconds) and %,
// which changes nothing, as shares are in percent. A number that is missing is
// missing in what is computed of it, a comparison with it is false, and it is not
// true: so !(x > 1) is true where x is missing. Dividing by 0 gives a missing
// number. And binds closer than or, as in C.
//
// # States
//
//	ok → pending (when is true) → firing (for has elapsed) → ok (clear is true)
//
// A pending alarm is ok again as soon as its condition is false. Between two
// changes into and out of firing lie at least [Guard], so that what flaps does not
// flood who listens.
//
// # Limits
//
// Expressions have at most 1024 bytes and are nested at most 64 deep. Evaluation
// allocates nothing.
package alarm
