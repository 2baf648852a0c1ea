// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"fmt"
	"io"
	"strings"
)

// String is the stop in words.
func (s *Stop) String() string {
	var text string
	switch {
	case s.Chain != "":
		text = fmt.Sprintf("rule %d of chain %s at %s", s.Position, s.Chain, s.Device)
	case s.Device != "":
		text = fmt.Sprintf("%s at %s", s.Reason, s.Device)
	default:
		text = s.Reason
	}
	if s.ARP {
		text = "ARP: " + text
	}
	return text
}

// WriteText writes a table for each probe. Workloads are numbered; a dot is one that
// is reached, and a letter stands for what stops the packet, told below.
func (m *Matrix) WriteText(w io.Writer) error {
	var out strings.Builder
	legend := map[string]string{}
	var order []string
	width := 0
	for _, name := range m.Workloads {
		width = max(width, len(name))
	}
	letters := m.letters(legend, &order)
	for _, probe := range m.Probes {
		m.table(&out, probe, width, letters)
	}
	if len(order) > 0 {
		fmt.Fprintln(&out, "stopped by")
		for _, stop := range order {
			fmt.Fprintf(&out, "  %s  %s\n", legend[stop], stop)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// letters gives each stop a letter, in the order of their appearance.
func (m *Matrix) letters(legend map[string]string, order *[]string) map[*Stop]string {
	letters := map[*Stop]string{}
	for i := range m.Cells {
		s := m.Cells[i].Stopped
		if s == nil || letters[s] != "" {
			continue
		}
		text := s.String()
		if legend[text] == "" {
			legend[text] = letter(len(*order))
			*order = append(*order, text)
		}
		letters[s] = legend[text]
	}
	return letters
}

// letter is the n-th of a, b, … z, aa, ab, …
func letter(n int) string {
	const alphabet = 26
	s := string(rune('a' + n%alphabet))
	for n = n/alphabet - 1; n >= 0; n = n/alphabet - 1 {
		s = string(rune('a'+n%alphabet)) + s
	}
	return s
}

// table writes the cells of one probe: senders down, receivers across.
func (m *Matrix) table(out *strings.Builder, probe string, width int, letters map[*Stop]string) {
	digits := len(fmt.Sprint(len(m.Workloads)))
	fmt.Fprintf(out, "%s\n%*s  %*s", probe, digits, "", width, "")
	for i := range m.Workloads {
		fmt.Fprintf(out, " %*d", digits, i+1)
	}
	out.WriteByte('\n')
	cell := 0
	next := func() *Cell {
		for m.Cells[cell].Probe != probe {
			cell++
		}
		cell++
		return &m.Cells[cell-1]
	}
	for i, from := range m.Workloads {
		fmt.Fprintf(out, "%*d  %-*s", digits, i+1, width, from)
		for j := range m.Workloads {
			mark := "."
			switch {
			case i == j:
				mark = ""
			default:
				if c := next(); !c.Reached {
					mark = letters[c.Stopped]
				}
			}
			fmt.Fprintf(out, " %*s", digits, mark)
		}
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
}
