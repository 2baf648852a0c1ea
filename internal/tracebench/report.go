// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// Report is the result of [Bench.Measure].
type Report struct {
	Machine string `json:"machine"`  // one line
	Load    string `json:"load"`     // averages of 1, 5 and 15 minutes at the begin
	LoadEnd string `json:"load_end"` // at the end
	Runs    int    `json:"runs"`     // of each thing
	Rows    []Row  `json:"rows"`
}

// Row is one thing that was measured.
type Row struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit,omitempty"` // of both figures
	Weir   float64 `json:"weir"`           // median
	Spread float64 `json:"spread"`         // (largest − smallest) / median
	Peer   string  `json:"peer,omitempty"` // what it is held against
	Other  float64 `json:"other,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"` // weir / other
	Runs   int     `json:"runs"`
	Note   string  `json:"note,omitempty"`
	Bar    *Bar    `json:"bar,omitempty"`
	Met    string  `json:"met,omitempty"` // aim, must or no
	Error  string  `json:"error,omitempty"`
}

// Bar is what a figure has to reach.
type Bar struct {
	OfRatio bool    `json:"of_ratio"` // the ratio has to, else the figure
	Most    bool    `json:"most"`     // not more than that, else not less
	Must    float64 `json:"must"`
	Aim     float64 `json:"aim"`
}

// set fills in weir's figure.
func (r *Row) set(values []float64) {
	r.Weir, r.Runs = median(values), len(values)
	if len(values) > 0 && r.Weir > 0 {
		r.Spread = (slices.Max(values) - slices.Min(values)) / r.Weir
	}
}

// against fills in what it is compared with, when that was measured.
func (r *Row) against(peer string, values []float64) {
	if len(values) == 0 {
		return
	}
	r.Peer, r.Other = peer, median(values)
	if r.Other > 0 {
		r.Ratio = r.Weir / r.Other
	}
}

// values returns a figure of each of some runs.
func values[T any](runs []T, figure func(T) float64) []float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, figure(r))
	}
	return all
}

// median returns the middle of some values, 0 without any.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile returns the value that a part q of some values do not exceed.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// met says which bar a row reaches: "aim", "must", "no", or "" without one.
func (r *Row) met() string {
	if r.Bar == nil || r.Error != "" || r.Runs == 0 {
		return ""
	}
	v := r.Weir
	if r.Bar.OfRatio {
		if v = r.Ratio; v == 0 {
			return ""
		}
	}
	reaches := func(bar float64) bool { return v >= bar != r.Bar.Most || v == bar }
	switch {
	case reaches(r.Bar.Aim):
		return "aim"
	case reaches(r.Bar.Must):
		return "must"
	default:
		return "no"
	}
}

// Err returns an error when something could not be measured or outputs differ.
func (r *Report) Err() error {
	var errs []error
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Error != "" {
			errs = append(errs, fmt.Errorf("%s: %s", row.Name, row.Error))
		}
	}
	return errors.Join(errs...)
}

var header = []string{"what", "weir", "±", "unit", "×", "peer", "its figure", "must", "aim", "reached"}

// cells gives the cells of a row for people.
func (r *Row) cells() []string {
	if r.Error != "" {
		return []string{r.Name, "failed", "", "", "", "", "", "", "", r.Error}
	}
	must, aim := "", ""
	if b := r.Bar; b != nil {
		must, aim = b.text(b.Must), b.text(b.Aim)
	}
	name := r.Name
	if r.Note != "" {
		name += " (" + r.Note + ")"
	}
	return []string{
		name, r.figure(), strconv.FormatFloat(r.Spread*50, 'f', 0, 64) + "%", r.Unit,
		number(r.Ratio), r.Peer, number(r.Other), must, aim, r.met(),
	}
}

func (b *Bar) text(v float64) string {
	text := "≥ "
	if b.Most {
		text = "≤ "
	}
	text += strconv.FormatFloat(v, 'f', -1, 64)
	if b.OfRatio {
		text += " ×"
	}
	return text
}

// figure gives weir's figure, of which none at all is one.
func (r *Row) figure() string {
	if r.Weir == 0 && r.Runs > 0 {
		return "0"
	}
	return number(r.Weir)
}

// number gives three digits of a figure, or all before the point; "" for none.
func number(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// title is the line above a table.
func (r *Report) title() string {
	return fmt.Sprintf("%s; load %s at the begin, %s at the end; medians of %d runs", r.Machine, r.Load, r.LoadEnd, r.Runs)
}

// WriteText writes a table for people.
func (r *Report) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", r.title()); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for i := range r.Rows {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(r.Rows[i].cells(), "\t"), "\t"))
	}
	return t.Flush()
}

// WriteMarkdown writes a table for docs/benchmarks.md.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s.\n\n| %s |\n|%s\n", r.title(), strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for i := range r.Rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(r.Rows[i].cells(), " | "))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// WriteJSON writes the report as one object.
func (r *Report) WriteJSON(w io.Writer) error {
	for i := range r.Rows {
		r.Rows[i].Met = r.Rows[i].met()
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// describeMachine returns what one has to know to compare figures.
func describeMachine(dir string) string {
	kernel := "unknown kernel"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	files := "files on a disk"
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) == nil && int64(s.Type) == unix.TMPFS_MAGIC {
		files = "files on tmpfs"
	}
	return fmt.Sprintf("%d CPUs, %s %s, %s", runtime.NumCPU(), kernel, runtime.GOARCH, files)
}

// loadAverage returns the machine's load averages, "unknown" where it does not
// tell them.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(text)); err == nil && len(f) >= 3 {
		return strings.Join(f[:3], " ")
	}
	return "unknown"
}
