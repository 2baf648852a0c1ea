// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"slices"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// TestKeptPackets keeps the newest packets, up to a number of bytes but one at
// least, and gives the newest of these.
func TestKeptPackets(t *testing.T) {
	numbers := func(p packets) (all []uint64) {
		for i := range p {
			all = append(all, p[i].info.Sequence)
		}
		return all
	}
	k := keptPackets{most: 100}
	for n, bytes := range []int{40, 40, 40, 20, 0, 101, 60} {
		k.add(make([]byte, bytes), ctf.PacketInfo{Sequence: uint64(n)})
		want := [][]uint64{{0}, {0, 1}, {1, 2}, {1, 2, 3}, {1, 2, 3, 4}, {5}, {6}}[n]
		if got := numbers(k.packets); !slices.Equal(got, want) {
			t.Errorf("after packet %d: packets %d are kept, want %d", n, got, want)
		}
	}
	k.add(make([]byte, 40), ctf.PacketInfo{Sequence: 7})
	for most, want := range map[int64][]uint64{0: {6, 7}, 100: {6, 7}, 99: {7}, 40: {7}, 39: nil} {
		if got := numbers(k.newest(most)); !slices.Equal(got, want) {
			t.Errorf("the newest %d bytes are packets %d, want %d", most, got, want)
		}
	}
}
