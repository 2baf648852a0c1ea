// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

// Values of swap areas, in bytes.
const (
	SwapRowSize = iota
	SwapRowUsed
	swapValues
)

// Values of arrays of disks.
const (
	ArrayRowDisks = iota
	ArrayRowActive
	ArrayRowFailed
	ArrayRowSynced // percent
	arrayValues
)

// takeRest takes what is asked for by [WantRest].
func (m *message) takeRest() {
	for i := range restMetrics {
		m.gauge(restMetrics[i].metric, m.rest[i])
	}
	h := m.h
	h.swaps.begin()
	for row := range m.Rows(m.swaps) {
		r := h.swaps.row(m.Key(m.swaps, row, 0))
		for i, column := range m.swapArea {
			v, ok := m.CellFloat(m.swaps, row, column)
			if !ok {
				v = missing
			}
			r.Values[i] = v
		}
	}
	h.swaps.end()
	h.arrays.begin()
	for row := range m.Rows(m.arrays) {
		r := h.arrays.row(m.Key(m.arrays, row, 0))
		var n [5]float64
		for i, column := range m.array {
			v, ok := m.CellFloat(m.arrays, row, column)
			if !ok {
				v = missing
			}
			n[i] = v
		}
		r.Values[ArrayRowDisks], r.Values[ArrayRowActive], r.Values[ArrayRowFailed], r.Values[ArrayRowSynced] = n[0], n[1], n[2], share(n[4], n[3])
		state, level := m.CellText(m.arrays, row, m.arrayText[0]), m.CellText(m.arrays, row, m.arrayText[1])
		if len(r.Text) != len(state)+1+len(level) || r.Text[:len(state)] != string(state) || r.Text[len(state)+1:] != string(level) {
			r.Text = string(state) + " " + string(level)
		}
	}
	h.arrays.end()
}
