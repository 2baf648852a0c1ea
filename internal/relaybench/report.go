// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/bench"
)

// Report is the result of [Bench.Measure].
type Report struct {
	Machine  string   // one line
	Relays   []string // labels, in the order given
	RunsEach int
	Runs     []Run // in the order in which they ran
}

// Summary is what the runs of one workload and relay came to: medians, and the
// ratios to the baseline's medians.
type Summary struct {
	Relay    string `json:"relay"`
	Workload `json:"workload"`
	Runs     int `json:"runs"`   // that succeeded
	Failed   int `json:"failed"` // that did not

	MiBPerS         float64 `json:"mib_per_s"`
	Spread          float64 `json:"mib_per_s_spread"` // (largest − smallest) / median
	ViewedMiBPerS   float64 `json:"viewed_mib_per_s"`
	ViewedS         float64 `json:"viewed_s"`
	CPUPerGiB       float64 `json:"cpu_s_per_gib"`
	PeakMiB         float64 `json:"rss_mib"`
	ChildrenMiB     float64 `json:"rss_children_mib"`
	GeneratorPerGiB float64 `json:"generator_cpu_s_per_gib"`

	// To the baseline; 0 for the baseline itself and where a figure lacks.
	Baseline        string  `json:"baseline,omitempty"`
	ThroughputRatio float64 `json:"mib_per_s_ratio,omitempty"`
	ViewedRatio     float64 `json:"viewed_mib_per_s_ratio,omitempty"`
	CPURatio        float64 `json:"cpu_ratio,omitempty"`
	MemoryRatio     float64 `json:"rss_ratio,omitempty"` // with the children

	Error string `json:"error,omitempty"` // of the first run that failed
}

// Baseline returns the label of the relay that the others are compared with:
// lttng-relayd if it was measured, else the last one; "" if there is only one.
func (r *Report) Baseline() string { return baseline(r.Relays) }

func baseline(labels []string) string {
	switch {
	case len(labels) < 2:
		return ""
	case slices.Contains(labels, original):
		return original
	}
	return labels[len(labels)-1]
}

// Workloads returns the workloads in the order of their first run.
func (r *Report) Workloads() []Workload {
	var all []Workload
	for _, run := range r.Runs {
		if !slices.Contains(all, run.Workload) {
			all = append(all, run.Workload)
		}
	}
	return all
}

// Summaries returns one summary for each workload and relay.
func (r *Report) Summaries() []Summary {
	var all []Summary
	for _, w := range r.Workloads() {
		for _, relay := range r.Relays {
			all = append(all, r.Summary(w, relay))
		}
	}
	return all
}

// Summary returns the summary of a workload and relay.
func (r *Report) Summary(w Workload, relay string) Summary {
	s := r.medians(w, relay)
	if base := r.Baseline(); base != "" && base != relay {
		b := r.medians(w, base)
		s.Baseline = base
		s.ThroughputRatio = bench.Ratio(s.MiBPerS, b.MiBPerS)
		s.ViewedRatio = bench.Ratio(s.ViewedMiBPerS, b.ViewedMiBPerS)
		s.CPURatio = bench.Ratio(s.CPUPerGiB, b.CPUPerGiB)
		s.MemoryRatio = bench.Ratio(s.PeakMiB+s.ChildrenMiB, b.PeakMiB+b.ChildrenMiB)
	}
	return s
}

func (r *Report) medians(w Workload, relay string) Summary {
	s := Summary{Relay: relay, Workload: w}
	var good []Run
	for _, run := range r.Runs {
		switch {
		case run.Relay != relay || run.Workload != w:
		case run.Error != "":
			s.Failed++
			if s.Error == "" {
				s.Error = run.Error
			}
		default:
			good = append(good, run)
		}
	}
	s.Runs = len(good)
	of := func(figure func(Run) float64) float64 { return bench.Median(bench.Figures(good, figure)) }
	throughput := func(run Run) float64 { return run.MiBPerS }
	s.MiBPerS = of(throughput)
	s.ViewedMiBPerS = of(func(run Run) float64 { return run.ViewedMiBPerS })
	s.ViewedS = of(func(run Run) float64 { return run.ViewedS })
	s.CPUPerGiB = of(func(run Run) float64 { return run.CPUPerGiB })
	s.PeakMiB = of(func(run Run) float64 { return run.PeakMiB })
	s.ChildrenMiB = of(func(run Run) float64 { return run.ChildrenMiB })
	s.GeneratorPerGiB = of(func(run Run) float64 { return run.GeneratorPerGiB })
	s.Spread = bench.Spread(bench.Figures(good, throughput))
	return s
}

// Err returns an error if runs failed, other than those of the baseline: what
// that one cannot do is a finding.
func (r *Report) Err() error {
	failed, first := 0, ""
	for _, run := range r.Runs {
		if run.Error == "" || run.Relay == r.Baseline() {
			continue
		}
		if failed++; failed == 1 {
			first = fmt.Sprintf("%s with %s: %s", run.Workload, run.Relay, run.Error)
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d runs failed, the first one: %s", failed, len(r.Runs), first)
}

// ViewerCost is what live viewers add to a relay's work: the difference between
// a workload with viewers and the same without.
type ViewerCost struct {
	Workload     `json:"workload"` // with viewers
	Relay        string            `json:"relay"`
	AddedCPU     float64           `json:"added_cpu_s_per_gib"`
	StoredRatio  float64           `json:"stored_mib_per_s_ratio"` // throughput with viewers / without
	BaselineCost float64           `json:"baseline_added_cpu_s_per_gib,omitempty"`
}

// ViewerCosts returns the costs for all workloads that were measured both with
// and without viewers.
func (r *Report) ViewerCosts() []ViewerCost {
	var all []ViewerCost
	workloads, base := r.Workloads(), r.Baseline()
	for _, with := range workloads {
		without := with
		without.Viewers = 0
		if with.Viewers == 0 || !slices.Contains(workloads, without) {
			continue
		}
		for _, relay := range r.Relays {
			c, ok := r.viewerCost(with, without, relay)
			if !ok {
				continue
			}
			if b, ok := r.viewerCost(with, without, base); ok && base != relay {
				c.BaselineCost = b.AddedCPU
			}
			all = append(all, c)
		}
	}
	return all
}

func (r *Report) viewerCost(with, without Workload, relay string) (ViewerCost, bool) {
	a, b := r.medians(with, relay), r.medians(without, relay)
	return ViewerCost{
		Workload:    with,
		Relay:       relay,
		AddedCPU:    a.CPUPerGiB - b.CPUPerGiB,
		StoredRatio: bench.Ratio(a.MiBPerS, b.MiBPerS),
	}, a.Runs > 0 && b.Runs > 0
}

// describeMachine returns what one has to know to compare figures.
func describeMachine(dir string) string {
	congestion := "unknown"
	if text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		congestion = strings.TrimSpace(string(text))
	}
	return bench.Machine() + ", TCP " + congestion + ", output on " + bench.FileSystem(dir)
}
