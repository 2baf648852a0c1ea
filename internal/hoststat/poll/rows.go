// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

// Row is a part of a host of which there are several: an interface, a disk.
type Row struct {
	Name   string
	Text   string
	Values []float64 // what they are tells the kind of the list

	before []uint64 // counters that the next rates begin at
	known  bool     // before is filled
	seen   uint32
}

// rows is a list of parts that come and go. They are told apart by name, not by
// place.
type rows struct {
	list   []Row
	round  uint32
	next   int // where the next one is, if nothing has changed
	values int
	counts int
	places map[string]int // of all rows in the list; nil: not made, as they are few or come in their order
}

// manyRows is from how many rows on their places are kept by name: a host that sends
// thousands in no order must not take the time of the others.
const manyRows = 64

func (r *rows) begin() {
	r.round++
	r.next = 0
}

// row returns the row of a name, which is made if there was none.
func (r *rows) row(name []byte) *Row {
	if r.next < len(r.list) && r.list[r.next].Name == string(name) {
		r.next++
		return r.see(r.next - 1)
	}
	if i, ok := r.find(name); ok {
		r.next = i + 1
		return r.see(i)
	}
	made := Row{Name: string(name), Values: make([]float64, r.values), before: make([]uint64, r.counts)}
	for i := range made.Values {
		made.Values[i] = missing
	}
	r.list = append(r.list, made)
	if r.places != nil {
		r.places[made.Name] = len(r.list) - 1
	}
	r.next = len(r.list)
	return r.see(len(r.list) - 1)
}

// find returns the place of a row.
func (r *rows) find(name []byte) (int, bool) {
	if len(r.list) < manyRows {
		for i := range r.list {
			if r.list[i].Name == string(name) {
				return i, true
			}
		}
		return 0, false
	}
	if r.places == nil {
		r.places = make(map[string]int, len(r.list))
		for i := range r.list {
			r.places[r.list[i].Name] = i
		}
	}
	i, ok := r.places[string(name)]
	return i, ok
}

func (r *rows) see(i int) *Row {
	r.list[i].seen = r.round
	return &r.list[i]
}

// end removes the rows that were not seen.
func (r *rows) end() {
	kept := r.list[:0]
	for i := range r.list {
		if r.list[i].seen == r.round {
			kept = append(kept, r.list[i])
		}
	}
	if len(kept) < len(r.list) {
		r.places = nil // rows have moved
	}
	clear(r.list[len(kept):])
	r.list = kept
}

// rates puts the rates of counters to the first values of a row and makes them the
// next base. The result is false where there are none to show.
func (row *Row) rates(s span, counters []uint64, most []float64) {
	if s.kind == keep && row.known {
		return
	}
	for i, now := range counters {
		row.Values[i] = missing
		if s.kind == rated && row.known {
			row.Values[i] = rate(row.before[i], now, s.seconds, most[i])
		}
		row.before[i] = now
	}
	row.known = true
}

// Total returns what a value of an interface or a disk is the rate of, since the host
// booted; it is missing for other values, and before there is any.
func (row *Row) Total(i int) float64 {
	if !row.known || i >= len(row.before) {
		return missing
	}
	return float64(row.before[i])
}
