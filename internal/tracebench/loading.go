// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
)

// loading is a load in a process of its own.
type loading struct {
	p     *benchproc.Process
	in    io.WriteCloser
	out   io.Closer
	lines *bufio.Scanner
	tids  []int
}

// startLoad starts a load and returns when it is ready.
func (b *Bench) startLoad(l Load) (*loading, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	p, out, err := benchproc.Program{
		Name: "load", Dir: b.scratch, Stdin: stdin,
		Command: []string{
			b.Weir, "bench", "load", "--kind", string(l.Kind),
			"--count", strconv.Itoa(l.Count), "--for", l.For.String(), "--rate", strconv.Itoa(l.Rate),
		},
	}.StartPiped()
	if err != nil {
		in.Close()
		return nil, err
	}
	g := &loading{p: p, in: in, out: out, lines: bufio.NewScanner(out)}
	words, err := g.hear(sayReady)
	for _, w := range words {
		tid, aerr := strconv.Atoi(w)
		err = errors.Join(err, aerr)
		g.tids = append(g.tids, tid)
	}
	if err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

// hear reads what the load says.
func (g *loading) hear(word string) ([]string, error) {
	if !g.lines.Scan() {
		return nil, g.p.Explain(errors.Join(errors.New("load: says nothing more"), g.lines.Err()))
	}
	words := strings.Fields(g.lines.Text())
	if len(words) == 0 || words[0] != word {
		return nil, fmt.Errorf("load: got %q, want %q", g.lines.Text(), word)
	}
	return words[1:], nil
}

// begin lets the load work.
func (g *loading) begin() error {
	_, err := io.WriteString(g.in, "\n")
	return err
}

// done waits until the load has worked, and returns how many rounds it did.
func (g *loading) done(ctx context.Context) (rounds int64, took time.Duration, err error) {
	defer context.AfterFunc(ctx, g.p.Kill)()
	words, err := g.hear(sayDone)
	if ctx.Err() != nil {
		return 0, 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, 0, err
	}
	var ns int64
	if _, err := fmt.Sscan(strings.Join(words, " "), &rounds, &ns); err != nil {
		return 0, 0, fmt.Errorf("load: %q: %w", words, err)
	}
	return rounds, time.Duration(ns), nil
}

// run lets the load work until it is done.
func (g *loading) run(ctx context.Context) (int64, time.Duration, error) {
	if err := g.begin(); err != nil {
		return 0, 0, err
	}
	return g.done(ctx)
}

// stop ends a load that has no other end, and returns as done does.
func (g *loading) stop(ctx context.Context) (int64, time.Duration, error) {
	if err := g.in.Close(); err != nil {
		return 0, 0, err
	}
	return g.done(ctx)
}

// end ends the load's process, which is to end with its input.
func (g *loading) end() {
	_ = g.in.Close() // stop may have
	defer g.out.Close()
	defer time.AfterFunc(time.Second, g.p.Kill).Stop()
	_ = g.p.Status() // one that is ended before its time may end in any way
}
