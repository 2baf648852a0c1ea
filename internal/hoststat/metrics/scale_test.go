// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"math"
	"strconv"
	"testing"
)

func TestScale(t *testing.T) {
	for _, c := range []struct {
		scale    scale
		in, want string
	}{
		{plain, "42", "42"},
		{plain, "-1", "-1"},
		{plain, "0.12", "0.12"},
		{plain, "", "none"},
		{plain, "-", "none"},
		{plain, ".", "none"},
		{plain, "1.2.3", "none"},
		{plain, "NaN", "none"},
		{plain, "1e5", "none"},
		{ticks, "0", "0"},
		{ticks, "5", "0.05"},
		{ticks, "50", "0.5"},
		{ticks, "100", "1"},
		{ticks, "1050259", "10502.59"},
		{ticks, "-7", "-0.07"},
		{percent, "0.00", "0"},
		{percent, "12.30", "0.123"},
		{percent, "0.12", "0.0012"},
		{percent, "100.00", "1"},
		{microseconds, "1000000", "1"},
		{microseconds, "1", "0.000001"},
		{microseconds, "18446744073709551615", "18446744073709.551615"},
		{ticks, "0042", "0.42"},
		{sectors, "2", "1024"},
		{sectors, "18446744073709551615", "9.44473296573929e+21"},
		{sectors, "0.5", "256"},
		{megabits, "10000", "1250000000"},
		{megabits, "-1", "-125000"},
		{ratio, "0", "1"},
		{ratio, "-3276800", "0.99995"},
		{frequency, "65536", "1e-06"},
		{scale{point: 9}, "1795905920309535123", "1795905920.309535123"},
	} {
		b, ok := c.scale.append(nil, []byte(c.in))
		got := string(b)
		if !ok {
			got = "none"
		}
		if got != c.want {
			t.Errorf("%+v of %q = %s, want %s", c.scale, c.in, got, c.want)
		}
	}
}

// FuzzScale compares with floating point.
func FuzzScale(f *testing.F) {
	f.Add("123.450", uint8(2), uint16(0))
	f.Add("-0.001", uint8(9), uint16(0))
	f.Add("18446744073709551615", uint8(0), uint16(512))
	f.Fuzz(func(t *testing.T, number string, point uint8, factor uint16) {
		if len(number) > 30 {
			return
		}
		s := scale{point: int(point % 12), factor: uint64(factor)}
		b, ok := s.append([]byte("x "), []byte(number))
		if string(b[:2]) != "x " || !ok && len(b) != 2 {
			t.Fatalf("%+v of %q wrote %q", s, number, b)
		}
		in, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil {
			return
		}
		want := in
		switch {
		case s.factor > 1:
			want *= float64(s.factor)
		case s.point > 0:
			want /= math.Pow10(s.point)
		}
		got, err := strconv.ParseFloat(string(b[2:]), 64)
		if err != nil || !near(got, want) {
			t.Errorf("%+v of %q = %q, want %v", s, number, b[2:], want)
		}
	})
}
