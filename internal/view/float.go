// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"math"
	"strconv"
)

// appendG appends a number as C's printf does with %g: six significant digits,
// without zeros at the end, with an exponent where that is below -4 or above 5.
func appendG(dst []byte, v float64) []byte {
	const precision = 6
	switch {
	case math.IsInf(v, 0) || math.IsNaN(v):
		return appendNotFinite(dst, v)
	case v == math.Trunc(v) && math.Abs(v) < 1e6:
		if math.Signbit(v) {
			dst = append(dst, '-')
		}
		return appendUint(dst, uint64(math.Abs(v)))
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], v, 'e', precision-1, 64) // -d.ddddde±dd
	if e[0] == '-' {
		dst = append(dst, '-')
		e = e[1:]
	}
	split := precision + 1
	exp := parseExponent(e[split+1:])
	e[1] = e[0] // the point goes: the digits are e[1:split]
	d := bytes.TrimRight(e[1:split], "0")
	switch {
	case exp < -4 || exp >= precision:
		dst = append(dst, d[0])
		if len(d) > 1 {
			dst = append(append(dst, '.'), d[1:]...)
		}
		return append(dst, e[split:]...)
	case exp < 0:
		dst = append(dst, "0.0000"[:1-exp]...)
		return append(dst, d...)
	case len(d) > exp+1:
		dst = append(append(dst, d[:exp+1]...), '.')
		return append(dst, d[exp+1:]...)
	default:
		dst = append(dst, d...)
		return append(dst, "000000"[:exp+1-len(d)]...)
	}
}

func appendNotFinite(dst []byte, v float64) []byte {
	if math.Signbit(v) {
		dst = append(dst, '-')
	}
	if math.IsNaN(v) {
		return append(dst, "nan"...)
	}
	return append(dst, "inf"...)
}

// parseExponent reads the exponent that package strconv wrote: a sign and two
// or three digits.
func parseExponent(b []byte) int {
	n := 0
	for _, c := range b[1:] {
		n = 10*n + int(c-'0')
	}
	if b[0] == '-' {
		return -n
	}
	return n
}
