// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"testing"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

func TestSieve(t *testing.T) {
	yes, no := func([]byte) bool { return true }, func([]byte) bool { return false }
	for _, tt := range []struct {
		name      string
		rule, all func([]byte) bool
		kept      bool
	}{
		{"nobody asks", nil, nil, true},
		{"rule keeps", yes, nil, true},
		{"rule drops", no, nil, false},
		{"all are kept", nil, yes, true},
		{"all are dropped", nil, no, false},
		{"both keep", yes, yes, true},
		{"rule alone drops", no, yes, false},
		{"rule alone keeps", yes, no, false},
	} {
		seen := 0
		for _, told := range []func([]byte){nil, func([]byte) { seen++ }} {
			s := sieve{filters: map[uint32]func([]byte) bool{3: tt.rule}, all: tt.all, seen: told}
			keep := s.of(3)
			if keep == nil {
				if told != nil || !tt.kept {
					t.Errorf("%s: no decision", tt.name)
				}
				continue
			}
			if got := keep(nil); got != tt.kept {
				t.Errorf("%s: kept %v, want %v", tt.name, got, tt.kept)
			}
		}
		if want := map[bool]int{true: 1}[tt.kept]; seen != want {
			t.Errorf("%s: told %d times, want %d", tt.name, seen, want)
		}
	}
}

// TestMatchesAreBounded tells of a million events ten times a second at most, and
// forgets none.
func TestMatchesAreBounded(t *testing.T) {
	notices, events := 0, uint64(0)
	m := matches{notice: func(_ handover.Op, body any) {
		notices++
		events += body.(handover.Matched).Events
	}}
	now := time.Unix(1000, 0)
	for range 1000 { // of a millisecond each
		m.events += 1000
		m.tell(1, now)
		now = now.Add(time.Millisecond)
	}
	if notices != 10 {
		t.Errorf("%d notices in a second, want 10", notices)
	}
	m.tell(1, now.Add(noticePeriod))
	if events != 1e6 || m.events != 0 {
		t.Errorf("told of %d events, %d are left; want 1000000, 0", events, m.events)
	}
	before := notices
	m.tell(1, now.Add(time.Hour))
	if notices != before {
		t.Error("a notice of nothing")
	}
}
