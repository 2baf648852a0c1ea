// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/hoststat/poll"
)

// Kind is how the values of a column are written.
type Kind uint8

// Kinds.
const (
	Text     Kind = iota // to the left
	Count                // without a fraction, scaled by 1000 where it is large
	Hundred              // with two digits of a fraction
	Percent              // without a fraction
	Tenth                // with one digit
	Bytes                // scaled by 1024
	Duration             // of s, as days and hours
	Bar                  // of percent
	Time                 // of s since 1970
)

// Column is a column of a view.
type Column struct {
	Key   string // in outputs for programs
	Title string
	Width int
	Kind  Kind

	metric  poll.Metric
	numeric bool // metric is set
}

// Cell is a value in a row.
type Cell struct {
	Text   string
	Number float64
}

// text and number make cells.
func text(s string) Cell    { return Cell{Text: Clean(s), Number: math.NaN()} }
func number(v float64) Cell { return Cell{Number: v} }

// Missing reports whether there is nothing in a cell.
func (c *Cell) Missing() bool { return c.Text == "" && math.IsNaN(c.Number) }

// Format writes a cell as the screen and pages have it, without padding.
func (c *Column) Format(cell Cell) string {
	v := cell.Number
	switch {
	case c.Kind == Text:
		return cell.Text
	case math.IsNaN(v):
		return "-"
	}
	switch c.Kind {
	case Hundred:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case Percent, Bar:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case Tenth:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case Bytes:
		return Scale(v, 1024)
	case Duration:
		return days(v)
	case Time:
		return time.Unix(int64(v), 0).Format("01-02 15:04:05")
	}
	return Scale(v, 1000)
}

// Scale writes a number in at most five characters, with K M G T P E where it is
// large.
func Scale(v, base float64) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if v < 9999.5 && base == 1000 || v < 999.5 {
		return sign + strconv.FormatFloat(v, 'f', 0, 64)
	}
	const units = "KMGTPE"
	i := -1
	for v >= 999.5 && i < len(units)-1 {
		v /= base
		i++
	}
	digits := 0
	switch {
	case v < 9.995:
		digits = 2
	case v < 99.95:
		digits = 1
	}
	return sign + strconv.FormatFloat(v, 'f', digits, 64) + units[i:i+1]
}

// days writes a duration as people say it.
func days(seconds float64) string {
	s := int64(seconds)
	switch {
	case s < 0:
		return "-"
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%dd %02d:%02d", s/86400, s/3600%24, s/60%60)
}

// Raw writes a cell for programs: in the base unit, not scaled, "" where nothing
// is.
func (c *Column) Raw(cell Cell) string {
	if c.Kind == Text {
		return cell.Text
	}
	if math.IsNaN(cell.Number) || math.IsInf(cell.Number, 0) {
		return ""
	}
	return strconv.FormatFloat(roundTo(cell.Number), 'f', -1, 64)
}

// roundTo leaves six digits of a fraction.
func roundTo(v float64) float64 {
	if math.Abs(v) > 1e12 {
		return math.Round(v)
	}
	return math.Round(v*1e6) / 1e6
}
