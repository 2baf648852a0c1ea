// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

const (
	soakRate    = 2000 // files a second
	soakReaders = 2
	soakSamples = 200 // of the disk use
)

// soak measures whether disk use and memory stay what they are while consumers read
// what a steady load makes.
func (b *Bench) soak(ctx context.Context) ([]bench.Row, error) {
	var use usage
	var records uint64
	err := b.with(ctx, setting{kind: "ext4"}, func(s *stand) error {
		g, err := b.startLoad(Load{Kind: Churn, Dir: s.fs.dir, Threads: stormThreads, Rate: soakRate})
		if err != nil {
			return err
		}
		defer g.End()
		reading, stop := context.WithCancel(ctx)
		defer stop()
		var group errgroup.Group
		for range soakReaders {
			made, err := s.client.Create(ctx, feed.CreateOptions{Source: s.fs.dir})
			if err != nil {
				return err
			}
			group.Go(func() error {
				return s.consume(reading, made.ID, func(*feed.Consumer, *feed.Batch) error { return nil }) // the next read cancels
			})
		}
		if err := s.client.Destroy(ctx, s.feed.ID); err != nil { // nobody reads it
			return err
		}
		if err := g.Begin(); err != nil {
			return err
		}
		for range soakSamples {
			if err := benchproc.Pause(ctx, b.sizes.soak/soakSamples); err != nil {
				return err
			}
			if err := use.sample(s); err != nil {
				return err
			}
		}
		if _, err := g.stop(ctx); err != nil {
			return err
		}
		all, err := s.client.List(ctx)
		if err != nil {
			return err
		}
		for i := range all {
			records = max(records, all[i].Last)
		}
		stop()
		return group.Wait()
	})
	if err != nil {
		return nil, err
	}
	return use.rows(fmt.Sprintf("soak of %v, %d files a second: ", b.sizes.soak, soakRate), records), nil
}

// usage is what an agent takes, sample by sample.
type usage struct{ disk, memory []float64 } // MB

func (u *usage) sample(s *stand) error {
	used, err := diskUse(filepath.Join(s.dir, "state"))
	if err != nil {
		return err
	}
	memory, _, err := s.resident()
	if err != nil {
		return err
	}
	u.disk, u.memory = append(u.disk, float64(used)/1e6), append(u.memory, memory)
	return nil
}

func (u *usage) rows(name string, records uint64) []bench.Row {
	disk := bench.Row{Name: name + "disk use, last quarter by second", Unit: "×", Bar: &bench.Bar{Most: true, Must: 1.1, Aim: 1.1}}
	disk.Set([]float64{quarters(u.disk)})
	disk.Note = fmt.Sprintf("%d records; %.1f MB in the second quarter, %.1f in the last, at most %.1f", records, quarter(u.disk, 1), quarter(u.disk, 3), bench.Quantile(u.disk, 1))
	ram := bench.Row{Name: name + "memory, last quarter by second", Unit: "×"}
	ram.Set([]float64{quarters(u.memory)})
	ram.Note = fmt.Sprintf("%.1f MB and %.1f", quarter(u.memory, 1), quarter(u.memory, 3))
	return []bench.Row{disk, ram}
}

// quarter is the mean of the i-th quarter of samples: what is used swings with each
// flush and compaction.
func quarter(samples []float64, i int) (mean float64) {
	part := samples[i*len(samples)/4 : (i+1)*len(samples)/4]
	for _, v := range part {
		mean += v / float64(len(part))
	}
	return mean
}

// quarters is what the last quarter is of the second.
func quarters(samples []float64) float64 {
	return bench.Ratio(quarter(samples, 3), quarter(samples, 1))
}

// diskUse is the size of all files below a directory, of which some may go meanwhile.
func diskUse(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !e.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
