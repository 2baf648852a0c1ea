// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
)

// document is the description of the format.
func document(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/format/changelog.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rows returns the cells of the tables of a section.
func rows(t *testing.T, doc, section string) [][]string {
	t.Helper()
	_, text, found := strings.Cut(doc, "\n## "+section+"\n")
	if !found {
		t.Fatalf("no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var all [][]string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

func TestDocumentedTypes(t *testing.T) {
	next := changelog.Mark
	for _, row := range rows(t, document(t), "Types")[1:] {
		if row[0] != strconv.Itoa(int(next)) || row[1] != next.String() {
			t.Errorf("row %q, want type %d %v", row, next, next)
		}
		mask := "off"
		switch {
		case next == changelog.Mark:
			mask = "always"
		case changelog.DefaultMask.Has(next):
			mask = "on"
		}
		if row[3] != mask {
			t.Errorf("%v: mask %q, want %q", next, row[3], mask)
		}
		r := changelog.Record{Type: next}
		op := "–"
		if r.MakeReint() {
			op = strconv.Itoa(int(r.Reint[0]))
		}
		if row[4] != op {
			t.Errorf("%v: opcode %q, want %q", next, row[4], op)
		}
		next++
	}
	if next != changelog.DeniedOpen+1 {
		t.Errorf("%d types, want %d", next, changelog.DeniedOpen+1)
	}
}

func TestDocumentedMarks(t *testing.T) {
	table, marks := rows(t, document(t), "Marks")[1:], sampleMarks()
	if len(table) != len(marks) {
		t.Fatalf("%d kinds, want %d", len(table), len(marks))
	}
	slices.SortFunc(marks, func(a, b changelog.Marker) int { return cmp.Compare(a.Kind, b.Kind) })
	for i, m := range marks {
		if row := table[i]; row[0] != fmt.Sprintf("0x%x", uint32(m.Kind)) || row[1] != m.Kind.String() {
			t.Errorf("row %q, want %#x %v", row, uint32(m.Kind), m.Kind)
		}
		doc := string(m.AppendJSON(nil))
		for _, member := range strings.Split(table[i][3], ", ") {
			name, _, _ := strings.Cut(strings.Trim(member, "`"), "`")
			if name != "" && !strings.Contains(doc, `"`+name+`":`) && !strings.Contains(doc, `"`+name+`_b64":`) {
				t.Errorf("mark %s has no member %s", doc, name)
			}
		}
	}
}

// TestDocumentedExamples encodes the examples of the page.
func TestDocumentedExamples(t *testing.T) {
	doc, examples := document(t), 0
	for _, f := range []struct {
		fence  string
		encode func([]byte, *changelog.Record) []byte
	}{{"json", changelog.AppendJSON}, {"text", changelog.AppendText}} {
		for _, block := range strings.Split(doc, "\n```"+f.fence+" ")[1:] {
			block, _, _ = strings.Cut(block, "\n```")
			name, want, _ := strings.Cut(block, "\n")
			for _, r := range sampleRecords() {
				if r.Type.String() != name {
					continue
				}
				r.Has &^= changelog.HasReint
				if got := string(f.encode(nil, &r)); got != want {
					t.Errorf("%s %s:\n%s\nwant\n%s", f.fence, name, want, got)
				}
				examples++
			}
		}
	}
	if examples != 4 {
		t.Errorf("%d examples, want 4", examples)
	}
}
