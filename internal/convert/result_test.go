// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestDocumentedResult(t *testing.T) {
	b, err := os.ReadFile("../../docs/format/convert-json.md")
	check(t, err)
	_, rest, _ := strings.Cut(string(b), "```json\n")
	want, _, _ := strings.Cut(rest, "```")
	sums := Totals{EventsRead: 1000, EventsWritten: 7, PacketsRead: 12, PacketsWritten: 11, Bytes: 45056, EventsDiscarded: 17}
	got, err := json.MarshalIndent(Result{
		Output: "/t/failures", Totals: sums,
		Traces: []TraceResult{{
			Path: "ust/uid/0/64-bit", Inputs: []string{"/t/session/ust/uid/0/64-bit"}, Host: "web1", Format: "ctf1",
			UUID: "cf49bfbf-2a78-4079-aefd-0123456789ab",
			Streams: []StreamResult{{
				File: "chan_0", Totals: sums,
				Error: "stream /t/session/ust/uid/0/64-bit/chan_0: packet 12 at byte 49152, bit 0, field magic: got 0x0, want 0xc1fc1fc1",
			}},
		}},
	}, "", "  ")
	check(t, err)
	if string(got)+"\n" != want {
		t.Errorf("a result is\n%s\ndocumented is\n%s", got, want)
	}
}
