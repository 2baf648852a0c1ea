// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-io/weir/internal/hoststat/table"
)

// Format is how pages are written.
type Format string

// Formats of tables. See also [XML] and [WriteMetrics].
const (
	Plain      Format = "text"
	TSV        Format = "tsv"
	CSV        Format = "csv"
	JSONLines  Format = "jsonl"
	XML        Format = "xml"
	Prometheus Format = "prom"
)

// Formats lists the names.
func Formats() []string {
	return []string{string(Plain), string(TSV), string(CSV), string(JSONLines), string(XML), string(Prometheus)}
}

// Writer writes pages of one view.
type Writer struct {
	out    io.Writer
	format Format
	begun  bool
	buf    []byte
}

// New returns a writer of tables in text, tsv, csv or jsonl.
func New(out io.Writer, format Format) (*Writer, error) {
	switch format {
	case Plain, TSV, CSV, JSONLines:
		return &Writer{out: out, format: format}, nil
	}
	return nil, fmt.Errorf("format %s is none of tables", format)
}

// Write writes a page.
func (w *Writer) Write(t *table.Table) error {
	w.buf = w.buf[:0]
	switch w.format {
	case Plain:
		w.text(t)
	case JSONLines:
		w.jsonLines(t)
	default:
		w.separated(t)
	}
	w.begun = true
	_, err := w.out.Write(w.buf)
	return err
}

func (w *Writer) print(format string, args ...any) { w.buf = fmt.Appendf(w.buf, format, args...) }

// text writes a page for people: fields as wide as their columns, and nothing but
// the last one with blanks in it.
func (w *Writer) text(t *table.Table) {
	w.print("# view=%s time=%s hosts=%d up=%d\n#", t.View.Name, t.Time.UTC().Format(time.RFC3339), t.Summary.Hosts, t.Summary.Up)
	last := len(t.View.Columns) - 1
	for i := range t.View.Columns {
		c := &t.View.Columns[i]
		title := strings.ReplaceAll(c.Title, " ", "_")
		if title == "" {
			title = c.Key
		}
		width := c.Width
		if i == 0 {
			width-- // behind the #
		}
		w.field(c, title, width, i == last)
	}
	for i := range t.Rows {
		w.textRow(t, &t.Rows[i])
	}
	w.print("\n")
}

func (w *Writer) textRow(t *table.Table, r *table.Row) {
	if r.Heading {
		w.print("# group %s\n", r.Group)
		return
	}
	last := len(t.View.Columns) - 1
	for i := range t.View.Columns {
		c := &t.View.Columns[i]
		value := "-"
		switch {
		case i == 0:
			value = r.Host
		case r.Told:
			value = c.Format(r.Cells[i])
		}
		if value == "" {
			value = "-"
		}
		if i < last {
			value = strings.ReplaceAll(value, " ", "_")
		}
		w.field(c, value, c.Width, i == last)
	}
	if !r.Told {
		w.print("# %v: %s: %s\n", r.State, r.Host, r.Reason)
	}
}

// field writes a field and what is behind it.
func (w *Writer) field(c *table.Column, value string, width int, last bool) {
	pad := max(0, width-utf8.RuneCountInString(value))
	end := " "
	if last {
		end = "\n"
	}
	switch {
	case c.Kind != table.Text:
		w.print("%s%s%s", strings.Repeat(" ", pad), value, end)
	case last:
		w.print("%s%s", value, end)
	default:
		w.print("%s%s%s", value, strings.Repeat(" ", pad), end)
	}
}

// separated writes tab- or comma-separated values, with a head before the first.
func (w *Writer) separated(t *table.Table) {
	fields := []string{"time", "state"}
	for i := range t.View.Columns {
		fields = append(fields, t.View.Columns[i].Key)
	}
	if !w.begun {
		w.line(fields)
	}
	now := t.Time.UTC().Format(time.RFC3339Nano)
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Heading {
			continue
		}
		fields = append(fields[:0], now, r.State.String(), r.Host)
		for c := 1; c < len(t.View.Columns); c++ {
			value := ""
			if r.Told {
				value = t.View.Columns[c].Raw(r.Cells[c])
			}
			fields = append(fields, value)
		}
		w.line(fields)
	}
}

// line writes fields as RFC 4180 has them, or between tabs, which clean texts do
// not have.
func (w *Writer) line(fields []string) {
	comma, end := "\t", "\n"
	if w.format == CSV {
		comma, end = ",", "\r\n"
	}
	for i, f := range fields {
		if i > 0 {
			w.print("%s", comma)
		}
		if w.format == CSV && strings.ContainsAny(f, ",\"\r\n") {
			f = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
		w.print("%s", f)
	}
	w.print("%s", end)
}

// jsonLines writes an object a row. What is missing is null.
func (w *Writer) jsonLines(t *table.Table) {
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Heading {
			continue
		}
		w.print(`{"host":%s,"time":%q`, quoted(r.Host), t.Time.UTC().Format(time.RFC3339Nano))
		section := "null"
		if !r.Section.IsZero() {
			section = `"` + r.Section.UTC().Format(time.RFC3339Nano) + `"`
		}
		w.print(`,"section_time":%s,"view":%q,"state":%q`, section, t.View.Name, r.State.String())
		if !r.Told {
			w.print(`,"reason":%s}`+"\n", quoted(r.Reason))
			continue
		}
		for c := 1; c < len(t.View.Columns); c++ {
			column := &t.View.Columns[c]
			w.print(`,%s:%s`, quoted(column.Key), jsonValue(column, r.Cells[c]))
		}
		w.print("}\n")
	}
}

func jsonValue(c *table.Column, cell table.Cell) string {
	raw := c.Raw(cell)
	switch {
	case c.Kind == table.Text && (raw != "" || math.IsNaN(cell.Number)):
		return quoted(raw)
	case raw == "":
		return "null"
	}
	return raw
}

// quoted writes a string of JSON. Strings can always be written.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
