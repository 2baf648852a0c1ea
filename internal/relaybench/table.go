// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteText writes the medians as a table for people.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s; medians of %d runs\n\n", r.Machine, r.RunsEach)
	t := newTable(w)
	t.row("sessions", "streams", "packet", "index", "viewers", "relay", "MiB/s", "±", "CPU s/GiB", "RSS MiB",
		"viewed MiB/s", "× MiB/s", "× CPU", "× RSS")
	for _, s := range r.Summaries() {
		figures := []string{
			figure(s.MiBPerS, 0), percent(s.Spread / 2), figure(s.CPUPerGiB, 2), memoryText(s.PeakMiB, s.ChildrenMiB),
			figure(s.ViewedMiBPerS, 0),
			figure(s.ThroughputRatio, 2), figure(s.CPURatio, 2), figure(s.MemoryRatio, 2),
		}
		if s.Runs == 0 {
			figures = []string{"failed"}
		}
		t.row(append(workloadCells(s.Workload, s.Relay), figures...)...)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := r.writeTextCosts(w); err != nil {
		return err
	}
	if base := r.Baseline(); base != "" {
		_, err := fmt.Fprintf(w, "\n× is the ratio to %s. RSS a+b: the relay and its child processes.\n", base)
		return err
	}
	return nil
}

func workloadCells(w Workload, relay string) []string {
	return []string{
		strconv.Itoa(w.Sessions), strconv.Itoa(w.Streams), size(w.PacketBytes),
		string(w.Index), strconv.Itoa(w.Viewers), relay,
	}
}

func (r *Report) writeTextCosts(w io.Writer) error {
	costs := r.ViewerCosts()
	if len(costs) == 0 {
		return nil
	}
	fmt.Fprint(w, "\nAdded by the viewers:\n\n")
	t := newTable(w)
	t.row("sessions", "streams", "packet", "index", "viewers", "relay", "+ CPU s/GiB", "MiB/s with / without")
	for _, c := range costs {
		t.row(append(workloadCells(c.Workload, c.Relay), signed(c.AddedCPU), figure(c.StoredRatio, 2))...)
	}
	return t.Flush()
}

// WriteMarkdown writes the medians as tables for docs/benchmarks.md: one line
// for each workload, the relays side by side.
func (r *Report) WriteMarkdown(w io.Writer) error {
	m := &markdown{w: w}
	m.printf("%s; medians of %d runs. Each cell: MiB/s / relay CPU s per GiB / peak RSS MiB (+ that of child processes).\n\n", r.Machine, r.RunsEach)
	header := []string{"sessions", "streams", "packet", "index", "viewers"}
	base := r.Baseline()
	for _, relay := range r.Relays {
		header = append(header, relay)
		if base != "" && relay != base {
			header = append(header, "× MiB/s", "× CPU", "× RSS")
		}
	}
	m.header(header)
	for _, load := range r.Workloads() {
		cells := workloadCells(load, "")[:5]
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
		m.row(cells)
	}
	r.writeMarkdownCosts(m)
	return m.err
}

func (r *Report) writeMarkdownCosts(m *markdown) {
	costs := r.ViewerCosts()
	if len(costs) == 0 {
		return
	}
	m.printf("\nAdded by the viewers:\n\n")
	m.header([]string{"sessions", "streams", "packet", "index", "viewers", "relay", "+ CPU s/GiB", "MiB/s with / without"})
	for _, c := range costs {
		m.row(append(workloadCells(c.Workload, c.Relay), signed(c.AddedCPU), figure(c.StoredRatio, 2)))
	}
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

// table is a table of text with aligned columns.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer) table {
	return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row writes a line; an error shows in Flush.
func (t table) row(cells ...string) {
	fmt.Fprintln(t.Writer, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// markdown writes tables; after the first error it does nothing.
type markdown struct {
	w   io.Writer
	err error
}

func (m *markdown) printf(format string, args ...any) {
	if m.err == nil {
		_, m.err = fmt.Fprintf(m.w, format, args...)
	}
}

func (m *markdown) row(cells []string) {
	m.printf("| %s |\n", strings.Join(cells, " | "))
}

func (m *markdown) header(cells []string) {
	m.row(cells)
	m.printf("|%s\n", strings.Repeat("---|", len(cells)))
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

func percent(v float64) string { return strconv.FormatFloat(v*100, 'f', 0, 64) + "%" }

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
