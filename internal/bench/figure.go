// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"slices"
	"strconv"
)

// Figures returns a figure of each of some runs.
func Figures[T any](runs []T, figure func(T) float64) []float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, figure(r))
	}
	return all
}

// Median returns the middle of some values, 0 without any.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the value that a part q of some values do not exceed, 0
// without any.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// Spread returns how far some values lie apart, as a part of their median.
func Spread(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return Ratio(slices.Max(values)-slices.Min(values), Median(values))
}

// Ratio returns a/b, 0 if one of them lacks.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Percent returns a part of one as text.
func Percent(v float64) string { return strconv.FormatFloat(v*100, 'f', 0, 64) + "%" }
