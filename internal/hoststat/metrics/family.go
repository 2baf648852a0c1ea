// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import "strings"

// kind is the type of a family.
type kind uint8

const (
	gauge kind = iota
	counter
	unknown
	summary
)

// words are the names of the kinds in both formats, by which they differ.
var words = [...][2]string{gauge: {"gauge", "gauge"}, counter: {"counter", "counter"}, unknown: {"untyped", "unknown"}, summary: {"summary", "summary"}}

// format is a form of the exposition.
type format uint8

const (
	text        format = iota // version 0.0.4
	openMetrics               // version 1.0.0
)

// Content types of the formats.
const (
	typeText        = "text/plain; version=0.0.4; charset=utf-8"
	typeOpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// total ends the names of counters. In OpenMetrics it is a part of the samples'
// name and not of the family's.
const total = "_total"

// family is a set of samples that differ by their labels.
type family struct {
	name  string    // of its samples
	heads [2]string // what precedes the samples, by format
}

func newFamily(name string, k kind, help string) family {
	f := family{name: name}
	for i := range f.heads {
		title := name
		if k == counter && format(i) == openMetrics {
			title = strings.TrimSuffix(name, total)
		}
		if help != "" {
			f.heads[i] = "# HELP " + title + " " + help + "\n"
		}
		f.heads[i] += "# TYPE " + title + " " + words[k][i] + "\n"
	}
	return f
}
