// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// memory measures the daemon with clients that are served in turn.
func (b *Bench) memory(ctx context.Context) ([]bench.Row, error) {
	row := bench.Row{Name: fmt.Sprintf("resident memory, %d clients", b.sizes.clients), Unit: "MB", Bar: &bench.Bar{Most: true, Must: 20, Aim: 12}}
	var all []float64
	for range b.Runs {
		err := b.using(func(d *daemon) error {
			if err := b.crowd(ctx, d); err != nil {
				return err
			}
			mb, err := d.resident()
			all = append(all, mb)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	row.Set(all)
	return []bench.Row{row}, nil
}

// crowd opens sessions, half of them of the default set, asks in turn, and waits a
// moment.
func (b *Bench) crowd(ctx context.Context, d *daemon) error {
	var clients []*xmlsysd.Client
	for i := range b.sizes.clients {
		c, err := d.dial(ctx, [][]string{nil, {"default"}}[i%2]...)
		if err != nil {
			return err
		}
		defer c.Close()
		clients = append(clients, c)
	}
	for range b.sizes.warm {
		for _, c := range clients {
			if _, err := c.Sample(ctx); err != nil {
				return err
			}
		}
	}
	return benchproc.Pause(ctx, b.sizes.settle)
}

// growth measures what the daemon has more in memory after many messages.
func (b *Bench) growth(ctx context.Context) ([]bench.Row, error) {
	row := bench.Row{Name: fmt.Sprintf("growth over %d messages", b.sizes.growth), Unit: "MB", Bar: &bench.Bar{Most: true, Must: 2, Aim: 0.5}}
	err := b.using(func(d *daemon) error {
		c, err := d.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		before := 0.0
		for i := range b.sizes.growth + 10*b.sizes.warm {
			if i == 10*b.sizes.warm {
				if before, err = d.resident(); err != nil {
					return err
				}
				row.Note = fmt.Sprintf("from %.1f MB", before)
			}
			if _, err := c.Sample(ctx); err != nil {
				return err
			}
		}
		after, err := d.resident()
		row.Set([]float64{after - before})
		return err
	})
	return []bench.Row{row}, err
}

// allocations counts what reading and writing the message of 2002 allocates, in
// this process.
func (b *Bench) allocations(ctx context.Context) ([]bench.Row, error) {
	e, err := hoststat.New(hoststat.Options{MinInterval: -1, Budget: -1})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	s := e.NewSession()
	defer s.Close()
	sel := xmlsysd.NewSelection(e.Model())
	sel.Init()
	enc, wants := xmlsysd.NewEncoder(sel), sel.Wants
	message := func() {
		samples := s.Sample(ctx, wants, nil)
		enc.Begin()
		for _, p := range samples.Parts() {
			enc.Add(p.Tape)
		}
		enc.Finish()
		samples.Release()
	}
	for range b.sizes.samples {
		message()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range b.sizes.samples {
		message()
	}
	runtime.ReadMemStats(&after)
	row := bench.Row{Name: "message of 2002, allocations", Unit: "each", Bar: &bench.Bar{Most: true}}
	// The run-time itself allocates now and then: less than one in a hundred
	// messages is not the message's.
	row.Set([]float64{float64(int(100*float64(after.Mallocs-before.Mallocs)/float64(b.sizes.samples))) / 100})
	return []bench.Row{row}, nil
}
