// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
)

// loading is a load in a process of its own.
type loading struct {
	*benchproc.Load
	tids []int
}

// startLoad starts a load and returns when it is ready.
func (b *Bench) startLoad(l Load) (*loading, error) {
	load, said, err := benchproc.Program{
		Name: "load", Dir: b.scratch,
		Command: []string{
			b.Weir, "bench", "load", "--kind", string(l.Kind),
			"--count", strconv.Itoa(l.Count), "--for", l.For.String(), "--rate", strconv.Itoa(l.Rate),
		},
	}.StartLoad(sayReady)
	if err != nil {
		return nil, err
	}
	g := &loading{Load: load}
	for _, word := range strings.Fields(said) {
		tid, err := strconv.Atoi(word)
		if err != nil {
			g.End()
			return nil, fmt.Errorf("load: thread: %w", err)
		}
		g.tids = append(g.tids, tid)
	}
	return g, nil
}

// done waits until the load has worked, and returns how many rounds it did.
func (g *loading) done(ctx context.Context) (rounds int64, took time.Duration, err error) {
	return parseDone(g.Done(ctx, sayDone))
}

// stop ends a load that has no other end, and returns as done does.
func (g *loading) stop(ctx context.Context) (rounds int64, took time.Duration, err error) {
	return parseDone(g.Stop(ctx, sayDone))
}

func parseDone(said string, err error) (rounds int64, took time.Duration, _ error) {
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(said, &rounds, (*int64)(&took)); err != nil {
		return 0, 0, fmt.Errorf("load: %q: %w", said, err)
	}
	return rounds, took, nil
}

// run lets the load work until it is done.
func (g *loading) run(ctx context.Context) (int64, time.Duration, error) {
	if err := g.Begin(); err != nil {
		return 0, 0, err
	}
	return g.done(ctx)
}
