// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import "testing"

// A feed's own marks are those that have the index of another record.
func TestOwnMarks(t *testing.T) {
	for _, k := range markKinds {
		if got, want := (&Marker{Kind: k.kind, Reason: GapAgentDown}).Own(), k.kind == MarkAbort; got != want {
			t.Errorf("%v: Own is %v, want %v", k.kind, got, want)
		}
	}
	for reason, want := range map[string]bool{GapReset: true, GapSkipped: true, GapPurged: false, GapOverflow: false} {
		if got := (&Marker{Kind: MarkGap, Reason: reason}).Own(); got != want {
			t.Errorf("gap %s: Own is %v, want %v", reason, got, want)
		}
	}
	var none *Marker
	if none.Own() {
		t.Error("no mark at all is taken for a feed's own")
	}
}
