// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import "strconv"

// Row is one thing that was measured.
type Row struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit,omitempty"` // of both figures
	Weir   float64 `json:"weir"`           // median
	Spread float64 `json:"spread"`         // (largest − smallest) / median
	Peer   string  `json:"peer,omitempty"` // what it is held against
	Other  float64 `json:"other,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"` // weir / other
	Runs   int     `json:"runs"`
	Note   string  `json:"note,omitempty"`
	Bar    *Bar    `json:"bar,omitempty"`
	Met    string  `json:"met,omitempty"` // aim, must or no
	Error  string  `json:"error,omitempty"`
}

// Bar is what a figure has to reach.
type Bar struct {
	OfRatio bool    `json:"of_ratio"` // the ratio has to, else the figure
	Most    bool    `json:"most"`     // not more than that, else not less
	Must    float64 `json:"must"`
	Aim     float64 `json:"aim"`
}

// Set fills in weir's figure, from those of all runs.
func (r *Row) Set(values []float64) {
	r.Weir, r.Spread, r.Runs = Median(values), Spread(values), len(values)
}

// Against fills in what it is compared with, when that was measured.
func (r *Row) Against(peer string, values []float64) {
	if len(values) == 0 {
		return
	}
	r.Peer, r.Other = peer, Median(values)
	r.Ratio = Ratio(r.Weir, r.Other)
}

// met says which bar a row reaches: "aim", "must", "no", or "" without one.
func (r *Row) met() string {
	if r.Bar == nil || r.Error != "" || r.Runs == 0 {
		return ""
	}
	v := r.Weir
	if r.Bar.OfRatio {
		if v = r.Ratio; v == 0 {
			return ""
		}
	}
	reaches := func(bar float64) bool { return v >= bar != r.Bar.Most || v == bar }
	switch {
	case reaches(r.Bar.Aim):
		return "aim"
	case reaches(r.Bar.Must):
		return "must"
	default:
		return "no"
	}
}

// cells gives the cells of a row for people.
func (r *Row) cells() []string {
	if r.Error != "" {
		return []string{r.Name, "failed", "", "", "", "", "", "", "", r.Error}
	}
	must, aim := "", ""
	if b := r.Bar; b != nil {
		must, aim = b.text(b.Must), b.text(b.Aim)
	}
	name := r.Name
	if r.Note != "" {
		name += " (" + r.Note + ")"
	}
	return []string{
		name, r.figure(), Percent(r.Spread / 2), r.Unit,
		number(r.Ratio), r.Peer, number(r.Other), must, aim, r.met(),
	}
}

func (b *Bar) text(v float64) string {
	text := "≥ "
	if b.Most {
		text = "≤ "
	}
	text += strconv.FormatFloat(v, 'f', -1, 64)
	if b.OfRatio {
		text += " ×"
	}
	return text
}

// figure gives weir's figure, of which none at all is one.
func (r *Row) figure() string {
	if r.Weir == 0 && r.Runs > 0 {
		return "0"
	}
	return number(r.Weir)
}

// number gives three digits of a figure, or all before the point; "" for none.
func number(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
