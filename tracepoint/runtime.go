// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"math"
	"runtime/metrics"
	"time"
)

// Runtime records how the program's Go runtime does, by the names
// provider:runtime_memory, runtime_gc and runtime_scheduler.
type Runtime struct {
	memory    *Event5[uint64, uint64, uint64, uint64, uint64]
	gc        *Event4[uint64, time.Duration, uint64, time.Duration]
	scheduler *Event5[uint64, uint64, time.Duration, uint64, time.Duration]
}

// NewRuntime declares the events, once for a provider. Numbers of bytes and times are totals since the
// program began; pauses and waits, and the longest of them, are those since the event
// before.
func NewRuntime(p *Provider) *Runtime {
	return &Runtime{
		New5(p, "runtime_memory", Info, Uint64("heap_live"), Uint64("heap_goal"), Uint64("heap_objects"), Uint64("allocated"), Uint64("mapped")),
		New4(p, "runtime_gc", Info, Uint64("cycles"), Duration("cpu"), Uint64("pauses"), Duration("longest_pause")),
		New5(p, "runtime_scheduler", Info, Uint64("goroutines"), Uint64("gomaxprocs"), Duration("mutex_wait"), Uint64("waits"), Duration("longest_wait")),
	}
}

// Places of metrics in a sample.
const (
	heapLive = iota
	heapGoal
	heapObjects
	allocated
	mapped
	gcCycles
	gcCPU
	gcPauses
	goroutines
	gomaxprocs
	mutexWait
	schedulerWaits
)

// runtimeMetrics are the runtime's names of them.
var runtimeMetrics = [...]string{
	heapLive:       "/gc/heap/live:bytes",
	heapGoal:       "/gc/heap/goal:bytes",
	heapObjects:    "/gc/heap/objects:objects",
	allocated:      "/gc/heap/allocs:bytes",
	mapped:         "/memory/classes/total:bytes",
	gcCycles:       "/gc/cycles/total:gc-cycles",
	gcCPU:          "/cpu/classes/gc/total:cpu-seconds",
	gcPauses:       "/sched/pauses/total/gc:seconds",
	goroutines:     "/sched/goroutines:goroutines",
	gomaxprocs:     "/sched/gomaxprocs:threads",
	mutexWait:      "/sync/mutex/wait/total:seconds",
	schedulerWaits: "/sched/latencies:seconds",
}

// Run records the events each period, until the context ends. While nobody records
// them, the runtime is not asked.
func (r *Runtime) Run(ctx context.Context, period time.Duration) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	s := newSample()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			r.record(s)
		}
	}
}

func (r *Runtime) record(s *sample) {
	if !r.memory.Enabled() && !r.gc.Enabled() && !r.scheduler.Enabled() {
		return
	}
	metrics.Read(s.metrics)
	r.memory.Write(s.number(heapLive), s.number(heapGoal), s.number(heapObjects), s.number(allocated), s.number(mapped))
	pauses, longest := s.pauses.since(s.histogram(gcPauses))
	r.gc.Write(s.number(gcCycles), s.time(gcCPU), pauses, longest)
	waits, longest := s.waits.since(s.histogram(schedulerWaits))
	r.scheduler.Write(s.number(goroutines), s.number(gomaxprocs), s.time(mutexWait), waits, longest)
}

// sample is what the runtime says. What a runtime does not know is 0.
type sample struct {
	metrics       []metrics.Sample
	pauses, waits counts
}

func newSample() *sample {
	s := &sample{metrics: make([]metrics.Sample, len(runtimeMetrics))}
	for i, name := range runtimeMetrics {
		s.metrics[i].Name = name
	}
	return s
}

func (s *sample) number(i int) uint64 {
	if v := s.metrics[i].Value; v.Kind() == metrics.KindUint64 {
		return v.Uint64()
	}
	return 0
}

func (s *sample) time(i int) time.Duration {
	if v := s.metrics[i].Value; v.Kind() == metrics.KindFloat64 {
		return seconds(v.Float64())
	}
	return 0
}

func (s *sample) histogram(i int) *metrics.Float64Histogram {
	if v := s.metrics[i].Value; v.Kind() == metrics.KindFloat64Histogram {
		return v.Float64Histogram()
	}
	return &metrics.Float64Histogram{}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// counts are those of a histogram that were told already.
type counts []uint64

// since returns how many there are more, and how long the longest is at most.
func (c *counts) since(h *metrics.Float64Histogram) (n uint64, longest time.Duration) {
	if len(*c) != len(h.Counts) {
		*c = make(counts, len(h.Counts))
	}
	for i, count := range h.Counts {
		more := count - (*c)[i]
		if (*c)[i] = count; more == 0 {
			continue
		}
		n += more
		if bound := h.Buckets[i+1]; !math.IsInf(bound, 0) {
			longest = seconds(bound)
		} else {
			longest = seconds(h.Buckets[i]) // there is no bound
		}
	}
	return n, longest
}
