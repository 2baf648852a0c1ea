// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
)

// TestStreamDocument tells all that a consumer counts of a stream.
func TestStreamDocument(t *testing.T) {
	c := &channel{id: 3, name: "c"}
	told := handover.StreamStatus{
		Channel: 3, CPU: 1, Packets: 2, Bytes: 4, Events: 5, Discarded: 6, Lost: 7, Unknown: 8, Bad: 9, Clamped: 10, RingBytes: 11, Usage: 12,
	}
	want := agent.ChannelStream{CPU: 1, Packets: 2, Bytes: 4, Events: 5, Discarded: 6, Lost: 7, Unknown: 8, Bad: 9, Clamped: 10, RingBytes: 11, UsageBytes: 12}
	got := c.document([]handover.StreamStatus{{Channel: 2}, told}).Streams
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
