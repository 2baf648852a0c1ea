// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"time"

	"github.com/weir-io/weir/ctf"
)

// Window is the span of time that is shown, in ns from the clock's origin, both
// ends included.
type Window struct{ Begin, End int64 }

// All is a window without bounds.
var All = Window{math.MinInt64, math.MaxInt64}

// WindowOf returns the window between two times, either of which may be left
// out. Where they have no date it is that of a moment, in ns since the epoch, in
// a time zone.
func WindowOf(begin, end TimeArg, day int64, zone *time.Location) (Window, error) {
	w := All
	if begin.IsSet() {
		w.Begin = begin.On(day, zone)
	}
	if end.IsSet() {
		w.End = end.On(day, zone)
	}
	if w.Begin > w.End {
		return w, fmt.Errorf("the end %s is before the begin %s", end.text, begin.text)
	}
	return w, nil
}

func (w Window) holds(ns int64) bool { return w.Begin <= ns && ns <= w.End }

// clip returns the part of a loss that may have happened within the window, and
// whether there is one. How many were lost in a part nobody knows.
func (w Window) clip(l *ctf.Loss) (part ctf.Loss, ok bool) {
	part = *l
	if !l.HasRange {
		return part, true
	}
	part.From, part.To = max(l.From, w.Begin), min(l.To, w.End)
	if part.From != l.From || part.To != l.To {
		part.Counted, part.Count = false, 0
	}
	return part, l.To >= w.Begin && l.From <= w.End
}
