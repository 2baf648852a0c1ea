// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

// FID names an object of a file system for as long as it exists, and no other
// object after it. The zero FID is unknown. It is 16 bytes in every binary format:
// Seq, OID, Ver, little-endian.
type FID struct {
	Seq uint64
	OID uint32
	Ver uint32
}

// IsZero reports whether the object is unknown.
func (f FID) IsZero() bool { return f == FID{} }
