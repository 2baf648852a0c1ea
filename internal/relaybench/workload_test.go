// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"slices"
	"testing"
)

func TestParseCell(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Cell
	}{
		{"1x16x4096", Cell{1, 16, 4096}},
		{"8x256x64K", Cell{8, 256, 65536}},
		{"1x1x1M", Cell{1, 1, 1 << 20}},
		{"1024x8192x256", Cell{1024, 8192, 256}},
	} {
		got, err := ParseCell(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParseCell(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
		if again, err := ParseCell(got.String()); err != nil || again != got {
			t.Errorf("ParseCell(%q) = %v, %v, want %v", got.String(), again, err, got)
		}
	}
	for _, text := range []string{
		"", "1", "1x2", "1x2x4096x1", "0x1x4096", "1x0x4096", "1x1x0", "1x1x255", "1x1x4097", "1x1x128M",
		"-1x1x4096", "ax1x4096", "1x1x4096B", "1025x1x4096", "1x8193x4096", "99999999999x1x4096", "1x1xK", " 1x1x4096",
	} {
		if got, err := ParseCell(text); err == nil {
			t.Errorf("ParseCell(%q) = %v, want an error", text, got)
		}
	}
}

func TestParseCells(t *testing.T) {
	got, err := ParseCells("1x16x4096, 8x1x1M")
	if want := []Cell{{1, 16, 4096}, {8, 1, 1 << 20}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("ParseCells = %v, %v, want %v", got, err, want)
	}
	if _, err := ParseCells("1x16x4096,"); err == nil {
		t.Error("ParseCells with an empty cell: no error")
	}
}

func TestParseIndexMode(t *testing.T) {
	for _, m := range []IndexMode{Pipelined, Sync} {
		if got, err := ParseIndexMode(string(m)); err != nil || got != m {
			t.Errorf("ParseIndexMode(%q) = %q, %v", m, got, err)
		}
	}
	if _, err := ParseIndexMode("both"); err == nil {
		t.Error("ParseIndexMode(both): no error")
	}
}

func TestWorkloadPackets(t *testing.T) {
	for _, w := range []Workload{
		{Cell: Cell{1, 16, 4096}},
		{Cell: Cell{8, 256, 1 << 20}},
		{Cell: Cell{3, 7, 4096}, VolumeBytes: 1 << 20},
		{Cell: Cell{2, 5, 1 << 20}, VolumeBytes: 1},
	} {
		w = w.withDefaults()
		sum := 0
		for i := range w.Streams {
			sum += w.streamPackets(i)
		}
		if sum != w.sessionPackets() || sum == 0 {
			t.Errorf("%s: the streams have %d packets, the session %d", w, sum, w.sessionPackets())
		}
	}
	small, large := Workload{Cell: Cell{1, 1, 4096}}.withDefaults(), Workload{Cell: Cell{1, 1, 8192}}.withDefaults()
	if small.VolumeBytes != 256<<20 || large.VolumeBytes != 1<<30 {
		t.Errorf("default volumes are %d and %d, want 256 MiB and 1 GiB", small.VolumeBytes, large.VolumeBytes)
	}
}

// The published table needs every cell, the synchronous one and the pairs that
// show what viewers cost.
func TestSuiteIsComplete(t *testing.T) {
	all := Suite()
	for _, sessions := range []int{1, 8} {
		for _, streams := range []int{1, 16, 256} {
			for _, packet := range []int{4096, 65536, 1 << 20} {
				w := Workload{Cell: Cell{sessions, streams, packet}, Index: Pipelined}
				if !slices.Contains(all, w) {
					t.Errorf("%s is missing", w)
				}
			}
		}
	}
	if !slices.ContainsFunc(all, func(w Workload) bool { return w.Index == Sync && w.PacketBytes == 4096 }) {
		t.Error("no synchronous workload")
	}
	for _, suite := range [][]Workload{all, QuickSuite()} {
		pairs := 0
		for _, w := range suite {
			if err := w.check(); err != nil {
				t.Errorf("%s: %v", w, err)
			}
			if w.Viewers == 0 {
				continue
			}
			w.Viewers = 0
			if pairs++; !slices.Contains(suite, w) {
				t.Errorf("%s with viewers has no pair without", w)
			}
		}
		if pairs == 0 {
			t.Error("no workload with viewers")
		}
	}
}
