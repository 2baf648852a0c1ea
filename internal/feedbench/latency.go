// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

// latencyRate is how many operations a second are made while it is measured how late
// they are.
const latencyRate = 1000

// latency measures how long after an operation began a waiting consumer has its record.
func (b *Bench) latency(ctx context.Context) (rows []bench.Row, err error) {
	for _, kind := range []string{"ext4", "tmpfs"} {
		var late []float64
		var perOperation float64
		err := b.with(ctx, setting{kind: kind}, func(s *stand) (err error) {
			late, perOperation, err = s.late(ctx)
			return err
		})
		if err != nil {
			return rows, err
		}
		name := fmt.Sprintf("operation to waiting consumer, %s, %d op/s", kind, latencyRate)
		p50 := bench.Row{Name: name + ", p50", Unit: "ms", Bar: &bench.Bar{Most: true, Must: 10, Aim: 2}, Note: fmt.Sprintf("%d operations", len(late))}
		p50.Set([]float64{bench.Quantile(late, 0.5)})
		p99 := bench.Row{Name: name + ", p99", Unit: "ms", Bar: &bench.Bar{Most: true, Must: 500, Aim: 100}, Note: fmt.Sprintf("p90 %.2f, all %.1f", bench.Quantile(late, 0.9), bench.Quantile(late, 1))}
		p99.Set([]float64{bench.Quantile(late, 0.99)})
		cpu := bench.Row{Name: name + ": CPU of an operation", Unit: "µs"}
		cpu.Set([]float64{perOperation})
		rows = append(rows, cpu, p50, p99)
	}
	return rows, nil
}

// late returns by how many ms each operation's record came late, and the agent's CPU
// time for each, in µs.
func (s *stand) late(ctx context.Context) (late []float64, each float64, err error) {
	g, err := s.b.startLoad(Load{Kind: Stamp, Dir: s.fs.dir, Threads: 1, Rate: latencyRate})
	if err != nil {
		return nil, 0, err
	}
	defer g.End()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		return s.consume(reading, s.feed.ID, func(n *feed.Consumer, got *feed.Batch) error {
			now := time.Now()
			for i := range got.Records {
				if at, ok := stamped(&got.Records[i]); ok {
					late = append(late, float64(now.Sub(at))/1e6)
				}
			}
			_, err := n.Cancel(reading, got.Through)
			return err
		})
	})
	before, err := s.clock()
	if err != nil {
		return nil, 0, err
	}
	if err := g.Begin(); err != nil {
		return nil, 0, err
	}
	if err := benchproc.Pause(ctx, s.b.sizes.latency); err != nil {
		return nil, 0, err
	}
	done, err := g.stop(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := s.durable(ctx); err != nil {
		return nil, 0, err
	}
	after, err := s.clock()
	if err != nil {
		return nil, 0, err
	}
	// What the consumer has not read a moment later, it never does.
	if err := benchproc.Pause(ctx, 100*time.Millisecond); err != nil {
		return nil, 0, err
	}
	stop()
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	if len(late) < done.Files {
		return nil, 0, fmt.Errorf("%d of %d operations came to the consumer", len(late), done.Files)
	}
	return late, micros(after.Since(before)) / float64(done.Files), nil
}

// stamped returns when the operation of a record was made, by the name.
func stamped(r *changelog.Record) (time.Time, bool) {
	text, ok := bytes.CutPrefix(r.Name, []byte(stampPrefix))
	if !ok || r.Type != changelog.Create {
		return time.Time{}, false
	}
	ns, err := strconv.ParseInt(string(text), 10, 64)
	return time.Unix(0, ns), err == nil
}
