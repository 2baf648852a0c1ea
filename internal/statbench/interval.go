// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// pair is a program that is scraped at an interval, and the same one that is not, at
// the same time: what that takes, the first would take unasked.
type pair struct {
	page
	idlePID int
	idle    []float64 // µs in the time of a scrape, of each run
}

// clocks are of both.
func (p *pair) clocks() (c [2]procstat.Clock, err error) {
	for i, pid := range [...]int{p.pid, p.idlePID} {
		if c[i], err = procstat.ReadClock(procstat.Host(), pid); err != nil {
			return c, err
		}
	}
	return c, nil
}

// add adds what a run has cost, of some scrapes.
func (p *pair) add(before [2]procstat.Clock, scrapes int) error {
	after, err := p.clocks()
	if err != nil {
		return err
	}
	took := func(i int) float64 { return float64(after[i].Since(before[i])) / 1e3 / float64(scrapes) }
	p.idle = append(p.idle, took(1))
	p.cpu = append(p.cpu, took(0)-took(1))
	return nil
}

// interval measures all that /metrics/node costs at the pace of a Prometheus, what is
// read in the background with it, in the same time as node_exporter.
func (b *Bench) interval(ctx context.Context) (_ []bench.Row, err error) {
	row := bench.Row{
		Name: fmt.Sprintf("/metrics/node, one in %v", b.sizes.pace), Unit: "µs of CPU",
		Bar: &bench.Bar{OfRatio: true, Most: true, Must: 0.125, Aim: 0.067},
	}
	var daemons [2]*daemon
	for i := range daemons {
		d, err := b.startDaemon("--metrics", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, d.end()) }()
		daemons[i] = d
	}
	own := pair{page: page{url: daemons[0].metrics + "/node", pid: daemons[0].PID()}, idlePID: daemons[1].PID()}
	client := newScraper()
	defer client.CloseIdleConnections()
	text, err := own.fetch(ctx, client)
	if err != nil {
		return nil, daemons[0].Explain(err)
	}
	pairs := []*pair{&own}
	if b.Exporter != "" {
		x, end, failed := b.exporterPair(ctx, collectors(text))
		defer func() { err = errors.Join(err, end()) }()
		if failed != nil {
			return nil, failed
		}
		pairs = append(pairs, x)
	}
	if err := b.scrapeAtPace(ctx, client, pairs); err != nil {
		return nil, daemons[0].Explain(err)
	}
	row.Set(own.cpu)
	row.Note = fmt.Sprintf("%d scrapes; unasked %.0f in that time", b.Runs*b.sizes.paced, bench.Median(own.idle))
	if len(pairs) > 1 {
		row.Against("node_exporter", pairs[1].cpu)
		row.Note += fmt.Sprintf(", node_exporter %.0f", bench.Median(pairs[1].idle))
	}
	return []bench.Row{row}, nil
}

// exporterPair starts two exporters, which end ends, also after an error.
func (b *Bench) exporterPair(ctx context.Context, names []string) (p *pair, end func() error, err error) {
	var all []*benchproc.Process
	end = func() (err error) {
		for _, x := range all {
			err = errors.Join(err, x.End(endOfExporter))
		}
		return err
	}
	p = new(pair)
	for _, pid := range [...]*int{&p.pid, &p.idlePID} {
		x, url, err := b.startExporter(ctx, names)
		if err != nil {
			return nil, end, err
		}
		all = append(all, x)
		if *pid = x.PID(); p.url == "" {
			p.url = url // of the first
		}
	}
	return p, end, nil
}

// scrapeAtPace scrapes all pages in turn. What a daemon does after its start, it has
// mostly done when the first run begins.
func (b *Bench) scrapeAtPace(ctx context.Context, client *http.Client, pairs []*pair) error {
	if err := b.round(ctx, client, pairs); err != nil {
		return err
	}
	if err := benchproc.Pause(ctx, b.sizes.unmeasured); err != nil {
		return err
	}
	pairs, before := slices.Clone(pairs), make([][2]procstat.Clock, len(pairs))
	for range b.Runs {
		for i, p := range pairs {
			var err error
			if before[i], err = p.clocks(); err != nil {
				return err
			}
		}
		for range b.sizes.paced {
			if err := b.round(ctx, client, pairs); err != nil {
				return err
			}
			slices.Reverse(pairs) // none is always the first
			slices.Reverse(before)
		}
		for i, p := range pairs {
			if err := p.add(before[i], b.sizes.paced); err != nil {
				return err
			}
		}
	}
	return nil
}

// round scrapes each page once, spread over the time of a scrape.
func (b *Bench) round(ctx context.Context, client *http.Client, pairs []*pair) error {
	for _, p := range pairs {
		begin := time.Now()
		if _, err := p.fetch(ctx, client); err != nil {
			return err
		}
		if err := benchproc.Pause(ctx, b.sizes.pace/time.Duration(len(pairs))-time.Since(begin)); err != nil {
			return err
		}
	}
	return nil
}
