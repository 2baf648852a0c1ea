// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import "testing"

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{3}, 0.5, 3},
		{[]float64{9, 1}, 0.5, 5},
		{[]float64{9, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0.9, 10},
		{[]float64{2, 1}, 1, 2},
	} {
		if got := Quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("Quantile(%v, %v) = %v, want %v", tt.values, tt.q, got, tt.want)
		}
	}
	values := []float64{9, 1, 2}
	if got := Median(values); got != 2 || values[0] != 9 {
		t.Errorf("Median = %v, want 2, and leaves %v as it was", got, values)
	}
}

func TestSpreadAndRatio(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 0}, {[]float64{0, 0}, 0}, {[]float64{400, 600, 500}, 0.4},
	} {
		if got := Spread(tt.values); got != tt.want {
			t.Errorf("Spread(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
	if got := Ratio(3, 2); got != 1.5 {
		t.Errorf("Ratio(3, 2) = %v, want 1.5", got)
	}
	if got := Ratio(3, 0); got != 0 {
		t.Errorf("Ratio(3, 0) = %v, want 0", got)
	}
}
