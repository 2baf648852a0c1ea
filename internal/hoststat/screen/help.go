// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"fmt"

	"github.com/weir-io/weir/internal/hoststat/table"
)

// helpKeys are the keys beside those of views.
var helpKeys = [][2]string{
	{"q, Ctrl-C", "quit"},
	{"h, ?", "this help; Esc leaves it"},
	{"Up Down PgUp PgDn Home End", "move; k up, with --vi j down too, and o shows processes"},
	{"Left Right", "scroll columns"},
	{"Enter, Esc", "all of the host, back"},
	{"Tab, Shift-Tab", "next and previous view"},
	{"/", "only hosts that match a regular expression; empty: all"},
	{"s, r", "sort by the next column, the other way round"},
	{"S", "sort by a column that is typed"},
	{"g", "by group"},
	{"e", "only hosts that are not up or have alarms"},
	{"i", "interfaces or sensors of the host, each in a row"},
	{"+ -", "double, halve the period (0.5 to 60 s)"},
	{"space", "ask all hosts now"},
	{"P", "pause the display; hosts are asked on"},
	{"A", "what was counted since boot instead of rates"},
	{"w", "write the view to a file"},
	{"H", "history of the sorted column"},
	{"C", "forget history and the alarm log"},
	{"Ctrl-L, Ctrl-Z", "draw anew, suspend"},
}

func (a *app) helpLines() []string {
	lines := []string{"# views"}
	for i, v := range table.Views() {
		lines = append(lines, fmt.Sprintf("  %c  -t %-3d %-12s %s", v.Key, i, v.Name, v.Title))
	}
	lines = append(lines, "", "# keys")
	for _, k := range helpKeys {
		lines = append(lines, fmt.Sprintf("  %-27s %s", k[0], k[1]))
	}
	return append(lines, "", "# marks before hosts", "  ! alarm   ~ late   ? stale")
}
