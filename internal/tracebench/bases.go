// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf"
)

// bases finds out in which base numbers are printed that may be in another than 10:
// trace-cmd goes by an event's print format where it understands it, and the digits
// alone do not tell. What they come to in weir's trace does.
type bases struct {
	c    *comparison
	seen map[fieldName]map[uint64]bool // values in weir's trace
	fits map[fieldName]*[2]int         // numbers printed that are among them: in the base of the format, in base 10
}

type fieldName struct{ event, field string }

// maxSeen bounds how many values of a field are looked at.
const maxSeen = 10_000

func newBases(c *comparison) *bases {
	return &bases{c, make(map[fieldName]map[uint64]bool), make(map[fieldName]*[2]int)}
}

// ours takes note of an event's values in weir's trace.
func (b *bases) ours(h happened, payload ctf.Value) error {
	d, err := b.c.event(h.name)
	if err != nil {
		return err
	}
	for field := range d.base {
		v, ok := payload.Field(field)
		if !ok {
			continue
		}
		name := fieldName{h.name, field}
		if b.seen[name] == nil {
			b.seen[name] = make(map[uint64]bool)
		}
		if size := d.size(field); len(b.seen[name]) < maxSeen && size > 0 {
			b.seen[name][low(v.Uint(), size)] = true
		}
	}
	return nil
}

// theirs compares them with those that are printed.
func (b *bases) theirs(h happened, text string) error {
	d, err := b.c.event(h.name)
	if err != nil || len(d.base) == 0 {
		return err
	}
	values, err := d.split(text)
	if err != nil {
		return err
	}
	for i, value := range values {
		base := d.base[d.Fields[i].Name]
		value = strings.TrimSpace(value)
		if base == 0 || strings.HasPrefix(value, "0x") {
			continue
		}
		name := fieldName{h.name, d.Fields[i].Name}
		if b.fits[name] == nil {
			b.fits[name] = new([2]int)
		}
		for which, base := range []int{int(base), 10} {
			if n, err := strconv.ParseUint(value, base, 64); err == nil && b.seen[name][low(n, d.Fields[i].Size)] {
				b.fits[name][which]++
			}
		}
	}
	return nil
}

// settle has numbers read in the base in which more of them are what weir has.
func (b *bases) settle() {
	for name, fits := range b.fits {
		if fits[1] > fits[0] {
			delete(b.c.events[name.event].base, name.field)
		}
	}
}

// low is a number of so many bytes.
func low(n uint64, size int) uint64 {
	if size < 8 {
		n &= 1<<(8*size) - 1
	}
	return n
}

// size is how many bytes a field has that is a number; 0 for others.
func (d *declared) size(field string) int {
	for i := range d.Fields {
		if f := &d.Fields[i]; f.Name == field && f.Size <= 8 && !f.IsText() {
			return f.Size
		}
	}
	return 0
}
