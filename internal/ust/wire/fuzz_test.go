// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "testing"

// FuzzBodies parses anything as the body of each command and reply.
func FuzzBodies(f *testing.F) {
	f.Add((&Event{"app:*", LevelSingle, 6, 7}).Append(nil))
	f.Add((&Filter{10, 5, 1}).Append(nil))
	f.Add((&Tracepoint{"a:b", 3}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEvent(b); err == nil {
			if got, err := ParseEvent(e.Append(nil)); err != nil || got != e {
				t.Errorf("event %+v, then %+v, %v", e, got, err)
			}
		}
		if p, err := ParseTracepoint(b); err == nil {
			if got, err := ParseTracepoint(p.Append(nil)); err != nil || got != p {
				t.Errorf("tracepoint %+v, then %+v, %v", p, got, err)
			}
		}
		if x, err := ParseFilter(b); err == nil && (x.Len > MaxFilterLen || x.Relocations > x.Len) {
			t.Errorf("filter %+v is taken", x)
		}
		if c, err := ParseChannel(b); err == nil && c.Len > MaxChannelLen {
			t.Errorf("channel %+v is taken", c)
		}
		if x, err := ParseExclusion(b); err == nil && x.Count > MaxExclusions {
			t.Errorf("exclusion %+v is taken", x)
		}
	})
}
