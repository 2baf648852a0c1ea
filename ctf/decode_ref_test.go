// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/weir-io/weir/ctf/schema"
)

// walker decodes a packet by walking its schema, one bit at a time: as the
// format's description says, with nothing prepared and nothing clever. What it
// finds it tells as text.
type walker struct {
	bytes []byte
	pos   int // bits
	clock uint64

	order    schema.ByteOrder // of the bit before
	reversed bool

	scope  schema.Scope
	path   []string
	arrays int
	kept   map[string]uint64 // values of fields
	when   map[string]int    // which of them was decoded last
	steps  int
	id     uint64 // of the event class
	out    strings.Builder
}

// walkFault is why a walker stopped.
type walkFault struct {
	kind  faultKind
	bit   int
	field string
	exact bool // bit and field are to be the decoder's
}

func (w *walker) fail(kind faultKind, bit int) {
	panic(walkFault{kind, bit, strings.Join(w.path, "."), w.arrays == 0})
}

func (w *walker) align(n uint64) {
	for uint64(w.pos)%n != 0 {
		w.pos++
	}
}

// need checks that so many bits are there.
func (w *walker) need(n, from int) {
	if n > 8*len(w.bytes)-w.pos {
		w.fail(faultShort, from)
	}
}

func (w *walker) bits(l *schema.BitLayout) (v uint64) {
	w.align(l.Alignment())
	w.need(int(l.Size), w.pos)
	if w.pos%8 != 0 && (w.order != l.Order || w.reversed != l.Reversed) {
		w.fail(faultOrder, w.pos)
	}
	w.order, w.reversed = l.Order, l.Reversed
	first := l.Order == schema.BigEndian // the most significant bit comes first
	for i := range int(l.Size) {
		at := w.pos % 8
		if first {
			at = 7 - at
		}
		bit := uint64(w.bytes[w.pos/8] >> at & 1)
		if first != l.Reversed {
			v = v<<1 | bit
		} else {
			v |= bit << i
		}
		w.pos++
	}
	return v
}

// keep remembers the value of the field at the path.
func (w *walker) keep(v uint64) {
	key := refKey(w.scope, w.path)
	w.steps++
	w.kept[key], w.when[key] = v, w.steps
}

func (w *walker) value(r *schema.Ref) uint64 {
	best := refKey(r.Scope, r.Path)
	for _, path := range r.Others {
		if key := refKey(r.Scope, path); w.when[key] > w.when[best] {
			best = key
		}
	}
	return w.kept[best]
}

func (w *walker) integer(c *schema.Integer) {
	var v uint64
	size := int(c.Size)
	if c.Variable {
		size = 64
		v = w.leb(c.Signed)
	} else {
		v = w.bits(&c.BitLayout)
		if c.Signed && v>>(size-1) == 1 {
			v -= 1 << size
		}
	}
	if c.Clock != nil && !c.Signed {
		// The least value that is not before the clock's and ends in these bits.
		low := v << (64 - size) >> (64 - size)
		now := w.clock
		w.clock = now>>1>>(size-1)<<1<<(size-1) | low
		if w.clock < now && size < 64 {
			w.clock += 1 << size
		}
	}
	w.keep(v)
	if c.Role == schema.RoleEventClassID {
		w.id = v
	}
	if c.Signed {
		fmt.Fprint(&w.out, int64(v))
	} else {
		fmt.Fprint(&w.out, v)
	}
}

func (w *walker) leb(signed bool) (v uint64) {
	w.align(8)
	from := w.pos
	var bits []byte
	for more := true; more; {
		w.need(8, from)
		c := w.bytes[w.pos/8]
		w.pos += 8
		more = c&0x80 != 0
		for i := range 7 {
			bits = append(bits, c>>i&1)
		}
		if len(bits) > 70 {
			w.fail(faultVarint, from)
		}
	}
	for len(bits) < 64 {
		bits = append(bits, 0)
		if n := len(bits) - 1; signed {
			bits[n] = bits[n-1]
		}
	}
	for i, b := range bits {
		sign := byte(0)
		if signed {
			sign = bits[63]
		}
		if i < 64 {
			v |= uint64(b) << i
		} else if b != sign {
			w.fail(faultVarint, from)
		}
	}
	return v
}

func (w *walker) text(n, alignment uint64) {
	w.align(alignment)
	if n > uint64(len(w.bytes)) {
		w.fail(faultShort, w.pos)
	}
	w.need(8*int(n), w.pos)
	fmt.Fprintf(&w.out, "%x", w.bytes[w.pos/8:][:n])
	w.pos += 8 * int(n)
}

func (w *walker) string(unit int) {
	w.align(8)
	from := w.pos
	for {
		w.need(8*unit, from)
		one := w.bytes[w.pos/8:][:unit]
		w.pos += 8 * unit
		if strings.Trim(string(one), "\x00") == "" {
			return
		}
		fmt.Fprintf(&w.out, "%x", one)
	}
}

func (w *walker) length(n uint64, r *schema.Ref) uint64 {
	if r == nil {
		return n
	}
	return w.value(r)
}

func (w *walker) array(c *schema.Array) {
	w.align(c.Alignment())
	w.arrays++
	w.out.WriteByte('[')
	for range w.length(c.Length, c.LengthRef) {
		w.class(c.Element)
		w.out.WriteByte(' ')
	}
	w.out.WriteByte(']')
	w.arrays--
}

func (w *walker) variant(c *schema.Variant) {
	tag := w.value(c.Tag)
	for i, o := range c.Options {
		for _, r := range o.Ranges {
			if within := r.Low <= tag && tag <= r.High; !c.TagSigned && within ||
				c.TagSigned && int64(r.Low) <= int64(tag) && int64(tag) <= int64(r.High) {
				fmt.Fprintf(&w.out, "%d:", i)
				w.path = append(w.path, o.SpelledName())
				w.class(o.Class)
				w.path = w.path[:len(w.path)-1]
				return
			}
		}
	}
	w.fail(faultOption, w.pos)
}

func (w *walker) optional(c *schema.Optional) {
	v := w.value(c.Selector)
	there := len(c.Ranges) == 0 && v != 0
	for _, r := range c.Ranges {
		there = there || r.Low <= v && v <= r.High
	}
	if !there {
		w.out.WriteString("none")
		return
	}
	w.class(c.Class)
}

func (w *walker) class(class schema.Class) {
	switch c := class.(type) {
	case *schema.Integer:
		w.integer(c)
	case *schema.Bits:
		v := w.bits(&c.BitLayout)
		w.keep(v)
		fmt.Fprintf(&w.out, "%#x", v)
	case *schema.Float:
		v := w.bits(&c.BitLayout)
		if c.Size == 32 {
			fmt.Fprint(&w.out, float64(math.Float32frombits(uint32(v))))
		} else {
			fmt.Fprint(&w.out, math.Float64frombits(v))
		}
	case *schema.String:
		w.string(unitSize(c.Encoding))
	case *schema.Text:
		w.text(w.length(c.Length, c.LengthRef), c.Alignment())
	case *schema.Blob:
		w.text(w.length(c.Length, c.LengthRef), 8)
	case *schema.Struct:
		w.align(c.Alignment())
		w.out.WriteByte('{')
		for _, m := range c.Members {
			w.path = append(w.path, m.SpelledName())
			w.class(m.Class)
			w.path = w.path[:len(w.path)-1]
			w.out.WriteByte(' ')
		}
		w.out.WriteByte('}')
	case *schema.Array:
		w.array(c)
	case *schema.Variant:
		w.variant(c)
	case *schema.Optional:
		w.optional(c)
	}
}

func (w *walker) walkScope(s schema.Scope, st *schema.Struct) {
	w.scope, w.path, w.arrays = s, nil, 0
	if st != nil {
		w.class(st)
	}
	w.out.WriteByte(' ')
}

// walk decodes a packet whose content is all of b. It tells the packet and its
// events, a line each.
func walk(class *schema.Stream, b []byte) (lines []string, fault *walkFault) {
	w := &walker{bytes: b, kept: map[string]uint64{}, when: map[string]int{}}
	defer func() {
		if r := recover(); r != nil {
			f := r.(walkFault)
			fault = &f
		}
	}()
	line := func() {
		lines = append(lines, fmt.Sprint(w.out.String(), w.clock, "@", w.pos))
		w.out.Reset()
	}
	w.walkScope(schema.PacketHeader, class.Trace.PacketHeader)
	w.walkScope(schema.PacketContext, class.PacketContext)
	if w.pos > 8*len(b) {
		return nil, &walkFault{noFault, 0, "content_size", true}
	}
	line()
	for w.pos < 8*len(b) {
		begin := w.pos
		w.walkScope(schema.EventHeader, class.EventHeader)
		e := class.Event(w.id)
		if e == nil {
			panic(walkFault{faultEventID, begin, "id", true})
		}
		w.walkScope(schema.EventContext, class.EventContext)
		w.walkScope(schema.EventSpecific, e.Context)
		w.walkScope(schema.EventPayload, e.Payload)
		line()
	}
	if w.pos > 8*len(b) {
		lines = lines[:len(lines)-1]
		return lines, &walkFault{noFault, w.pos, "", true}
	}
	return lines, nil
}

// tell writes a decoded field as a walker does.
func tell(out *strings.Builder, v Value) {
	switch c := v.Class().(type) {
	case *schema.Integer:
		if c.Signed {
			fmt.Fprint(out, v.Int())
		} else {
			fmt.Fprint(out, v.Uint())
		}
	case *schema.Bits:
		fmt.Fprintf(out, "%#x", v.Uint())
	case *schema.Float:
		fmt.Fprint(out, v.Float())
	case *schema.String, *schema.Text, *schema.Blob:
		fmt.Fprintf(out, "%x", v.Bytes())
	case *schema.Struct:
		out.WriteByte('{')
		for i := range v.Len() {
			tell(out, v.Index(i))
			out.WriteByte(' ')
		}
		out.WriteByte('}')
	case *schema.Array:
		out.WriteByte('[')
		for i := range v.Len() {
			tell(out, v.Index(i))
			out.WriteByte(' ')
		}
		out.WriteByte(']')
	case *schema.Variant:
		i, o := v.Option()
		fmt.Fprintf(out, "%d:", i)
		tell(out, o)
	case *schema.Optional:
		if o, ok := v.Optional(); ok {
			tell(out, o)
		} else {
			out.WriteString("none")
		}
	}
}

// decodeAll decodes a packet and tells it as walk does.
func decodeAll(d *decoder, raw rawPacket) (lines []string, err error) {
	if err := d.open(raw); err != nil {
		return nil, err
	}
	var out strings.Builder
	scope := func(v Value, ok bool) {
		if ok {
			tell(&out, v)
		}
		out.WriteByte(' ')
	}
	line := func() {
		lines = append(lines, fmt.Sprint(out.String(), d.m.clock, "@", d.m.base+d.m.pos))
		out.Reset()
	}
	packetScopes := func() {
		scope(d.packet.Scope(schema.PacketHeader))
		scope(d.packet.Scope(schema.PacketContext))
	}
	packetScopes()
	packet := out.String()
	line()
	for {
		ok, err := d.next()
		if err != nil || !ok {
			out.Reset()
			if packetScopes(); out.String() != packet {
				return lines, errors.New("the packet's frame has changed: " + out.String())
			}
			return lines, err
		}
		for _, s := range [...]schema.Scope{schema.EventHeader, schema.EventContext, schema.EventSpecific, schema.EventPayload} {
			scope(d.event.Scope(s))
		}
		line()
	}
}
