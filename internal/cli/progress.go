// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/weir-io/weir/internal/progress"
)

// newProgress returns a function that shows on a terminal how far long work
// has come: how much of how many bytes, and how many events.
func newProgress(w io.Writer) progress.Func {
	start := time.Now()
	shown := false
	return func(done, total, events int64, end bool) {
		spent := time.Since(start)
		if end {
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
			return
		}
		shown = true
		left := none
		if done > 0 && total > done {
			left = time.Duration(float64(spent) * float64(total-done) / float64(done)).Round(time.Second).String()
		}
		percent := 0.0
		if total > 0 {
			percent = 100 * float64(done) / float64(total)
		}
		fmt.Fprintf(w, "\r\x1b[K%s of %s (%.0f %%), %d events, %.0f events/s, %s left",
			formatBytes(done), formatBytes(total), percent, events, float64(events)/spent.Seconds(), left)
	}
}

// formatBytes gives a size with one decimal and its unit.
func formatBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n), -1
	for ; f >= unit && i < 4; i++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}
