// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-io/weir/internal/bench"
)

// stormThreads is how many threads make a storm.
const stormThreads = 2

// stormed is what a storm came to.
type stormed struct {
	records uint64
	took    time.Duration // from the first change to the last record on disk
	agent   time.Duration // CPU
	load    Loaded
}

func (s stormed) rate() float64 { return float64(s.records) / s.took.Seconds() }

// perRecord is what the agent has run for each record, in µs.
func (s stormed) perRecord() float64 { return micros(s.agent) / float64(s.records) }

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// blow has a load storm a stand.
func (s *stand) blow(ctx context.Context, files int) (got stormed, err error) {
	g, err := s.b.startLoad(Load{Kind: Churn, Dir: s.fs.dir, Threads: stormThreads, Count: files})
	if err != nil {
		return got, err
	}
	defer g.End()
	first, err := s.records(ctx)
	if err != nil {
		return got, err
	}
	before, err := s.clock()
	if err != nil {
		return got, err
	}
	begun := time.Now()
	if err := g.Begin(); err != nil {
		return got, err
	}
	if got.load, err = g.done(ctx); err != nil {
		return got, err
	}
	if err := s.durable(ctx); err != nil {
		return got, err
	}
	got.took = time.Since(begun)
	after, err := s.clock()
	if err != nil {
		return got, err
	}
	got.agent = after.Since(before)
	last, err := s.records(ctx)
	got.records = last - first
	if err == nil && got.records == 0 {
		err = fmt.Errorf("a storm of %d files left no record", files)
	}
	return got, err
}

// storm measures the way from changes by two threads to durable records.
func (b *Bench) storm(ctx context.Context) (rows []bench.Row, err error) {
	for _, kind := range []string{"ext4", "tmpfs"} {
		for _, index := range []string{"full", "dirs"} {
			var all []stormed
			for range b.Runs {
				if err := b.stormOnce(ctx, setting{kind: kind, index: index}, &all); err != nil {
					return rows, err
				}
			}
			rows = append(rows, stormRows(fmt.Sprintf("storm on %s, index %s", kind, index), index, all)...)
		}
	}
	return rows, nil
}

// stormOnce appends a storm on a new file system.
func (b *Bench) stormOnce(ctx context.Context, set setting, all *[]stormed) error {
	return b.with(ctx, set, func(s *stand) error {
		// The first is for what is made once: files of the store, the heap, caches.
		if _, err := s.blow(ctx, b.sizes.storm/10); err != nil {
			return err
		}
		got, err := s.blow(ctx, b.sizes.storm)
		*all = append(*all, got)
		return err
	})
}

func stormRows(name, index string, all []stormed) []bench.Row {
	rate := bench.Row{Name: name, Unit: "records/s", Bar: &bench.Bar{Must: 40_000, Aim: 120_000}}
	if index == "dirs" {
		rate.Bar = &bench.Bar{Must: 100_000, Aim: 200_000}
	}
	rate.Set(bench.Figures(all, stormed.rate))
	rate.Note = fmt.Sprintf("the storm itself takes %.1f µs of CPU a record", bench.Median(bench.Figures(all, func(s stormed) float64 {
		return micros(s.load.CPU) / float64(s.records)
	})))
	cpu := bench.Row{Name: name + ": CPU of a record", Unit: "µs"}
	cpu.Set(bench.Figures(all, stormed.perRecord))
	return []bench.Row{cpu, rate}
}
