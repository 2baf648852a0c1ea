// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// What C's printf prints with %g.
func TestAppendG(t *testing.T) {
	negativeNaN := math.Copysign(math.NaN(), -1)
	tests := []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "-0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{float64(float32(0.1)), "0.1"},
		{100, "100"},
		{100000, "100000"},
		{-999999, "-999999"},
		{1e6, "1e+06"},
		{1234567, "1.23457e+06"},
		{123456.5, "123456"},
		{123457.5, "123458"},
		{999999.5, "1e+06"},
		{99999.95, "99999.9"},
		{99999.96, "100000"},
		{99999.85, "99999.9"},
		{123456789, "1.23457e+08"},
		{0.0001, "0.0001"},
		{0.00012345678, "0.000123457"},
		{0.00001, "1e-05"},
		{0.000099999951, "0.0001"},
		{0.00009999994, "9.99999e-05"},
		{1e10, "1e+10"},
		{1e100, "1e+100"},
		{-1.25e-100, "-1.25e-100"},
		{math.Pi, "3.14159"},
		{3.25, "3.25"},
		{10.5, "10.5"},
		{math.MaxFloat64, "1.79769e+308"},
		{math.SmallestNonzeroFloat64, "4.94066e-324"},
		{math.MaxFloat32, "3.40282e+38"},
		{math.SmallestNonzeroFloat32, "1.4013e-45"},
		{math.Inf(1), "inf"},
		{math.Inf(-1), "-inf"},
		{math.NaN(), "nan"},
		{negativeNaN, "-nan"},
	}
	for _, tt := range tests {
		if got := string(appendG(nil, tt.v)); got != tt.want {
			t.Errorf("appendG(%v) = %s, want %s", tt.v, got, tt.want)
		}
	}
}

// Random numbers against the printf program, which takes hexadecimal floats.
func TestAppendGRandom(t *testing.T) {
	printf := peer.Need(t, "printf")
	r := rand.New(rand.NewPCG(1, 2))
	const batches, batch = 10, 1000
	for range batches {
		numbers := make([]float64, batch)
		args := []string{"%g\n"}
		for i := range numbers {
			numbers[i] = randomFloat(r)
			args = append(args, fmt.Sprintf("%x", numbers[i]))
		}
		cmd := exec.Command(printf, args...)
		cmd.Env = []string{"LC_ALL=C"}
		out, err := cmd.Output()
		if err != nil {
			peer.Lack(t, "a printf that takes hexadecimal floats: %v", err)
		}
		for i, want := range strings.Fields(string(out)) {
			if got := string(appendG(nil, numbers[i])); got != want {
				t.Errorf("appendG(%x) = %s, printf has %s", numbers[i], got, want)
			}
		}
	}
}

// randomFloat draws from all finite numbers, or from those whose text has few
// digits, where rounding and exponents change.
func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		for {
			if v := math.Float64frombits(r.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	case 1:
		return float64(math.Float32frombits(r.Uint32N(0x7f800000)))
	case 2: // seven digits, so that half of the last one decides
		return float64(r.IntN(2_000_000)*10+5) * math.Pow10(r.IntN(16)-10)
	default:
		return r.NormFloat64() * math.Pow10(r.IntN(14)-7)
	}
}

func BenchmarkAppendG(b *testing.B) {
	var dst []byte
	v := 0.1234
	b.ReportAllocs()
	for b.Loop() {
		v += 1.37
		dst = appendG(dst[:0], v)
	}
}
