// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

// Loss is what a tracer says that it did not record between two times.
type Loss struct {
	Packets bool   // packets, else events
	Count   uint64 // how many, when Counted
	Counted bool   // false: some may be lost, nobody knows how many

	// From and To bound when it happened, in ns from the clock's origin, when
	// HasRange.
	From, To int64
	HasRange bool
}
