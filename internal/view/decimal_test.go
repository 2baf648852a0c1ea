// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"testing"
)

func TestAppendUint(t *testing.T) {
	values := []uint64{0, 5, 10, 99, 100, 1000, 12345678, 99999999, 100000000, 4294967295, math.MaxUint64}
	for p := uint64(1); p <= 1e19/10; p *= 10 {
		values = append(values, p-1, p, p+1, 7*p, 9*p+9)
	}
	for v := uint64(0); v < 2*eight; v += 9973 {
		values = append(values, v)
	}
	for _, v := range values {
		want := fmt.Sprint("x", v)
		for _, room := range []int{1, 40} {
			if got := string(appendUint(append(make([]byte, 0, room), 'x'), v)); got != want {
				t.Fatalf("appendUint(x, %d) with room for %d = %q, want %q", v, room, got, want)
			}
		}
		ns := uint32(v % nsPerSecond)
		if got, want := string(appendNanos(nil, ns)), fmt.Sprintf("%09d", ns); got != want {
			t.Fatalf("appendNanos(%d) = %q, want %q", ns, got, want)
		}
	}
}
