// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/internal/kernel/tracefs"
	"github.com/weir-io/weir/internal/kerneltrace"
)

// nearest lists names that are like one, for whoever mistyped it.
func nearest(events []tracefs.EventName, name string, naming kerneltrace.Naming) string {
	type near struct {
		name     string
		distance int
	}
	if len(name) > maxMistyped {
		return ""
	}
	var all []near
	for _, n := range events {
		candidate := naming.EventName(n.System, n.Name)
		if d := min(distance(name, candidate), distance(name, n.Name), distance(name, n.String())); d <= max(len(name)/3, 2) {
			all = append(all, near{candidate, d})
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	names := make([]string, 0, maxNearest)
	for _, n := range all[:min(len(all), maxNearest)] {
		names = append(names, n.name)
	}
	return "; there are " + strings.Join(names, ", ")
}

// distance is the number of bytes to change, add or take away (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
