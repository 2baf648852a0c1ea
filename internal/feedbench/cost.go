// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/bench"
)

// cost measures what being watched costs the program that changes files: with and
// without, in turn.
func (b *Bench) cost(ctx context.Context) (rows []bench.Row, err error) {
	for _, kind := range []string{"ext4", "tmpfs"} {
		var with, without []float64
		for range b.Runs {
			bare, err := b.bare(ctx, kind)
			if err != nil {
				return rows, err
			}
			without = append(without, bare)
			var all []stormed
			if err := b.watched(ctx, kind, &all); err != nil {
				return rows, err
			}
			with = append(with, micros(all[0].load.CPU)/float64(all[0].load.Operations))
		}
		row := bench.Row{Name: "cost to the workload on " + kind + ", CPU of an operation", Unit: "µs", Bar: &bench.Bar{Most: true, Must: 5, Aim: 2}}
		var more []float64
		for i := range with {
			more = append(more, with[i]-without[i])
		}
		row.Set(more)
		row.Note = fmt.Sprintf("%.2f watched, %.2f not", bench.Median(with), bench.Median(without))
		rows = append(rows, row)
	}
	return rows, nil
}

func (b *Bench) watched(ctx context.Context, kind string, all *[]stormed) error {
	return b.with(ctx, setting{kind: kind}, func(s *stand) error {
		got, err := s.blow(ctx, b.sizes.cost)
		*all = append(*all, got)
		return err
	})
}

// bare has the same load change a file system that nobody watches. It returns the CPU
// time of an operation, in µs.
func (b *Bench) bare(ctx context.Context, kind string) (each float64, err error) {
	fs, err := b.mount(ctx, kind, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, fs.unmount()) }()
	l, err := b.run(ctx, Load{Kind: Churn, Dir: fs.dir, Threads: stormThreads, Count: b.sizes.cost})
	if err != nil {
		return 0, err
	}
	return micros(l.CPU) / float64(l.Operations), nil
}
