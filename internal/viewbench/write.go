// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/bench"
)

// write measures writing events of an integer and a text to packets that go
// nowhere, in this process.
func (b *Bench) write(ctx context.Context) ([]bench.Row, error) {
	bu := ctf.NewBuilder(ctf.BuilderOptions{})
	s, err := bu.Stream(ctf.LargeHeader)
	if err != nil {
		return nil, err
	}
	event, err := s.Event("app:request", schema.NoLogLevel, ctf.Uint("n", 32), ctf.Str("path"))
	if err != nil {
		return nil, err
	}
	var took []usage
	for range b.Runs {
		u, err := writeEvents(ctx, s.Class(), event, b.sizes.writeEvents)
		if err != nil {
			return nil, err
		}
		took = append(took, u)
	}
	row := bench.Row{Name: "write an integer and a text", Unit: millionPerCPU, Bar: &bench.Bar{Must: 8, Aim: 20}}
	row.Set(bench.Figures(took, func(u usage) float64 { return float64(b.sizes.writeEvents) / 1e6 / u.cpu.Seconds() }))
	return []bench.Row{row}, nil
}

func writeEvents(ctx context.Context, class *schema.Stream, event *schema.Event, events int) (u usage, err error) {
	discard := ctf.PacketFunc(func([]byte, ctf.PacketInfo) error { return ctx.Err() })
	w, err := ctf.NewStreamWriter(class, discard, ctf.StreamOptions{})
	if err != nil {
		return u, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadCPU()
	if err != nil {
		return u, err
	}
	for i := range events {
		e := w.Event(event, uint64(i)*100)
		e.Uint(uint64(i))
		e.String("/index.html")
		if err := e.End(); err != nil {
			return u, err
		}
	}
	after, err := threadCPU()
	u.cpu = after - before
	return u, err
}

// threadCPU is the CPU time of the calling thread.
func threadCPU() (time.Duration, error) {
	var r unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), err
}

// convert measures "weir convert" with a filter against what babeltrace2 takes
// to write the same trace without one. Where the command is not there, nothing.
func (b *Bench) convert(ctx context.Context) ([]bench.Row, error) {
	if b.Where == "" || exec.CommandContext(ctx, b.Weir, "help", "convert").Run() != nil {
		return nil, nil
	}
	out := filepath.Join(b.scratch, "converted")
	own := execution{argv: []string{b.Weir, "convert", "--where", keepMost, b.Trace, out}, env: oneThread}
	peer := b.original("--output-format", "ctf", "--output", out, b.Trace)
	var took [2][]usage
	for range b.Runs {
		for i, x := range []execution{own, peer} {
			if len(x.argv) == 0 {
				continue
			}
			u, err := x.run(ctx)
			if e := os.RemoveAll(out); err == nil {
				err = e
			}
			if err != nil {
				return nil, fmt.Errorf("convert: %w", err)
			}
			took[i] = append(took[i], u)
		}
	}
	row := bench.Row{Name: "convert CTF 1.8 with a filter that keeps 99.9 %", Unit: millionPerCPU, Bar: &bench.Bar{OfRatio: true, Must: 4, Aim: 4}}
	row.Set(bench.Figures(took[0], b.perCPU))
	row.Against("babeltrace2 -o ctf, without", bench.Figures(took[1], b.perCPU))
	return []bench.Row{row}, nil
}
