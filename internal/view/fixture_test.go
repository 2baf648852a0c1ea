// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// Values of fields for tests: Go integers, floats, bools and strings for those
// of their kind, fields for structs and arrays, option for variants and what is
// there of optional fields, absent{} for what is not.
type (
	fields []any
	option struct {
		index int
		value any
	}
	absentField struct{}
)

// put writes a field into a frame's words from at on.
func put(t testing.TB, f *ctf.Frame, c schema.Class, at int, v any) {
	t.Helper()
	grow := func(n int) int {
		start := len(f.Words)
		f.Words = append(f.Words, make([]uint64, n)...)
		return start
	}
	switch c := c.(type) {
	case *schema.Integer, *schema.Bits:
		f.Words[at] = word(t, v)
	case *schema.Float:
		if c.Size == 32 {
			f.Words[at] = uint64(math.Float32bits(float32(v.(float64))))
		} else {
			f.Words[at] = math.Float64bits(v.(float64))
		}
	case *schema.String, *schema.Text, *schema.Blob:
		s := v.(string)
		f.Words[at] = uint64(len(f.Data))<<32 | uint64(len(s))
		f.Data = append(f.Data, s...)
	case *schema.Struct:
		for i, m := range c.Members {
			put(t, f, m.Class, at, v.(fields)[i])
			at += ctf.Width(m.Class)
		}
	case *schema.Array:
		w, elements := ctf.Width(c.Element), v.(fields)
		start := grow(w * len(elements))
		f.Words[at] = uint64(start)<<32 | uint64(len(elements))
		for i, e := range elements {
			put(t, f, c.Element, start+i*w, e)
		}
	case *schema.Variant:
		o := v.(option)
		start := grow(ctf.Width(c.Options[o.index].Class))
		f.Words[at] = uint64(start)<<32 | uint64(o.index)
		put(t, f, c.Options[o.index].Class, start, o.value)
	case *schema.Optional:
		if _, none := v.(absentField); none {
			f.Words[at] = 0
			return
		}
		start := grow(ctf.Width(c.Class))
		f.Words[at] = uint64(start)<<32 | 1
		put(t, f, c.Class, start, v)
	default:
		t.Fatalf("put: class %T", c)
	}
}

func word(t testing.TB, v any) uint64 {
	t.Helper()
	switch v := v.(type) {
	case int:
		return uint64(v)
	case uint64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	}
	t.Fatalf("put: value %T", v)
	return 0
}

// frameOf makes a frame of scopes one behind the other; of a scope that is nil
// there are no values.
func frameOf(t testing.TB, scopes []*schema.Struct, values ...fields) ctf.Frame {
	t.Helper()
	var f ctf.Frame
	n := 0
	for _, s := range scopes {
		if s != nil {
			n += ctf.Width(s)
		}
	}
	f.Words = make([]uint64, n)
	at := 0
	for _, s := range scopes {
		if s != nil {
			put(t, &f, s, at, values[0])
			at += ctf.Width(s)
			values = values[1:]
		}
	}
	return f
}

// Short forms of classes.

func uintOf(size uint8) *schema.Integer {
	return &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: schema.LittleEndian}, Base: 10}
}

func intOf(size uint8) *schema.Integer {
	i := uintOf(size)
	i.Signed = true
	return i
}

func based(i *schema.Integer, base uint8) *schema.Integer {
	i.Base = base
	return i
}

func enumOf(i *schema.Integer, mappings ...schema.Mapping) *schema.Integer {
	i.Mappings = mappings
	return i
}

func label(name string, low, high int) schema.Mapping {
	return schema.Mapping{Label: name, Ranges: []schema.Range{{Low: uint64(low), High: uint64(high)}}}
}

func floatOf(size uint8) *schema.Float {
	return &schema.Float{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: schema.LittleEndian}}
}

func member(name string, c schema.Class) schema.Member { return schema.Member{Name: name, Class: c} }

func structOf(members ...schema.Member) *schema.Struct { return &schema.Struct{Members: members} }

// sample is a trace like those of LTTng's user-space tracer, with one event
// class and one event.
type sample struct {
	trace  *schema.Trace
	stream *schema.Stream
	class  *schema.Event
	event  *ctf.Event
}

// newSample makes the trace; payload is nil for a class without.
func newSample(t testing.TB, payload *schema.Struct, values ...fields) *sample {
	t.Helper()
	clock := &schema.Clock{Name: "monotonic", Frequency: 1e9, Absolute: true}
	clocked := uintOf(64)
	clocked.Clock, clocked.Role = clock, schema.RoleTimestampBegin
	size := uintOf(64)
	size.Role = schema.RolePacketSize
	uuid := schema.UUID{0x83, 0x0f, 15: 0x89}
	tr := &schema.Trace{
		Version: schema.CTF1, UUID: &uuid,
		Env: []schema.EnvEntry{
			{Name: "hostname", String: "hst"},
			{Name: "domain", String: "ust"},
			{Name: "procname", String: "prc"},
			{Name: "vpid", IsInt: true, Int: 4242},
		},
		Clocks:       []*schema.Clock{clock},
		PacketHeader: structOf(member("magic", uintOf(32)), member("stream_id", uintOf(32))),
	}
	st := &schema.Stream{
		Trace: tr, Clock: clock,
		PacketContext: structOf(member("timestamp_begin", clocked), member("packet_size", size), member("cpu_id", uintOf(32))),
		EventContext:  structOf(member("vpid", intOf(32)), member("vtid", intOf(32)), member("procname", &schema.Text{Encoding: schema.UTF8, Length: 17})),
	}
	tr.Streams = []*schema.Stream{st}
	class := &schema.Event{ID: 1, Name: "p:ev", HasName: true, LogLevel: 4, EMFURI: "http://u", Payload: payload}
	st.AddEvent(class)
	s := &sample{trace: tr, stream: st, class: class}
	packet := &ctf.Packet{Class: st, Frame: frameOf(t, []*schema.Struct{tr.PacketHeader, st.PacketContext}, fields{0, 0}, fields{7, 8, 3})}
	s.event = &ctf.Event{
		Class: class, Packet: packet, HasTime: true, Time: 1795177601123456789, Cycles: 123456789,
		Frame: frameOf(t, []*schema.Struct{st.EventContext, payload}, append([]fields{{77, 78, "prog\x00\x00"}}, values...)...),
	}
	return s
}

// without takes scopes and environment away, so that a line is the name and the
// payload alone.
func (s *sample) without(t testing.TB, payload fields) *sample {
	s.trace.Env, s.stream.Clock, s.stream.EventContext, s.stream.PacketContext = nil, nil, nil, nil
	s.event.Frame = frameOf(t, []*schema.Struct{s.class.Payload}, payload)
	return s
}

func (s *sample) line(opts TextOptions) string {
	text := NewText(opts)
	return string(text.AppendRest(text.AppendHead(nil, MomentOf(s.event), "hst/ust"), s.event))
}

func ExampleText() {
	st := &schema.Stream{Trace: new(schema.Trace)}
	class := &schema.Event{Name: "tick", HasName: true, Payload: &schema.Struct{Members: []schema.Member{
		{Name: "n", Class: &schema.Integer{Base: 16}},
	}}}
	st.AddEvent(class)
	e := &ctf.Event{Class: class, Packet: &ctf.Packet{Class: st}, Frame: ctf.Frame{Words: []uint64{255}}}
	text := NewText(DefaultTextOptions())
	line := text.AppendHead(nil, MomentOf(e), "")
	fmt.Printf("%s", text.AppendRest(line, e))
	// Output: tick: { n = 0xFF }
}
