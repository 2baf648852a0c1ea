// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// maxScrapes bounds the requests for metrics at one time.
const maxScrapes = 4

// newRegistry makes a registry of weir's figures, the Go runtime's and the
// process's.
func newRegistry(a *API) (*prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		newCollector(a),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return registry, nil
}

// metric is one figure: how it is called, and where a snapshot has it.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string // names of the labels of each value
	values     func(s *snapshot, emit emit)
}

// emit takes a value and the values of its labels.
type emit func(value float64, labels ...string)

// one reads a metric without a label.
func one(read func(s *snapshot) float64) func(*snapshot, emit) {
	return func(s *snapshot, emit emit) { emit(read(s)) }
}

// gauge and counter make metrics without a label.
func gauge(name, help string, read func(s *snapshot) float64) metric {
	return metric{name: name, help: help, kind: prometheus.GaugeValue, values: one(read)}
}

func counter(name, help string, read func(s *snapshot) float64) metric {
	return metric{name: name, help: help, kind: prometheus.CounterValue, values: one(read)}
}

// collector shows weir's figures. It takes one snapshot of all services for
// each scrape; nothing is counted twice, and nothing here costs anything while
// nobody asks.
type collector struct {
	api     *API
	metrics []metric
	descs   []*prometheus.Desc
}

func newCollector(a *API) *collector {
	c := &collector{api: a}
	var groups [][]metric
	if a.opts.Store != nil {
		groups = append(groups, storeMetrics(), trafficMetrics(), buildMetrics(a.opts.Version))
	}
	if a.opts.Feeds != nil {
		groups = append(groups, feedMetrics(), sourceMetrics())
	}
	if a.opts.Files != nil {
		groups = append(groups, fileMetrics())
	}
	if a.opts.Relay != nil {
		groups = append(groups, relayMetrics())
	}
	if a.opts.Metadata != nil {
		groups = append(groups, metadataMetrics())
	}
	if a.opts.Hop != nil {
		groups = append(groups, hopMetrics())
	}
	if a.opts.Ships != nil {
		groups = append(groups, shipMetrics())
	}
	if a.opts.Live != nil {
		groups = append(groups, liveMetrics())
	}
	if a.opts.Registry != nil {
		groups = append(groups, a.registryMetrics())
	}
	if a.opts.Enrol != nil {
		groups = append(groups, a.enrolmentMetrics())
	}
	for _, group := range groups {
		for _, m := range group {
			c.metrics = append(c.metrics, m)
			c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
		}
	}
	return c
}

// Describe sends the descriptions of all metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect sends the present values.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.api.snapshot()
	for i, m := range c.metrics {
		m.values(s, func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(c.descs[i], m.kind, value, labels...)
		})
	}
}

// promLog hands the errors of a scrape to the log.
type promLog struct{ log *slog.Logger }

// Println logs an error.
func (p promLog) Println(v ...any) { p.log.Warn("metrics not complete", "err", fmt.Sprint(v...)) }
