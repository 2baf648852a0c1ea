// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"bytes"
	"context"
	"runtime/metrics"
	"runtime/trace"
	"sync"
	"testing"
	"time"
)

// rounds is how often two goroutines wait for each other in what is measured.
const rounds = 50_000

// pingPong has goroutines wait for each other.
func pingPong() {
	ping, pong := make(chan struct{}), make(chan struct{})
	go func() {
		for range ping {
			pong <- struct{}{}
		}
	}()
	for range rounds {
		ping <- struct{}{}
		<-pong
	}
	close(ping)
}

// BenchmarkUntraced is what BenchmarkTraced takes without a trace.
func BenchmarkUntraced(b *testing.B) {
	for b.Loop() {
		pingPong()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rounds), "ns/round")
}

// BenchmarkTraced is what the runtime's trace adds to a program that does nothing but
// change the states of goroutines.
func BenchmarkTraced(b *testing.B) {
	q := newQueue(0) // keeps nothing
	if err := trace.Start(q); err != nil {
		b.Fatal(err)
	}
	defer trace.Stop()
	for b.Loop() {
		pingPong()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rounds), "ns/round")
}

// counting counts states.
type counting struct{ states int }

func (c *counting) goroutineState(goroutineState) { c.states++ }
func (c *counting) procState(procStateChange)     { c.states++ }
func (c *counting) rangeBegin(span, bool)         {}
func (c *counting) rangeEnd(span)                 {}

// BenchmarkConversion is what it takes to read the trace and to make events of it,
// without writing them.
func BenchmarkConversion(b *testing.B) {
	var held bytes.Buffer
	if err := trace.Start(&held); err != nil {
		b.Fatal(err)
	}
	pingPong()
	trace.Stop()
	var c counting
	b.ReportAllocs()
	for b.Loop() {
		if err := newConversion(&c).readAll(bytes.NewReader(held.Bytes()), each); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(c.states), "ns/event")
	b.ReportMetric(float64(held.Len())*float64(b.N)/float64(c.states), "B/event")
}

// BenchmarkFlood is the memory that a program takes at most that changes states all the
// time, until its trace is given up.
func BenchmarkFlood(b *testing.B) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	peak := uint64(0)
	for b.Loop() {
		tracer, _ := newTracer(maxHeld)
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		var all sync.WaitGroup
		all.Go(func() {
			for ctx.Err() == nil {
				pingPong()
				metrics.Read(heap)
				peak = max(peak, heap[0].Value.Uint64())
			}
		})
		err := tracer.trace(ctx, nil)
		cancel()
		all.Wait()
		if err == nil {
			b.Fatal("all was converted")
		}
	}
	b.ReportMetric(float64(peak)/(1<<20), "MiB")
}
