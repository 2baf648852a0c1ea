// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table is a table of texts.
type Table struct {
	head []string
	rows [][]string
}

// NewTable returns a table without rows.
func NewTable(head ...string) *Table { return &Table{head: head} }

// Add adds a row, which may be shorter than the head.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// WriteText writes the table with aligned columns.
func (t *Table) WriteText(w io.Writer) error {
	a := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintln(a, strings.TrimRight(strings.Join(cells, "\t"), "\t")) // an error shows in Flush
	}
	return a.Flush()
}

// WriteMarkdown writes the table for documents.
func (t *Table) WriteMarkdown(w io.Writer) error {
	var text strings.Builder
	line := func(cells []string) { fmt.Fprintf(&text, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	fmt.Fprintf(&text, "|%s\n", strings.Repeat("---|", len(t.head)))
	for _, cells := range t.rows {
		line(cells)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
