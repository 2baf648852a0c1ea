// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import "testing"

func TestLineTime(t *testing.T) {
	got, err := lineTime("[1800000000.000000042] (+?.?????????) bench p:e: { }, { }")
	if want := int64(1_800_000_000_000_000_042); err != nil || got != want {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	for _, line := range []string{"", "[12:00:00.5]", "[5]", "[1.x]"} {
		if _, err := lineTime(line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}
