// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func payloadOf(s *source) (b []byte) {
	for i := range s.records {
		b = appendRecord(b, &s.records[i])
	}
	return b
}

func TestPayloadCutAtEveryByte(t *testing.T) {
	s := newSource(1, 3, every(time.Second))
	b := payloadOf(s)
	var ends []int
	for i := range s.records {
		ends = append(ends, len(payloadOf(&source{records: s.records[:i+1]})))
	}
	for cut := range b {
		if _, err := parsePayload(b[:cut]); (err == nil) != (cut == 0 || slices.Contains(ends, cut)) {
			t.Errorf("cut at %d: got %v", cut, err)
		}
	}
	records, err := parsePayload(b)
	if err != nil || len(records) != 3 || records[2].Index != 3 {
		t.Errorf("whole: got %d records, %v", len(records), err)
	}
}

func FuzzParseChunk(f *testing.F) {
	f.Add("1", "3", "00112233445566778899aabbccddeeff", payloadOf(newSource(1, 3, every(time.Second))))
	f.Add("0", "x", "", []byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, first, last, host string, b []byte) {
		h := nats.Header{}
		h.Set(headFirst, first)
		h.Set(headLast, last)
		h.Set(headHostID, host)
		c, err := parseChunk("s", 1, h, b)
		if err != nil {
			return
		}
		for i := range c.records {
			if r := &c.records[i]; r.Index < c.first || r.Index > c.last {
				t.Errorf("record %d of chunk %d to %d", r.Index, c.first, c.last)
			}
		}
	})
}
