// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

// sqlite measures how fast a feed drives a database: "weir feed sink" on a backlog.
func (b *Bench) sqlite(ctx context.Context) (rows []bench.Row, err error) {
	for _, w := range []struct {
		name string
		kind Kind
	}{{"files that are made", Make}, {"lives of files", Churn}} {
		rate := bench.Row{Name: "SQLite, " + w.name, Unit: "records/s", Bar: &bench.Bar{Must: 20_000, Aim: 50_000}}
		cpu := bench.Row{Name: rate.Name + ": CPU of a record", Unit: "µs"}
		var rates, each []float64
		for range b.Runs {
			records, took, ran, err := b.sink(ctx, w.kind)
			if err != nil {
				return rows, err
			}
			rates = append(rates, float64(records)/took.Seconds())
			each = append(each, micros(ran)/float64(records))
		}
		rate.Set(rates)
		cpu.Set(each)
		rows = append(rows, cpu, rate)
	}
	return rows, nil
}

// sink makes a backlog and has a database take it over.
func (b *Bench) sink(ctx context.Context, kind Kind) (records uint64, took, ran time.Duration, err error) {
	err = b.with(ctx, setting{kind: "ext4", files: b.sizes.rows}, func(s *stand) error {
		if _, err := b.run(ctx, Load{Kind: kind, Dir: s.fs.dir, Threads: stormThreads, Count: b.sizes.rows}); err != nil {
			return err
		}
		if err := s.durable(ctx); err != nil {
			return err
		}
		begun := time.Now()
		p, err := benchproc.Program{
			Name: "weir feed sink", Dir: s.dir,
			Command: []string{
				b.Weir, "feed", "sink", s.feed.ID, "--socket", filepath.Join(s.dir, "feed.sock"),
				"--to", "sqlite:" + filepath.Join(s.dir, "tree.db"), "--no-scan", "--once", "--batch", "5000",
			},
		}.Start()
		if err != nil {
			return err
		}
		if err := p.Status(); err != nil {
			return err
		}
		took, ran = time.Since(begun), p.FamilyCPU()
		var i feed.Info
		if i, err = s.client.Info(ctx, s.feed.ID); err != nil {
			return err
		}
		if records = i.Cancelled; i.First != 0 {
			return fmt.Errorf("the sink has left records from %d on of %d", i.First, i.Last)
		}
		return nil
	})
	return records, took, ran, err
}
