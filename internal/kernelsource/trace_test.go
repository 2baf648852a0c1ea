// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import "testing"

// TestReadBytes leaves a ring enough parts to be filled and read at the same time.
func TestReadBytes(t *testing.T) {
	for _, tt := range []struct {
		name string
		ring uint64
		page int
		want int
	}{
		{"default", defaultSubbufBytes * defaultSubbufCount, 4 << 10, 32 << 10},
		{"just enough", 1 << 20, 4 << 10, 32 << 10},
		{"half of that", 1<<20 - 1, 4 << 10, 16 << 10},
		{"two pages of memory", 256 << 10, 4 << 10, 8 << 10},
		{"small", 256<<10 - 1, 4 << 10, 0},
		{"none", 0, 4 << 10, 0},
		{"large pages of memory", 4 << 20, 64 << 10, 0},
		{"any size", 1 << 63, 4 << 10, 32 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := readBytes(tt.ring, tt.page); got != tt.want {
				t.Errorf("readBytes(%d, %d) = %d, want %d", tt.ring, tt.page, got, tt.want)
			}
		})
	}
}
