// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"

	"github.com/weir-io/weir/ctf"
)

// Window is the span of time that is shown, in ns from the clock's origin, both
// ends included.
type Window struct{ Begin, End int64 }

// All is a window without bounds.
var All = Window{math.MinInt64, math.MaxInt64}

func (w Window) holds(ns int64) bool { return w.Begin <= ns && ns <= w.End }

// overlaps reports whether a loss may have happened within the window.
func (w Window) overlaps(l *ctf.Loss) bool {
	return !l.HasRange || l.To >= w.Begin && l.From <= w.End
}
