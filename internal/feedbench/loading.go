// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
)

// loading is a load in a process of its own.
type loading struct {
	p     *benchproc.Process
	in    io.WriteCloser
	out   io.Closer
	lines *bufio.Scanner
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
			b.Weir, "bench", "changes", "--kind", string(l.Kind), "--dir", l.Dir, "--threads", strconv.Itoa(l.Threads),
			"--count", strconv.Itoa(l.Count), "--rate", strconv.Itoa(l.Rate), "--seed", strconv.FormatUint(l.Seed, 10),
		},
	}.StartPiped()
	if err != nil {
		in.Close()
		return nil, err
	}
	g := &loading{p: p, in: in, out: out, lines: bufio.NewScanner(out)}
	if !g.lines.Scan() || g.lines.Text() != readyLine {
		err := g.p.Explain(fmt.Errorf("load: says %q, want %q", g.lines.Text(), readyLine))
		g.end()
		return nil, err
	}
	return g, nil
}

// begin lets the load work.
func (g *loading) begin() error {
	_, err := io.WriteString(g.in, "\n")
	return err
}

// done waits until the load has worked.
func (g *loading) done(ctx context.Context) (l Loaded, err error) {
	defer context.AfterFunc(ctx, g.p.Kill)()
	if !g.lines.Scan() {
		return l, g.p.Explain(errors.Join(errors.New("load: says nothing more"), g.lines.Err(), context.Cause(ctx)))
	}
	return l, json.Unmarshal(g.lines.Bytes(), &l)
}

// stop ends a load that has no other end.
func (g *loading) stop(ctx context.Context) (Loaded, error) {
	if err := g.in.Close(); err != nil {
		return Loaded{}, err
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

// run has a load do all that it is to do.
func (b *Bench) run(ctx context.Context, l Load) (Loaded, error) {
	g, err := b.startLoad(l)
	if err != nil {
		return Loaded{}, err
	}
	defer g.end()
	if err := g.begin(); err != nil {
		return Loaded{}, err
	}
	return g.done(ctx)
}
