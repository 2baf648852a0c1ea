// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"math"
	"testing"
	"time"
)

const second = time.Second

func TestSource(t *testing.T) {
	type reading struct{ now, step time.Duration }
	for _, tt := range []struct {
		name     string
		readings []reading
		want     span
	}{
		{"first", []reading{{100 * second, 0}}, span{}},
		{"second", []reading{{100 * second, 0}, {102 * second, 0}}, span{2, rated}},
		{"same", []reading{{100 * second, 0}, {100 * second, 0}}, span{kind: keep}},
		{"close", []reading{{100 * second, 0}, {100*second + 199*time.Millisecond, 0}}, span{kind: keep}},
		{"close, then far: from the first", []reading{{100 * second, 0}, {100*second + 100*time.Millisecond, 0}, {101 * second, 0}}, span{1, rated}},
		{"just far enough", []reading{{100 * second, 0}, {100*second + 200*time.Millisecond, 0}}, span{0.2, rated}},
		{"back", []reading{{100 * second, 0}, {99 * second, 0}}, span{}},
		{"back, then on", []reading{{100 * second, 0}, {90 * second, 0}, {91 * second, 0}}, span{1, rated}},
		{"gap", []reading{{100 * second, 0}, {111 * second, 0}}, span{}},
		{"no gap", []reading{{100 * second, 0}, {110 * second, 0}}, span{10, rated}},
		{"set ahead", []reading{{100 * second, 0}, {3601 * second, 3500 * second}}, span{1, rated}},
		{"set back", []reading{{5000 * second, 0}, {101 * second, -4900 * second}}, span{1, rated}},
		{"set while the reading is the same", []reading{{100 * second, 0}, {200 * second, 100 * second}, {202 * second, 0}}, span{2, rated}},
	} {
		var s source
		var got span
		for _, r := range tt.readings {
			got = s.advance(r.now, r.step, second)
		}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestClock(t *testing.T) {
	const ms = time.Millisecond
	var c clock
	for i, tt := range []struct{ wall, monotonic, want time.Duration }{
		{1000 * second, 10 * second, 0},
		{1001 * second, 11 * second, 0},
		{1002*second + 50*ms, 12 * second, 0},               // slewed
		{1003*second + 101*ms, 13 * second, 51 * ms},        // set
		{1004*second + 101*ms, 14 * second, 0},              // from there on
		{504*second + 101*ms, 14 * second, -500 * second},   // back
		{604*second + 101*ms, 114 * second, 0},              // late is not set
		{4204*second + 101*ms, 114 * second, 3600 * second}, // summer
	} {
		if got := c.step(tt.wall, tt.monotonic); got != tt.want {
			t.Errorf("message %d: set by %v, want %v", i, got, tt.want)
		}
	}
}

func TestRate(t *testing.T) {
	const wrap = 1 << 32
	for _, tt := range []struct {
		name          string
		before, now   uint64
		seconds, most float64
		want          float64
	}{
		{"grows", 100, 300, 2, 1e9, 100},
		{"stands", 100, 100, 1, 1e9, 0},
		{"large", 1 << 63, 1<<63 + 10, 1, 1e9, 10},
		{"wraps", wrap - 50, 50, 1, 1e9, 100},
		{"wraps, too fast", wrap - 50, 2e9, 1, 1e9, math.NaN()},
		{"begun anew", 1000, 10, 1, 1e9, math.NaN()},
		{"begun anew after a while", 1000, 10, 8, mostPackets, math.NaN()},
		{"64 bits begun anew", wrap + 5, 10, 1, 1e9, math.NaN()},
		{"possible within the time", wrap - 1, 1999999999, 2, 1e9, 1e9},
	} {
		if got := rate(tt.before, tt.now, tt.seconds, tt.most); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := climb(10, 9); got != 0 {
		t.Errorf("a counter that goes down has grown by %v", got)
	}
}

func TestRebooted(t *testing.T) {
	for _, tt := range []struct {
		name        string
		before, now identity
		step        time.Duration
		want        bool
	}{
		{"same", identity{"a", 100, 5}, identity{"a", 100, 6}, 0, false},
		{"other identifier", identity{"a", 100, 5}, identity{"b", 100, 6}, 0, true},
		{"the identifier decides", identity{"a", 100, 500}, identity{"a", 200, 6}, 0, false},
		{"only one tells it", identity{"", 100, 5}, identity{"a", 101, 6}, 0, false},
		{"time of boot", identity{btime: 100}, identity{btime: 103}, 0, true},
		{"rounded", identity{btime: 100}, identity{btime: 101}, 0, false},
		{"set", identity{btime: 100}, identity{btime: 3700}, time.Hour, false},
		{"uptime", identity{uptime: 100}, identity{uptime: 3}, 0, true},
		{"first", identity{}, identity{btime: 100, uptime: 5}, 0, false},
	} {
		if got := tt.before.rebooted(&tt.now, tt.step); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n, want := range map[int][2]time.Duration{
		0: {800 * time.Millisecond, 1200 * time.Millisecond}, 3: {6400 * time.Millisecond, 9600 * time.Millisecond},
		6: {48 * second, 72 * second}, 1000: {48 * second, 72 * second},
	} {
		if low, high := backoff(n, 0), backoff(n, 1); low != want[0] || high != want[1] {
			t.Errorf("attempt %d after %v to %v, want %v", n, low, high, want)
		}
	}
}
