// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Report is what a benchmark has measured.
type Report struct {
	Machine string `json:"machine"`          // one line
	Load    string `json:"load"`             // averages of 1, 5 and 15 minutes at the begin
	LoadEnd string `json:"load_end"`         // at the end
	Events  int    `json:"events,omitempty"` // of the trace that is read, if one is
	Runs    int    `json:"runs"`             // of each thing
	Rows    []Row  `json:"rows"`
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

// title is the line above a table.
func (r *Report) title() string {
	events := ""
	if r.Events > 0 {
		events = fmt.Sprintf("%d events, ", r.Events)
	}
	return fmt.Sprintf("%s; load %s at the begin, %s at the end; %smedians of %d runs", r.Machine, r.Load, r.LoadEnd, events, r.Runs)
}

func (r *Report) table() *Table {
	t := NewTable("what", "weir", "±", "unit", "×", "peer", "its figure", "must", "aim", "reached")
	for i := range r.Rows {
		t.Add(r.Rows[i].cells()...)
	}
	return t
}

// WriteText writes a table for people.
func (r *Report) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", r.title()); err != nil {
		return err
	}
	return r.table().WriteText(w)
}

// WriteMarkdown writes a table for docs/benchmarks.md.
func (r *Report) WriteMarkdown(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s.\n\n", r.title()); err != nil {
		return err
	}
	return r.table().WriteMarkdown(w)
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
