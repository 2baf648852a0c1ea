// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"testing"

	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

func maxPending(n int) relaytest.Change {
	return func(_ *relay.Options, o *tracestore.Options) { o.MaxPendingPerSession = n }
}

// The packets that lack their data or their index are bounded for a session,
// over all its streams. One above that ends the session's streams and is counted; what is
// within the bound, and other sessions, go on.
func TestPendingOfASessionIsBounded(t *testing.T) {
	const limit, streams = 6, 3
	for name, tt := range map[string]struct {
		fill   func(rec *relaytest.Recording, i int, seq uint64)
		closed func(rec *relaytest.Recording)
	}{
		"data without index": {
			func(rec *relaytest.Recording, i int, seq uint64) { rec.SendPacket(i, seq, 200) },
			func(rec *relaytest.Recording) { rec.WaitDataClosed() },
		},
		"index without data": {
			func(rec *relaytest.Recording, i int, seq uint64) {
				x := relaytest.Index(rec.Streams[i], i, seq, seq, 200)
				rec.Request(lttng.CmdSendIndex, func(b []byte) []byte { return x.Append(b, rec.Minor) })
			},
			func(rec *relaytest.Recording) { rec.WaitControlClosed() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.OneWorker, relaytest.Quiet, maxPending(limit))
			c := r.Store.Counters()
			var all []*relaytest.Recording
			for i := range 2 {
				plan := relaytest.Plan{Streams: streams}
				plan.Session.SessiondUUID[0] = byte(i + 1)
				rec := r.Record(t, plan)
				for k := range limit {
					tt.fill(rec, k%streams, uint64(k/streams))
				}
				all = append(all, rec)
			}
			wait.Until(t, "both sessions have all that they may", func() bool { return c.Pending.Load() == 2*limit })
			if got := c.PendingRefused.Load(); got != 0 {
				t.Fatalf("%d refused within the bound, want none", got)
			}
			tt.fill(all[0], 0, limit/streams)
			tt.closed(all[0])
			wait.Until(t, "what waited in the session is given up, with its streams", func() bool {
				return c.Pending.Load() == limit && r.Store.StreamCount() == streams+1 // those of the other session
			})
			if got := c.PendingRefused.Load(); got != 1 {
				t.Errorf("%d refused, want 1", got)
			}
		})
	}
}

// A half whose other one waits is always taken, and makes room.
func TestPendingBoundTakesTheOtherHalf(t *testing.T) {
	const limit = 4
	r := relaytest.Start(t, relaytest.OneWorker, maxPending(limit))
	rec := r.Record(t, relaytest.Plan{Streams: 2})
	for round := range uint64(3) {
		for k := range uint64(limit) {
			rec.SendPacket(int(k%2), round*limit/2+k/2, 200)
		}
		r.WaitPackets((round + 1) * limit)
		for k := range uint64(limit) {
			i, seq := int(k%2), round*limit/2+k/2
			relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(rec.Streams[i], i, seq, seq, 200)))
		}
	}
	if got := r.Store.Counters().Pending.Load(); got != 0 {
		t.Errorf("%d wait, want none", got)
	}
}
