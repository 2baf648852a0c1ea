// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"strings"
	"testing"
)

func TestChooseClock(t *testing.T) {
	for _, tt := range []struct{ asked, have, want string }{
		{"", "local global mono boot", "mono"},
		{"", "local global boot", "boot"},
		{"", "local global", "local"},
		{"", "global", ""},
		{"boot", "local mono boot", "boot"},
		{"mono", "local boot", ""}, // asked for: another one would not do
		{"local", "local mono", ""},
	} {
		got, err := chooseClock(tt.asked, strings.Fields(tt.have))
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("clock %q of %s: got %q, %v; want %q", tt.asked, tt.have, got, err, tt.want)
		}
	}
	if w := (&trace{clock: localClock}).Warnings(); len(w) != 1 || !strings.Contains(w[0], "not comparable across CPUs") {
		t.Errorf("warnings %q of a processor's clock", w)
	}
}
