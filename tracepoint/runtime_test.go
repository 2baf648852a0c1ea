// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/wait"
)

// Each metric is one that this runtime has, and is recorded when it is asked for.
func TestRuntime(t *testing.T) {
	r := newRecorder(t, ring.Geometry{SubbufBytes: 4096, Subbufs: 4}, 1, anything)
	defer r.close()
	events := NewRuntime(newProvider(r.tracer, "app"))
	wait.Until(t, "the events are recorded", events.scheduler.Enabled)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("ended")
	done := make(chan error)
	go func() { done <- events.Run(ctx, time.Millisecond) }()
	wait.Until(t, "there are events", func() bool { return r.readers[0].Usage() > 1000 })
	cancel(ended)
	if err := <-done; !errors.Is(err, ended) {
		t.Errorf("Run: %v", err)
	}

	s := newSample()
	runtime.GC()
	metrics.Read(s.metrics)
	for i, m := range s.metrics {
		if m.Value.Kind() == metrics.KindBad {
			t.Errorf("the runtime has no metric %s", runtimeMetrics[i])
		}
	}
	if s.number(heapLive) == 0 || s.number(gomaxprocs) == 0 || s.number(gcCycles) == 0 {
		t.Errorf("heap of %d bytes, %d processors, %d cycles: want more than 0", s.number(heapLive), s.number(gomaxprocs), s.number(gcCycles))
	}
}

func TestCounts(t *testing.T) {
	h := &metrics.Float64Histogram{Counts: []uint64{2, 0, 1}, Buckets: []float64{0, 1, 2, 3}}
	var c counts
	if n, longest := c.since(h); n != 3 || longest != 3*time.Second {
		t.Errorf("since the beginning: %d, %v, want 3, 3s", n, longest)
	}
	h.Counts[0] += 4
	if n, longest := c.since(h); n != 4 || longest != time.Second {
		t.Errorf("since then: %d, %v, want 4, 1s", n, longest)
	}
	if n, longest := c.since(h); n != 0 || longest != 0 {
		t.Errorf("again: %d, %v, want 0, 0s", n, longest)
	}
}
