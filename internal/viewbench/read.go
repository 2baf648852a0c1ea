// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/weir-io/weir/internal/bench"
)

// oneThread is the environment of a weir that runs on one processor.
var oneThread = []string{"GOMAXPROCS=1"}

func (b *Bench) view(args ...string) []string {
	return append([]string{b.Weir, "view", "--no-progress"}, args...)
}

// countEvents returns the events of a trace.
func (b *Bench) countEvents(ctx context.Context, dir string) (int, error) {
	var text strings.Builder
	if _, err := (execution{argv: b.view("--output", "count", "--json", dir), read: true, keep: &text}).run(ctx); err != nil {
		return 0, err
	}
	var count struct {
		Events int `json:"events"`
	}
	if err := json.Unmarshal([]byte(text.String()), &count); err != nil {
		return 0, fmt.Errorf("count of %s: %w", dir, err)
	}
	return count.Events, nil
}

// alternate runs some processes in turn, as often as the bench says, and returns
// what each took. An entry without arguments is left out.
func (b *Bench) alternate(ctx context.Context, all ...execution) ([][]usage, error) {
	took := make([][]usage, len(all))
	for range b.Runs {
		for i, x := range all {
			if len(x.argv) == 0 {
				continue
			}
			u, err := x.run(ctx)
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], u)
		}
	}
	return took, nil
}

// original is a babeltrace2 with some arguments, nothing when there is none.
func (b *Bench) original(args ...string) execution {
	if b.Babeltrace == "" {
		return execution{}
	}
	return execution{argv: append([]string{b.Babeltrace}, args...)}
}

// perCPU is events for each CPU second, in millions.
func (b *Bench) perCPU(u usage) float64 { return float64(b.Events) / 1e6 / u.cpu.Seconds() }

// perSecond is events for each second that passes, in millions.
func (b *Bench) perSecond(u usage) float64 { return float64(b.Events) / 1e6 / u.elapsed.Seconds() }

const (
	millionPerCPU    = "M events/CPU s"
	millionPerSecond = "M events/s"
)

// text measures the text of all events, and compares it.
func (b *Bench) text(ctx context.Context) ([]bench.Row, error) {
	one := execution{argv: b.view("--jobs", "1", b.Trace), env: oneThread}
	all := execution{argv: b.view(b.Trace)}
	peer := b.original(b.Trace)
	took, err := b.alternate(ctx, one, all, peer)
	if err != nil {
		return nil, err
	}
	rows := []bench.Row{
		{Name: "text, one thread", Unit: millionPerCPU, Bar: &bench.Bar{OfRatio: true, Must: 8, Aim: 12}},
		{Name: "text, all processors", Unit: millionPerSecond, Peer: "one thread", Bar: &bench.Bar{OfRatio: true, Must: 1, Aim: 1.7}},
		{Name: "text, all processors: CPU", Unit: millionPerCPU},
		{Name: "text: memory", Unit: "MiB", Bar: &bench.Bar{Most: true, Must: 64, Aim: 64}},
	}
	rows[0].Set(bench.Figures(took[0], b.perCPU))
	rows[0].Against("babeltrace2", bench.Figures(took[2], b.perCPU))
	rows[1].Set(bench.Figures(took[1], b.perSecond))
	rows[1].Against("one thread", bench.Figures(took[0], b.perSecond))
	rows[2].Set(bench.Figures(took[1], b.perCPU))
	rows[2].Against("one thread", bench.Figures(took[0], b.perCPU))
	rows[3].Set(bench.Figures(took[1], peakOf))
	rows[3].Against("babeltrace2", bench.Figures(took[2], peakOf))
	equal, err := b.compare(ctx, one, all, peer)
	return append(rows, equal...), err
}

func peakOf(u usage) float64 { return u.peakMiB }

// compare holds the outputs of some processes against each other.
func (b *Bench) compare(ctx context.Context, all ...execution) ([]bench.Row, error) {
	if b.Babeltrace == "" {
		all = all[:len(all)-1]
	}
	row := bench.Row{Name: "text: equal bytes", Unit: "outputs", Bar: &bench.Bar{Must: float64(len(all)), Aim: float64(len(all))}}
	var first usage
	for i, x := range all {
		x.read = true
		u, err := x.run(ctx)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = u
		}
		if u.hash != first.hash {
			row.Error = fmt.Sprintf("%s: %d bytes that differ from the %d of %s",
				strings.Join(x.argv, " "), u.bytes, first.bytes, strings.Join(all[0].argv, " "))
			return []bench.Row{row}, nil
		}
		row.Weir++
	}
	row.Runs = 1
	return []bench.Row{row}, nil
}

// decode measures reading all fields without printing them.
func (b *Bench) decode(ctx context.Context) ([]bench.Row, error) {
	took, err := b.alternate(ctx,
		execution{argv: b.view("--jobs", "1", "--output", "count", b.Trace), env: oneThread},
		b.original("--output-format", "dummy", b.Trace))
	if err != nil {
		return nil, err
	}
	row := bench.Row{Name: "decode, count", Unit: millionPerCPU, Bar: &bench.Bar{Must: 20, Aim: 40}}
	row.Set(bench.Figures(took[0], b.perCPU))
	row.Against("babeltrace2 -o dummy", bench.Figures(took[1], b.perCPU))
	return []bench.Row{row}, nil
}

// filter measures a filter that keeps little.
func (b *Bench) filter(ctx context.Context) ([]bench.Row, error) {
	if b.Where == "" {
		return nil, nil
	}
	took, err := b.alternate(ctx, execution{argv: b.view("--jobs", "1", "--where", b.Where, b.Trace), env: oneThread})
	if err != nil {
		return nil, err
	}
	row := bench.Row{Name: "text with a filter that keeps 0.1 %", Unit: millionPerCPU, Bar: &bench.Bar{Must: 15, Aim: 30}}
	row.Set(bench.Figures(took[0], b.perCPU))
	return []bench.Row{row}, nil
}

// memory measures the memory that many streams take.
func (b *Bench) memory(ctx context.Context) ([]bench.Row, error) {
	dir := filepath.Join(b.scratch, "crowd")
	s := shape{events: b.sizes.crowdEvents, streams: b.sizes.crowdStreams, packetBytes: 4 << 10}
	if err := makeTrace(dir, s); err != nil {
		return nil, err
	}
	took, err := b.alternate(ctx, execution{argv: b.view(dir)}, b.original(dir))
	if err != nil {
		return nil, err
	}
	row := bench.Row{Name: fmt.Sprintf("text of %d streams: memory", s.streams), Unit: "MiB", Bar: &bench.Bar{Most: true, Must: 100, Aim: 100}}
	row.Set(bench.Figures(took[0], peakOf))
	row.Against("babeltrace2", bench.Figures(took[1], peakOf))
	return []bench.Row{row}, nil
}

// millis is a time in milliseconds.
const millis = "ms"

// seek measures how soon the first line of a narrow window in a long trace
// comes.
func (b *Bench) seek(ctx context.Context) ([]bench.Row, error) {
	dir := filepath.Join(b.scratch, "long")
	end, err := makeLongTrace(dir, b.sizes.longBytes)
	if err != nil {
		return nil, err
	}
	const window, toEnd = 100_000_000, 200_000_000 // ns
	at := func(ns uint64) string { return fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9) }
	x := execution{
		argv: b.view("--begin", at(end-toEnd), "--end", at(end-toEnd+window), dir),
		read: true, head: true,
	}
	if _, err := x.run(ctx); err != nil { // into the page cache
		return nil, err
	}
	took, err := b.alternate(ctx, x, x, x) // short: three times as often
	if err != nil {
		return nil, err
	}
	all := append(append(took[0], took[1]...), took[2]...)
	row := bench.Row{Name: fmt.Sprintf("first line of 0.1 s in %g GB", float64(b.sizes.longBytes)/(1<<30)), Unit: millis, Bar: &bench.Bar{Most: true, Must: 50, Aim: 10}}
	row.Set(bench.Figures(all, func(u usage) float64 { return float64(u.first.Microseconds()) / 1000 }))
	return []bench.Row{row}, nil
}
