// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

// files measures what an agent takes to observe very many files, and how long it takes
// to compare them with the disk when all are in the caches.
func (b *Bench) files(ctx context.Context) ([]bench.Row, error) {
	n := b.sizes.files
	name := fmt.Sprintf("%d files observed: ", n)
	memory := bench.Row{Name: name + "resident memory of the agent", Unit: "MB", Bar: &bench.Bar{Most: true, Must: 400, Aim: 150}}
	warm := bench.Row{Name: name + "rescan, warm", Unit: "s", Bar: &bench.Bar{Most: true, Must: 20, Aim: 7}}
	cpu := bench.Row{Name: warm.Name + ": CPU of a file", Unit: "µs"}
	first := bench.Row{Name: name + "first scan", Unit: "s"}
	var begun time.Time
	set := setting{kind: "ext4", files: n, before: func(dir string) error {
		_, err := b.run(ctx, Load{Kind: Make, Dir: dir, Threads: stormThreads, Count: n})
		begun = time.Now()
		return err
	}}
	err := b.with(ctx, set, func(s *stand) error {
		first.Set([]float64{time.Since(begun).Seconds()})
		var took, each []float64
		for range b.Runs {
			before, err := s.clock()
			if err != nil {
				return err
			}
			begun := time.Now()
			if _, err := s.client.Rescan(ctx, s.fs.dir); err != nil {
				return err
			}
			took = append(took, time.Since(begun).Seconds())
			after, err := s.clock()
			if err != nil {
				return err
			}
			each = append(each, micros(after.Since(before))/float64(n))
		}
		warm.Set(took)
		cpu.Set(each)
		// What the scan has left behind is given back beside it.
		if err := benchproc.Pause(ctx, 2*time.Second); err != nil {
			return err
		}
		now, peak, err := s.resident()
		memory.Set([]float64{now})
		memory.Note = fmt.Sprintf("at most %.0f since its start", peak)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []bench.Row{memory, first, cpu, warm}, nil
}
