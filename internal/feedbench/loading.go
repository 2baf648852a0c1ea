// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/weir-io/weir/internal/benchproc"
)

// loading is a load in a process of its own.
type loading struct{ *benchproc.Load }

// startLoad starts a load and returns when it is ready.
func (b *Bench) startLoad(l Load) (loading, error) {
	g, _, err := benchproc.Program{
		Name: "load", Dir: b.scratch,
		Command: []string{
			b.Weir, "bench", "changes", "--kind", string(l.Kind), "--dir", l.Dir, "--threads", strconv.Itoa(l.Threads),
			"--count", strconv.Itoa(l.Count), "--rate", strconv.Itoa(l.Rate), "--seed", strconv.FormatUint(l.Seed, 10),
		},
	}.StartLoad(readyLine)
	return loading{g}, err
}

// done waits until the load has worked.
func (g loading) done(ctx context.Context) (Loaded, error) { return parseLoaded(g.Done(ctx, "")) }

// stop ends a load that has no other end.
func (g loading) stop(ctx context.Context) (Loaded, error) { return parseLoaded(g.Stop(ctx, "")) }

func parseLoaded(text string, err error) (l Loaded, _ error) {
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal([]byte(text), &l)
}

// run has a load do all that it is to do.
func (b *Bench) run(ctx context.Context, l Load) (Loaded, error) {
	g, err := b.startLoad(l)
	if err != nil {
		return Loaded{}, err
	}
	defer g.End()
	if err := g.Begin(); err != nil {
		return Loaded{}, err
	}
	return g.done(ctx)
}
