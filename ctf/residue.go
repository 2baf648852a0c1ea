// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import "github.com/weir-io/weir/ctf/schema"

// residue is what is known of a position: pos mod m == r, m a power of two.
type residue struct{ m, r uint64 }

// packetStart is the position where a packet begins.
var packetStart = residue{1 << 40, 0}

// byteBoundary is any position on a byte boundary.
var byteBoundary = residue{8, 0}

func (a residue) add(bits uint64) residue { return residue{a.m, (a.r + bits) & (a.m - 1)} }

// aligned reports whether a position is surely on a multiple of n bits.
func (a residue) aligned(n uint64) bool { return a.m >= n && a.r&(n-1) == 0 }

// or is what is known of a position that is one of two.
func (a residue) or(b residue) residue {
	m := min(a.m, b.m)
	for m > 1 && a.r&(m-1) != b.r&(m-1) {
		m /= 2
	}
	return residue{m, a.r & (m - 1)}
}

// after is what is known of the position behind a field, as compiling it finds.
func after(class schema.Class, at residue) residue {
	align := func(n uint64) {
		if !at.aligned(n) && at.m >= n {
			at.r = (at.r + n - 1) &^ (n - 1) & (at.m - 1)
		} else if !at.aligned(n) {
			at = residue{n, 0}
		}
	}
	switch f := class.(type) {
	case *schema.Struct:
		align(f.Alignment())
		for i := range f.Members {
			at = after(f.Members[i].Class, at)
		}
		return at
	case *schema.Array:
		align(f.Alignment())
		each := byteBoundary
		if !at.aligned(8) || !after(f.Element, each).aligned(8) {
			return residue{1, 0}
		}
		return each
	case *schema.Variant:
		end := at
		for i := range f.Options {
			end = end.or(after(f.Options[i].Class, at))
		}
		return end
	case *schema.Optional:
		return at.or(after(f.Class, at))
	case *schema.Integer:
		if f.Variable {
			return byteBoundary
		}
		align(f.Alignment())
		return at.add(uint64(f.Size))
	case *schema.Bits:
		align(f.Alignment())
		return at.add(uint64(f.Size))
	case *schema.Float:
		align(f.Alignment())
		return at.add(uint64(f.Size))
	default:
		return byteBoundary
	}
}
