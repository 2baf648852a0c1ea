// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"math"
	"time"
)

// Lengths of a history that is kept whole.
const (
	PointCount  = 720  // at the period of polling
	MinuteCount = 1440 // a day
)

// headlines is the number of values of a point.
const headlines = len(Headlines)

// history is what the headline metrics of a host were. Both rings grow as they
// fill. The bounds of minutes are kept in half of the bits, rounded away from the
// mean, so that they stay bounds: 230 KB a host after a day.
type history struct {
	points  ring[float32]
	means   ring[float32]
	lowest  ring[uint16]
	highest ring[uint16]
	minute  accumulator
}

// accumulator is the minute that has not ended.
type accumulator struct {
	number int64 // minutes since 1970
	sum    [headlines]float64
	count  [headlines]int32
	low    [headlines]float32
	high   [headlines]float32
}

// ring keeps the last rows of one value a headline.
type ring[T any] struct {
	rows []T // whole rows
	next int // row that the next one replaces, once the ring is full
}

// push appends a row, in place of the oldest one if there are most.
func (r *ring[T]) push(row *[headlines]T, most int) {
	have := len(r.rows) / headlines
	if have < most {
		if len(r.rows) == cap(r.rows) {
			grown := make([]T, len(r.rows), min(most, have+max(32, have/2))*headlines)
			copy(grown, r.rows)
			r.rows = grown
		}
		r.rows = append(r.rows, row[:]...)
		return
	}
	copy(r.rows[r.next*headlines:], row[:])
	r.next = (r.next + 1) % most
}

// each yields a column of the rows, the oldest first.
func (r *ring[T]) each(column int, yield func(T)) {
	n := len(r.rows) / headlines
	for i := range n {
		yield(r.rows[(r.next+i)%n*headlines+column])
	}
}

// push adds a point. half is what share of the full length is kept.
func (h *history) push(now time.Time, row *[headlines]float32, points, minutes int) {
	if points > 0 {
		h.points.push(row, points)
	}
	if minutes == 0 {
		return
	}
	if number := now.Unix() / 60; number != h.minute.number {
		if h.minute.number != 0 {
			h.endMinute(minutes)
		}
		h.minute = accumulator{number: number}
	}
	h.minute.add(row)
}

func (a *accumulator) add(row *[headlines]float32) {
	for i, v := range row {
		if v != v {
			continue
		}
		if a.count[i] == 0 {
			a.low[i], a.high[i] = v, v
		}
		a.low[i], a.high[i] = min(a.low[i], v), max(a.high[i], v)
		a.sum[i] += float64(v)
		a.count[i]++
	}
}

func (h *history) endMinute(minutes int) {
	var mean [headlines]float32
	var low, high [headlines]uint16
	for i := range mean {
		m := &h.minute
		if m.count[i] == 0 {
			mean[i], low[i], high[i] = float32(missing), shortNaN, shortNaN
			continue
		}
		mean[i] = float32(m.sum[i] / float64(m.count[i]))
		low[i], high[i] = below(m.low[i]), above(m.high[i])
	}
	h.means.push(&mean, minutes)
	h.lowest.push(&low, minutes)
	h.highest.push(&high, minutes)
}

// Numbers of 16 bits are the upper half of a float32.
const shortNaN = 0x7fc0

func long(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }

// below returns a short number that is not above v.
func below(v float32) uint16 {
	bits := math.Float32bits(v)
	if v < 0 && bits&0xffff != 0 {
		bits += 1 << 16 // away from 0
	}
	return uint16(bits >> 16)
}

// above returns a short number that is not below v.
func above(v float32) uint16 {
	bits := math.Float32bits(v)
	if v > 0 && bits&0xffff != 0 {
		bits += 1 << 16
	}
	return uint16(bits >> 16)
}

// headline returns the place of a metric in a point, or -1.
func headline(m Metric) int {
	for i, h := range Headlines {
		if h == m {
			return i
		}
	}
	return -1
}
