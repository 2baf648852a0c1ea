// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

const (
	liveTimer = 100 * time.Millisecond
	markRate  = 200 // marks a second
	millis    = "ms"
)

// mark is the rule that chooses the marks of a load.
func mark() agent.EventRule {
	return agent.EventRule{
		Type: agent.Syscall, Pattern: "sys_enter_lseek", Enabled: true,
		Filter: fmt.Sprintf("fd == %d", uint64(marker)),
	}
}

// live measures how late a system call is a line of "weir view".
func (b *Bench) live(ctx context.Context) (_ []bench.Row, err error) {
	r, err := b.startRelay(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	var late []float64
	err = b.withDaemon(ctx, func(d *daemon) (err error) {
		s, err := d.open(ctx, wanted{rules: []agent.EventRule{mark()}, live: liveTimer, to: relayURL(r)})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		late, err = b.watch(ctx, s, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []bench.Row{
		{
			Name: "live, system call to line: median", Unit: millis, Weir: bench.Quantile(late, 0.5), Runs: 1,
			Note: fmt.Sprintf("%d calls, timer %v", len(late), liveTimer), Bar: &bench.Bar{Most: true, Must: 150, Aim: 70},
		},
		{Name: "live, system call to line: 90 %", Unit: millis, Weir: bench.Quantile(late, 0.9), Runs: 1},
	}, nil
}

// watch runs load, session and viewer, and returns how late lines came, in ms.
func (b *Bench) watch(ctx context.Context, s *session, r *benchproc.Relay) (_ []float64, err error) {
	g, err := b.startLoad(Load{Kind: Marks, Rate: markRate})
	if err != nil {
		return nil, err
	}
	defer g.End()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	v, out, err := benchproc.Program{
		Name: "weir view", Dir: b.scratch,
		Command: []string{b.Weir, "view", "--no-progress", fmt.Sprintf("net://%s/host/%s/%s", r.Live, host, s.name)},
	}.StartPiped()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var late []float64
	first, seen := make(chan struct{}, 1), make(chan error, 1)
	go func() { // ends with the viewer, which is ended below
		var err error
		late, err = latencies(bufio.NewScanner(out), first)
		seen <- err
	}()
	if err = g.Begin(); err == nil {
		if err = v.Await(ctx, "it shows an event", func() bool { return len(first) > 0 }); err == nil {
			err = benchproc.Pause(ctx, b.sizes.live)
		}
	}
	if err == nil {
		_, _, err = g.stop(ctx)
	}
	err = errors.Join(err, v.End(syscall.SIGTERM), <-seen)
	if err == nil && len(late) == 0 {
		err = v.Explain(errors.New("it showed no event"))
	}
	return late, err
}

var marked = regexp.MustCompile(`offset = (\d+)`)

// latencies reads lines of marks, and takes those that happened after the first
// line. That there is one it says on first.
func latencies(lines *bufio.Scanner, first chan<- struct{}) ([]float64, error) {
	var late []float64
	var since int64
	for lines.Scan() {
		now := time.Now().UnixNano()
		m := marked.FindStringSubmatch(lines.Text())
		if m == nil {
			continue // the host's state
		}
		at, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("viewer: %q: %w", lines.Text(), err)
		}
		if since == 0 {
			since = now
			first <- struct{}{}
		}
		if at > since {
			late = append(late, float64(now-at)/1e6)
		}
	}
	return late, nil // a viewer that is ended may leave half a line
}

// idle measures sessions in which nothing happens.
func (b *Bench) idle(ctx context.Context) ([]bench.Row, error) {
	row, err := b.idleSession(ctx, "idle session", wanted{})
	if err != nil {
		return nil, err
	}
	row.Bar = &bench.Bar{Most: true, Must: 0.2, Aim: 0.2}
	rows := []bench.Row{row}
	r, err := b.startRelay(ctx)
	if err != nil {
		return rows, err
	}
	row, err = b.idleSession(ctx, "idle live session, timer 1s", wanted{live: time.Second, to: relayURL(r)})
	if err = errors.Join(err, r.Stop()); err != nil {
		return rows, err
	}
	return append(rows, row), nil
}

func (b *Bench) idleSession(ctx context.Context, name string, w wanted) (row bench.Row, err error) {
	row = bench.Row{Name: name, Unit: "% of a CPU"}
	w.rules = []agent.EventRule{mark()}
	err = b.withDaemon(ctx, func(d *daemon) (err error) {
		if w.to == "" {
			w.to = filepath.Join(d.dir, "out")
		}
		s, err := d.open(ctx, w)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		if err := s.start(ctx); err != nil {
			return err
		}
		// What starting leaves behind is no part of idling.
		if err := benchproc.Pause(ctx, min(b.sizes.idle, time.Second)); err != nil {
			return err
		}
		before, err := s.clocks()
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := benchproc.Pause(ctx, b.sizes.idle); err != nil {
			return err
		}
		passed := time.Since(begin)
		after, err := s.clocks()
		if err != nil {
			return err
		}
		share := func(d time.Duration) float64 { return 100 * d.Seconds() / passed.Seconds() }
		consumer, agent := share(after.consumer.Since(before.consumer)), share(after.agent.Since(before.agent))
		row.Set([]float64{consumer + agent})
		row.Note = fmt.Sprintf("consumer %.3f, agent %.3f, over %v", consumer, agent, passed.Round(time.Second))
		return nil
	})
	return row, err
}
