// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

// feeds measures the storm while one feed is there, and many, in turn. Each has a
// consumer that cancels all there is, once a second.
func (b *Bench) feeds(ctx context.Context) ([]bench.Row, error) {
	var one, many []stormed
	for range b.Runs {
		if err := b.crowded(ctx, 1, &one); err != nil {
			return nil, err
		}
		if err := b.crowded(ctx, b.sizes.feeds, &many); err != nil {
			return nil, err
		}
	}
	row := bench.Row{Name: fmt.Sprintf("storm on ext4, %d feeds", b.sizes.feeds), Unit: "records/s", Bar: &bench.Bar{OfRatio: true, Must: 0.9, Aim: 1}}
	row.Set(bench.Figures(many, stormed.rate))
	row.Against("one feed", bench.Figures(one, stormed.rate))
	cpu := bench.Row{Name: row.Name + ": CPU of a record", Unit: "µs"}
	cpu.Set(bench.Figures(many, stormed.perRecord))
	cpu.Against("one feed", bench.Figures(one, stormed.perRecord))
	return []bench.Row{cpu, row}, nil
}

// crowded appends a storm with so many feeds.
func (b *Bench) crowded(ctx context.Context, feeds int, all *[]stormed) error {
	return b.with(ctx, setting{kind: "ext4"}, func(s *stand) (err error) {
		var consumers []*feed.Consumer
		defer func() {
			for _, n := range consumers {
				n.Close()
			}
		}()
		for i := range feeds {
			id := s.feed.ID
			if i > 0 {
				made, err := s.client.Create(ctx, feed.CreateOptions{Source: s.fs.dir, Mode: feed.ModeExplicit})
				if err != nil {
					return err
				}
				id = made.ID
			}
			n, err := s.client.Open(ctx, id, feed.OpenOptions{})
			if err != nil {
				return err
			}
			consumers = append(consumers, n)
		}
		canceling, stop := context.WithCancel(ctx)
		defer stop()
		var group errgroup.Group
		group.Go(func() error { return cancelInTurn(canceling, consumers) })
		if _, err := s.blow(ctx, b.sizes.storm/10); err != nil {
			return err
		}
		got, err := s.blow(ctx, b.sizes.storm)
		*all = append(*all, got)
		stop()
		if werr := group.Wait(); err == nil {
			err = werr
		}
		return err
	})
}

// cancelInTurn has each consumer cancel all records, once a second, until ctx ends: each
// at its own time, however long the cancels of others take.
func cancelInTurn(ctx context.Context, all []*feed.Consumer) error {
	var group errgroup.Group
	for i, n := range all {
		group.Go(func() error {
			if benchproc.Pause(ctx, time.Duration(i)*time.Second/time.Duration(len(all))) != nil {
				return nil
			}
			return cancelEach(ctx, n)
		})
	}
	return group.Wait()
}

// cancelEach cancels all records once a second until ctx ends.
func cancelEach(ctx context.Context, n *feed.Consumer) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := n.Cancel(ctx, 0); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
