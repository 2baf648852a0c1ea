// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"sync"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

const (
	samplePeriod = 2 * time.Second
	// maxSampled bounds the streams that are sampled, and with them the memory
	// (about 100 bytes each) and the time of a sample.
	maxSampled = 1 << 16
)

// count is what a stream had received at a sample.
type count struct{ packets, bytes uint64 }

func countOf(st *tracestore.Stream) count {
	s := st.Stats()
	return count{s.Packets.Load(), s.Bytes.Load()}
}

// sampler knows the speed of streams and sessions between its two newest
// samples.
type sampler struct {
	// Immutable after newSampler.
	store store
	now   func() time.Time

	mu       sync.Mutex
	at       time.Time                        // guarded by mu; of the newest sample
	counts   map[lttng.StreamID]count         // guarded by mu; likewise
	streams  map[lttng.StreamID]client.Rate   // guarded by mu
	sessions map[lttng.SessionID]*client.Rate // guarded by mu
}

func newSampler(s store, now func() time.Time) *sampler { return &sampler{store: s, now: now} }

// run samples until ctx ends.
func (s *sampler) run(ctx context.Context) {
	ticker := time.NewTicker(samplePeriod)
	defer ticker.Stop()
	for {
		s.sample()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// sample takes the counts of all open streams and compares them with those
// before.
func (s *sampler) sample() {
	now := s.now()
	s.mu.Lock()
	before, elapsed := s.counts, now.Sub(s.at).Seconds()
	s.mu.Unlock()
	counts := make(map[lttng.StreamID]count, len(before))
	streams := make(map[lttng.StreamID]client.Rate, len(before))
	sessions := make(map[lttng.SessionID]*client.Rate)
	for _, ss := range s.store.Sessions() {
		total := &client.Rate{Seconds: elapsed}
		for _, st := range ss.Streams() {
			if len(counts) >= maxSampled {
				break
			}
			n := countOf(st)
			counts[st.ID()] = n
			// A stream that is new began at zero.
			r := rateBetween(before[st.ID()], n, elapsed)
			streams[st.ID()] = r
			total.Packets += r.Packets
			total.Bytes += r.Bytes
		}
		sessions[ss.ID()] = total
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before != nil && elapsed > 0 {
		s.streams, s.sessions = streams, sessions
	}
	s.at, s.counts = now, counts
}

func rateBetween(from, to count, seconds float64) client.Rate {
	if seconds <= 0 {
		return client.Rate{}
	}
	return client.Rate{
		Packets: float64(to.packets-from.packets) / seconds,
		Bytes:   float64(to.bytes-from.bytes) / seconds,
		Seconds: seconds,
	}
}

// stream returns a stream's speed, or nil while it is not known.
func (s *sampler) stream(id lttng.StreamID) *client.Rate {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.streams[id]
	if !ok {
		return nil
	}
	return &r
}

// session returns the speed of the parts of a session together, or nil.
func (s *sampler) session(parts []*tracestore.Session) *client.Rate {
	s.mu.Lock()
	defer s.mu.Unlock()
	var total *client.Rate
	for _, ss := range parts {
		r := s.sessions[ss.ID()]
		if r == nil {
			continue
		}
		if total == nil {
			total = &client.Rate{Seconds: r.Seconds}
		}
		total.Packets += r.Packets
		total.Bytes += r.Bytes
	}
	return total
}
