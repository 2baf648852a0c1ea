// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/xmlsysd"
)

// legacy measures the message of 2002.
func (b *Bench) legacy(ctx context.Context) ([]bench.Row, error) {
	return b.message(ctx, "message of 2002", bench.Bar{Most: true, Must: 120, Aim: 75}, &bench.Bar{Most: true, Must: 300, Aim: 300})
}

// defaults measures all that is cheap.
func (b *Bench) defaults(ctx context.Context) ([]bench.Row, error) {
	return b.message(ctx, "default set", bench.Bar{Most: true, Must: 300, Aim: 190}, nil, "default")
}

// tasks measures the processes of this host, however many these are.
func (b *Bench) tasks(ctx context.Context) ([]bench.Row, error) {
	rows, err := b.message(ctx, "processes", bench.Bar{}, nil, "tasks")
	for i := range rows {
		rows[i].Bar = nil
	}
	return rows, err
}

// message measures messages of a selection: what each costs the daemon, and how
// long it takes.
func (b *Bench) message(ctx context.Context, name string, cpuBar bench.Bar, latencyBar *bench.Bar, selectors ...string) ([]bench.Row, error) {
	cpu := bench.Row{Name: name, Unit: "µs of CPU", Bar: &cpuBar}
	latency := bench.Row{Name: name + ", latency p50", Unit: "µs", Bar: latencyBar}
	var costs, halves []float64
	err := b.using(func(d *daemon) error {
		c, err := d.dial(ctx, selectors...)
		if err != nil {
			return err
		}
		defer c.Close()
		for range b.sizes.warm {
			if _, err := c.Sample(ctx); err != nil {
				return err
			}
		}
		if cpu.Note, err = describe(ctx, c); err != nil {
			return err
		}
		for range b.Runs {
			cost, half, err := b.run(ctx, d, c)
			if err != nil {
				return err
			}
			costs, halves = append(costs, cost), append(halves, half)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cpu.Set(costs)
	latency.Set(halves)
	return []bench.Row{cpu, latency}, nil
}

// run asks for messages one after the other. It returns what one cost the daemon
// and how long half of them took at most, in µs.
func (b *Bench) run(ctx context.Context, d *daemon, c *xmlsysd.Client) (cost, half float64, err error) {
	before, err := d.clock()
	if err != nil {
		return 0, 0, err
	}
	took := make([]float64, 0, b.sizes.messages)
	for range b.sizes.messages {
		began := time.Now()
		if _, err := c.Sample(ctx); err != nil {
			return 0, 0, err
		}
		took = append(took, float64(time.Since(began))/1e3)
	}
	after, err := d.clock()
	if err != nil {
		return 0, 0, err
	}
	return float64(after.Since(before)) / 1e3 / float64(b.sizes.messages), bench.Median(took), nil
}

// describe says how large a message is.
func describe(ctx context.Context, c *xmlsysd.Client) (string, error) {
	body, err := c.Sample(ctx)
	if err != nil {
		return "", err
	}
	size := len(body)
	d, err := xmlsysd.ParseDocument(body)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d leaves, %d bytes", leaves(d.Root()), size), nil
}

// leaves counts the elements without children.
func leaves(e xmlsysd.Element) int {
	n, inner := 0, false
	for child := range e.Children() {
		n, inner = n+leaves(child), true
	}
	if !inner {
		return 1
	}
	return n
}
