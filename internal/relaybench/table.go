// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/weir-io/weir/internal/bench"
)

// WriteText writes the medians as a table for people.
func (r *Report) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s; medians of %d runs\n\n", r.Machine, r.RunsEach); err != nil {
		return err
	}
	if err := r.textTable().WriteText(w); err != nil {
		return err
	}
	if err := r.writeCosts(w, (*bench.Table).WriteText); err != nil {
		return err
	}
	if base := r.Baseline(); base != "" {
		_, err := fmt.Fprintf(w, "\n× is the ratio to %s. RSS a+b: the relay and its child processes.\n", base)
		return err
	}
	return nil
}

// textTable has a line for each workload and relay.
func (r *Report) textTable() *bench.Table {
	t := bench.NewTable(append(workloadHead(), "relay", "MiB/s", "±", "CPU s/GiB", "RSS MiB",
		"viewed MiB/s", "× MiB/s", "× CPU", "× RSS")...)
	for _, s := range r.Summaries() {
		figures := []string{
			figure(s.MiBPerS, 0), bench.Percent(s.Spread / 2), figure(s.CPUPerGiB, 2), memoryText(s.PeakMiB, s.ChildrenMiB),
			figure(s.ViewedMiBPerS, 0),
			figure(s.ThroughputRatio, 2), figure(s.CPURatio, 2), figure(s.MemoryRatio, 2),
		}
		if s.Runs == 0 {
			figures = []string{"failed"}
		}
		t.Add(slices.Concat(workloadCells(s.Workload), []string{s.Relay}, figures)...)
	}
	return t
}

func workloadHead() []string { return []string{"sessions", "streams", "packet", "index", "viewers"} }

func workloadCells(w Workload) []string {
	return []string{strconv.Itoa(w.Sessions), strconv.Itoa(w.Streams), size(w.PacketBytes), string(w.Index), strconv.Itoa(w.Viewers)}
}

// writeCosts writes a table of what viewers cost, if that was measured.
func (r *Report) writeCosts(w io.Writer, write func(*bench.Table, io.Writer) error) error {
	costs := r.ViewerCosts()
	if len(costs) == 0 {
		return nil
	}
	if _, err := io.WriteString(w, "\nAdded by the viewers:\n\n"); err != nil {
		return err
	}
	t := bench.NewTable(append(workloadHead(), "relay", "+ CPU s/GiB", "MiB/s with / without")...)
	for _, c := range costs {
		t.Add(append(workloadCells(c.Workload), c.Relay, signed(c.AddedCPU), figure(c.StoredRatio, 2))...)
	}
	return write(t, w)
}

// WriteMarkdown writes the medians as tables for docs/benchmarks.md.
func (r *Report) WriteMarkdown(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s; medians of %d runs. Each cell: MiB/s / relay CPU s per GiB / peak RSS MiB (+ that of child processes).\n\n", r.Machine, r.RunsEach); err != nil {
		return err
	}
	if err := r.wideTable().WriteMarkdown(w); err != nil {
		return err
	}
	return r.writeCosts(w, (*bench.Table).WriteMarkdown)
}

// wideTable has a line for each workload, the relays side by side.
func (r *Report) wideTable() *bench.Table {
	head, base := workloadHead(), r.Baseline()
	for _, relay := range r.Relays {
		head = append(head, relay)
		if base != "" && relay != base {
			head = append(head, "× MiB/s", "× CPU", "× RSS")
		}
	}
	t := bench.NewTable(head...)
	for _, load := range r.Workloads() {
		cells := workloadCells(load)
		for _, relay := range r.Relays {
			s := r.Summary(load, relay)
			cell := figure(s.MiBPerS, 0) + " / " + figure(s.CPUPerGiB, 2) + " / " + memoryText(s.PeakMiB, s.ChildrenMiB)
			if s.Runs == 0 {
				cell = "failed"
			}
			cells = append(cells, cell)
			if base != "" && relay != base {
				cells = append(cells, figure(s.ThroughputRatio, 2), figure(s.CPURatio, 2), figure(s.MemoryRatio, 2))
			}
		}
		t.Add(cells...)
	}
	return t
}

// WriteRun writes a run as a line of JSON, {"run": …}.
func WriteRun(w io.Writer, run Run) error {
	return writeLine(w, map[string]any{"run": run})
}

// WriteJSON writes the medians as lines of JSON: {"machine": …}, {"summary": …}
// and {"viewer_cost": …}.
func (r *Report) WriteJSON(w io.Writer) error {
	if err := writeLine(w, map[string]any{"machine": r.Machine}); err != nil {
		return err
	}
	for _, s := range r.Summaries() {
		if err := writeLine(w, map[string]any{"summary": s}); err != nil {
			return err
		}
	}
	for _, c := range r.ViewerCosts() {
		if err := writeLine(w, map[string]any{"viewer_cost": c}); err != nil {
			return err
		}
	}
	return nil
}

// writeLine writes a value as one line of JSON.
func writeLine(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// figure returns a number with the given decimals, "–" for none.
func figure(v float64, decimals int) string {
	if v == 0 {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// memoryText returns the peaks of a relay and, if it has any, of its children:
// "12.5" or "12.5+9.8".
func memoryText(relay, children float64) string {
	text := figure(relay, 1)
	if children > 0 {
		text += "+" + figure(children, 1)
	}
	return text
}

// signed returns a difference, which may be zero or negative.
func signed(v float64) string { return fmt.Sprintf("%+.2f", v) }

// size returns a size in bytes with the largest unit that divides it.
func size(n int) string {
	switch {
	case n%mib == 0:
		return strconv.Itoa(n/mib) + " MiB"
	case n%1024 == 0:
		return strconv.Itoa(n/1024) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}
