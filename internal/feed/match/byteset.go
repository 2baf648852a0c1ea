// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

type byteSet [4]uint64

func (b *byteSet) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		b[c/64] |= 1 << (c % 64)
	}
}

func (b *byteSet) remove(c byte) { b[c/64] &^= 1 << (c % 64) }

func (b *byteSet) has(c byte) bool { return b[c/64]&(1<<(c%64)) != 0 }

// single returns the only byte of a set, -1 if there are others.
func (b *byteSet) single() int {
	only := -1
	for c := range 256 {
		if b.has(byte(c)) {
			if only >= 0 {
				return -1
			}
			only = c
		}
	}
	return only
}
