// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

const (
	killPause = 60 * time.Millisecond // at most, between an agent that answers and its end
	killRate  = 4000                  // files a second
)

// kills kills the agent again and again while files are made and removed, and counts
// what is lost or double.
func (b *Bench) kills(ctx context.Context) (rows []bench.Row, err error) {
	for _, kind := range Kinds {
		row := bench.Row{
			Name: fmt.Sprintf("%d kills on %s: files lost or double, names that differ", b.sizes.kills, kind),
			Unit: "names", Bar: &bench.Bar{Most: true},
		}
		wrong, note, err := b.killed(ctx, kind)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", kind, err)
		}
		row.Set([]float64{float64(wrong)})
		row.Note = note
		rows = append(rows, row)
	}
	return rows, nil
}

// killed returns how many names are wrong after the kills.
func (b *Bench) killed(ctx context.Context, kind string) (wrong int, note string, err error) {
	err = b.with(ctx, setting{kind: kind}, func(s *stand) error {
		p, err := s.replaying(ctx)
		if err != nil {
			return err
		}
		g, err := b.startLoad(Load{Kind: Keep, Dir: s.fs.dir, Threads: 1, Rate: killRate})
		if err != nil {
			return err
		}
		defer g.End()
		if err := g.Begin(); err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
		for range b.sizes.kills {
			if err := benchproc.Pause(ctx, time.Duration(r.Int64N(int64(killPause)))); err != nil {
				return err
			}
			if err := s.restart(ctx); err != nil {
				return err
			}
		}
		done, err := g.stop(ctx)
		if err != nil {
			return err
		}
		if err := s.durable(ctx); err != nil {
			return err
		}
		if err := s.replay(ctx, p); err != nil {
			return err
		}
		differ, err := p.differences(s.fs.dir)
		if err != nil {
			return err
		}
		wrong = p.unmade(done.Files) + len(differ) + len(p.marks)
		note = fmt.Sprintf("%d files, %d records", done.Files, p.next-1)
		if wrong > 0 {
			note += ": " + some(append(p.marks, differ...))
		}
		return nil
	})
	return wrong, note, err
}

// restart kills the agent and starts it again.
func (s *stand) restart(ctx context.Context) error {
	s.agent.Kill()
	_ = s.agent.Status() // it was killed
	s.client.Close()
	return s.start(ctx)
}

// replaying is a replay that has what is on the disk now, while nothing happens there.
func (s *stand) replaying(ctx context.Context) (*replay, error) {
	last, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	names, err := onDisk(s.fs.dir)
	return &replay{names: names, after: last, made: map[string]int{}}, err
}

// replay reads all records of the feed into p.
func (s *stand) replay(ctx context.Context, p *replay) error {
	n, err := s.client.Open(ctx, s.feed.ID, feed.OpenOptions{})
	if err != nil {
		return err
	}
	defer n.Close()
	for {
		got, err := n.Read(ctx, feed.ReadOptions{MaxRecords: 10_000, MaxBytes: 8 << 20, Keep: true})
		if err != nil {
			return err
		}
		for i := range got.Records {
			if err := p.apply(&got.Records[i]); err != nil {
				return err
			}
		}
		if len(got.Records) == 0 {
			return nil
		}
	}
}

// storms has several threads change few names at random, and compares what a reader
// of the records has with the disk.
func (b *Bench) storms(ctx context.Context) (rows []bench.Row, err error) {
	for _, kind := range Kinds {
		row := bench.Row{
			Name: "storms on " + kind + " whose replay is the disk", Unit: "storms",
			Bar: &bench.Bar{Must: float64(b.sizes.seeds), Aim: float64(b.sizes.seeds)},
		}
		good := 0
		for seed := range b.sizes.seeds {
			records, err := b.stormed(ctx, kind, seed)
			if ctx.Err() != nil {
				return rows, context.Cause(ctx)
			}
			if err != nil {
				row.Note += fmt.Sprintf("seed %d: %v; ", seed, err)
				continue
			}
			good++
			if row.Note == "" {
				row.Note = fmt.Sprintf("the first of %d records; ", records)
			}
		}
		row.Set([]float64{float64(good)})
		row.Note += fmt.Sprintf("%d seeds", b.sizes.seeds)
		rows = append(rows, row)
	}
	return rows, nil
}

// stormed makes one storm and compares.
func (b *Bench) stormed(ctx context.Context, kind string, seed int) (records uint64, err error) {
	err = b.with(ctx, setting{kind: kind}, func(s *stand) error {
		p, err := s.replaying(ctx)
		if err != nil {
			return err
		}
		threads := 1 + seed%4
		if _, err := b.run(ctx, Load{Kind: Random, Dir: s.fs.dir, Threads: threads, Count: threads * b.sizes.tries, Seed: uint64(seed)}); err != nil {
			return err
		}
		if err := s.settled(ctx); err != nil {
			return err
		}
		if err := s.replay(ctx, p); err != nil {
			return err
		}
		records = p.next - 1
		differ, err := p.differences(s.fs.dir)
		if err == nil && len(differ) > 0 {
			err = fmt.Errorf("%d names differ: %s", len(differ), some(differ))
		}
		return err
	})
	return records, err
}

// settleTime is how long after the last change at most names are looked up that the
// kernel's notices may not tell the whole truth of.
const settleTime = time.Second

// settled returns when the journal is to be the disk: some time after the last change.
func (s *stand) settled(ctx context.Context) error {
	if err := s.durable(ctx); err != nil {
		return err
	}
	if err := benchproc.Pause(ctx, settleTime); err != nil {
		return err
	}
	return s.durable(ctx)
}
