// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"math"
	"strconv"
)

// scale says how the number of a tape becomes that of a sample: times a factor, or
// with its decimal point moved.
type scale struct {
	factor uint64 // 0: 1
	point  int    // places by which the number is divided by ten
	pages  bool   // factor is the size of a page, which another host may have another of
	parts  uint64 // of a unit that the number is in; 0: whole ones
	plus   uint64 // added to a number of parts
}

// Scales of the units on tapes.
var (
	plain        = scale{}
	ticks        = scale{point: 2} // USER_HZ is 100 wherever Go runs
	percent      = scale{point: 2}
	milliseconds = scale{point: 3}
	microseconds = scale{point: 6}
	nanoseconds  = scale{point: 9}
	sectors      = scale{factor: 512}
	megabits     = scale{factor: 1_000_000 / 8}
	frequency    = scale{parts: 1_000_000 << 16}
	ratio        = scale{parts: 1_000_000 << 16, plus: 1} // by which a frequency makes a clock another one
)

// append appends a number of a tape: digits, with a sign or a point. It reports
// false for what is none.
func (s scale) append(b, number []byte) ([]byte, bool) {
	if !isNumber(number) {
		return b, false
	}
	switch {
	case s.parts > 0:
		f, _ := strconv.ParseFloat(string(number), 64)
		return strconv.AppendFloat(b, f/float64(s.parts)+float64(s.plus), 'g', -1, 64), true
	case s.factor > 1:
		return s.multiply(b, number), true
	case s.point > 0:
		return movePoint(b, number, s.point), true
	default:
		return append(b, number...), true
	}
}

// isNumber reports whether a text is a decimal number without exponent.
func isNumber(t []byte) bool {
	if len(t) > 0 && t[0] == '-' {
		t = t[1:]
	}
	points := 0
	for _, c := range t {
		switch {
		case c == '.':
			points++
		case c < '0' || c > '9':
			return false
		}
	}
	return len(t) > points && points <= 1
}

// multiply appends a product, as a floating number when it is too large or there
// is a point.
func (s scale) multiply(b, number []byte) []byte {
	n, whole := uint64(0), true
	for _, c := range number {
		if c < '0' || c > '9' || n > (math.MaxUint64/10-9)/s.factor {
			whole = false
			break
		}
		n = 10*n + uint64(c-'0')
	}
	if whole {
		return strconv.AppendUint(b, n*s.factor, 10)
	}
	f, _ := strconv.ParseFloat(string(number), 64)
	return strconv.AppendFloat(b, f*float64(s.factor), 'g', -1, 64)
}

// movePoint appends a number divided by ten as often as is said, without zeroes at
// the end.
func movePoint(b, number []byte, places int) []byte {
	if number[0] == '-' {
		b, number = append(b, '-'), number[1:]
	}
	whole, fraction := number, number[len(number):]
	if i := bytes.IndexByte(number, '.'); i >= 0 {
		whole, fraction = number[:i], number[i+1:]
	}
	if len(whole) <= places {
		b = append(b, '0', '.')
		for range places - len(whole) {
			b = append(b, '0')
		}
		b = append(b, whole...)
	} else {
		cut := len(whole) - places
		b = append(b, bytes.TrimLeft(whole[:cut-1], "0")...)
		b = append(b, whole[cut-1], '.')
		b = append(b, whole[cut:]...)
	}
	b = append(b, fraction...)
	return bytes.TrimSuffix(bytes.TrimRight(b, "0"), []byte("."))
}
