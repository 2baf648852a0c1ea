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

// overlaps reports whether a loss may have happened within the window.
func (w Window) overlaps(l *ctf.Loss) bool {
	return !l.HasRange || l.To >= w.Begin && l.From <= w.End
}
