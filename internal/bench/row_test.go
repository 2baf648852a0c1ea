// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import "testing"

func TestRowReaches(t *testing.T) {
	least, most := &Bar{Must: 8, Aim: 12}, &Bar{Most: true, Must: 50, Aim: 10}
	none, ratio := &Bar{Most: true}, &Bar{OfRatio: true, Must: 2, Aim: 3}
	mostRatio := &Bar{OfRatio: true, Most: true, Must: 1.2, Aim: 1}
	for _, tt := range []struct {
		name string
		row  Row
		want string
	}{
		{"no bar", Row{Weir: 1, Runs: 1}, ""},
		{"below", Row{Weir: 7.9, Runs: 1, Bar: least}, "no"},
		{"must", Row{Weir: 8, Runs: 1, Bar: least}, "must"},
		{"aim", Row{Weir: 12, Runs: 1, Bar: least}, "aim"},
		{"late", Row{Weir: 51, Runs: 1, Bar: most}, "no"},
		{"soon enough", Row{Weir: 50, Runs: 1, Bar: most}, "must"},
		{"soon", Row{Weir: 9, Runs: 1, Bar: most}, "aim"},
		{"none at all", Row{Runs: 1, Bar: none}, "aim"},
		{"one too many", Row{Weir: 1, Runs: 1, Bar: none}, "no"},
		{"ratio", Row{Weir: 1, Ratio: 2.5, Runs: 1, Bar: ratio}, "must"},
		{"small ratio", Row{Weir: 1, Ratio: 1.1, Runs: 1, Bar: mostRatio}, "must"},
		{"no peer", Row{Weir: 1, Runs: 1, Bar: ratio}, ""},
		{"no peer, at most", Row{Weir: 1, Runs: 1, Bar: mostRatio}, ""},
		{"failed", Row{Weir: 9, Runs: 1, Bar: least, Error: "x"}, ""},
		{"nothing", Row{Bar: least}, ""},
	} {
		if got := tt.row.met(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRowFigures(t *testing.T) {
	var r Row
	r.Set([]float64{4, 2, 3})
	r.Against("nobody", nil)
	if r.Weir != 3 || r.Runs != 3 || r.Spread != 2.0/3 || r.Peer != "" || r.Other != 0 || r.Ratio != 0 {
		t.Errorf("alone: got %+v", r)
	}
	r.Against("peer", []float64{1, 2})
	if r.Other != 1.5 || r.Ratio != 2 || r.Peer != "peer" {
		t.Errorf("next to a peer: got %+v", r)
	}
	r = Row{}
	r.Set([]float64{0, 0})
	if r.Against("peer", []float64{0}); r.Spread != 0 || r.Ratio != 0 || r.Runs != 2 {
		t.Errorf("of nothing: got %+v", r)
	}
}
