// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/ctf/schema"
)

// Classes for tests, as a reader of CTF 2 makes them.

func integer(size uint8) *schema.Integer {
	return &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: schema.BigEndian}, Base: 10}
}

func withRole(i *schema.Integer, r schema.Role) *schema.Integer {
	i.Role = r
	return i
}

func structOf(members ...schema.Member) *schema.Struct { return &schema.Struct{Members: members} }

func member(name string, c schema.Class) schema.Member { return schema.Member{Name: name, Class: c} }

func ref(s schema.Scope, path ...string) *schema.Ref { return &schema.Ref{Scope: s, Path: path} }

func only(v uint64) []schema.Range { return []schema.Range{{Low: v, High: v}} }

// ctf2Trace is a schema that has everything of CTF 2 that CTF 1.8 can express.
func ctf2Trace() *schema.Trace {
	clock := &schema.Clock{
		Name: "the clock", Frequency: 1000, OffsetSeconds: -7, OffsetCycles: 3,
		Origin: &schema.Origin{UID: "ecd3f262-5aa6-4899-879b-dcf5a7e5547b"},
	}
	t := &schema.Trace{
		Version: schema.CTF2,
		UUID:    &schema.UUID{1, 2, 3},
		Env:     []schema.EnvEntry{{Name: "host name", String: "a\tb\x01\"\\"}, {Name: "int", IsInt: true, Int: -4}},
		Clocks:  []*schema.Clock{clock, {Name: "clock_the_clock", Frequency: 1}, {Name: "the:clock", Frequency: 1, Absolute: true}},
		PacketHeader: structOf(
			member("m", withRole(integer(32), schema.RolePacketMagic)),
			member("u", &schema.Blob{Length: 16, Role: schema.RoleUUID}),
			member("s", withRole(integer(8), schema.RoleStreamClassID)),
			member("uuid", integer(8))),
	}
	s := &schema.Stream{Trace: t, ID: 4, Clock: clock}
	t.Streams = []*schema.Stream{s}
	s.PacketContext = structOf(
		member("from", withRole(integer(64), schema.RoleTimestampBegin)),
		member("to", withRole(integer(64), schema.RoleTimestampEnd)),
		member("cpu_id", integer(32)),
		member("content_size", integer(8)))
	id := withRole(integer(16), schema.RoleEventClassID)
	s.EventHeader = structOf(
		member("number", id),
		member("v", &schema.Variant{Tag: ref(schema.EventHeader, "number"), Options: []schema.Option{
			{Name: "compact", Ranges: []schema.Range{{Low: 0, High: 65534}}, Class: structOf(
				member("when", withRole(integer(32), schema.RoleTimestamp)))},
			{Name: "_extended", Ranges: only(65535), Class: structOf(
				member("id", withRole(integer(32), schema.RoleEventClassID)),
				member("timestamp", withRole(integer(64), schema.RoleTimestamp)))},
		}}),
		member("id", integer(8)))
	s.AddEvent(&schema.Event{ID: 9, Name: "say \"hi\"\n", HasName: true, LogLevel: 3, EMFURI: "urn:x", Payload: ctf2Payload()})
	s.AddEvent(&schema.Event{ID: 10, LogLevel: schema.NoLogLevel, Context: structOf(
		member("id", integer(8)))})
	return t
}

func ctf2Payload() *schema.Struct {
	tag := integer(8)
	tag.Signed = true
	tag.Mappings = []schema.Mapping{{Label: "a-b", Ranges: only(1)}, {Label: "none"}, {Label: "string", Ranges: only(2)}}
	unlabelled := integer(8)
	unlabelled.Mappings = []schema.Mapping{{Label: "none"}}
	bits := schema.BitLayout{Size: 4, Align: 1, Order: schema.LittleEndian}
	return structOf(
		member("n", integer(8)),
		member("a b", integer(8)),
		member("a-b", integer(8)),
		member("_a b", integer(8)),
		member("string", &schema.String{Encoding: schema.UTF8}),
		member("bits", &schema.Bits{BitLayout: bits}),
		member("flag", &schema.Bits{BitLayout: bits, Bool: true}),
		member("unlabelled", unlabelled),
		member("text", &schema.Text{Encoding: schema.UTF8, LengthRef: ref(schema.EventPayload, "a b")}),
		member("fixed", &schema.Text{Encoding: schema.UTF8, Length: 5}),
		member("é", &schema.Float{BitLayout: schema.BitLayout{Size: 64, Align: 8, Order: schema.BigEndian}}),
		member("rows", &schema.Array{Length: 2, Element: structOf(
			member("n", integer(8)),
			member("own", &schema.Array{LengthRef: ref(schema.EventPayload, "rows", "n"), Element: integer(16)}),
			member("of all", &schema.Array{LengthRef: ref(schema.EventPayload, "n"), Element: integer(16)}))}),
		member("tag", tag),
		member("v", &schema.Variant{Tag: ref(schema.EventPayload, "tag"), TagSigned: true, Options: []schema.Option{
			{Name: "a-b", Ranges: only(1), Class: structOf()},
			{Name: "string", Ranges: []schema.Range{{Low: 2, High: 2}, {Low: 5, High: 7}}, Class: &schema.Struct{MinAlign: 32}},
			{Name: "other", Ranges: []schema.Range{{Low: ^uint64(0) - 3, High: ^uint64(0)}}, Class: integer(8)},
		}}))
}

// TestWriteCTF2 writes a schema of CTF 2 and compares with the text that
// -update leaves.
func TestWriteCTF2(t *testing.T) {
	text, err := Append(nil, ctf2Trace())
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/ctf2.tsdl"
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	p := NewParser(Config{})
	if err := p.Parse(text); err != nil {
		t.Fatalf("read what was written: %v", err)
	}
	for _, w := range p.Warnings() {
		t.Errorf("warning: %v", w)
	}
	tr := p.Trace()
	checkRewritten(t, tr)
	header := tr.Streams[0].EventHeader
	if role := header.Members[0].Class.(*schema.Integer).Role; role != schema.RoleEventClassID {
		t.Errorf("the event header's first member has role %d", role)
	}
	if role := header.Members[2].Class.(*schema.Integer).Role; role != schema.RoleNone {
		t.Errorf("member id without role has got role %d", role)
	}
	if c := tr.Streams[0].Clock; c != tr.Clocks[0] || *c.UUID != (schema.UUID{0xec, 0xd3, 0xf2, 0x62, 0x5a, 0xa6, 0x48, 0x99, 0x87, 0x9b, 0xdc, 0xf5, 0xa7, 0xe5, 0x54, 0x7b}) {
		t.Errorf("the stream's clock is %+v", c)
	}
}

// TestUnsupported writes fields that CTF 1.8 has not.
func TestUnsupported(t *testing.T) {
	reversed, variable, utf16, f16, wide := integer(8), integer(8), integer(8), &schema.Float{}, integer(8)
	reversed.Reversed, variable.Variable, utf16.Encoding, f16.Size, wide.Size = true, true, schema.UTF16LE, 16, 65
	tag := integer(8)
	tag.Mappings = []schema.Mapping{{Label: "a", Ranges: only(1)}}
	variant := func(tag *schema.Ref, options ...schema.Option) schema.Class {
		return &schema.Variant{Tag: tag, Options: options}
	}
	deep := schema.Class(integer(8))
	for range MaxDepth + 2 {
		deep = structOf(member("s", deep))
	}
	arrays := schema.Class(integer(8))
	for range 2*MaxDepth + 2 {
		arrays = &schema.Array{Element: arrays, Length: 1}
	}
	tests := []struct {
		name  string
		class schema.Class
		want  string
	}{
		{"variable", variable, "integer of variable length"},
		{"bit order", reversed, "bit order against the byte order"},
		{"size", wide, "integer of 65 bits"},
		{"size of a float", f16, "floating point number of 16 bits"},
		{"encoding of a character", utf16, "character that is neither UTF-8 nor ASCII"},
		{"string", &schema.String{Encoding: schema.UTF32BE}, "string that is neither UTF-8 nor ASCII"},
		{"text", &schema.Text{Encoding: schema.UTF16BE}, "text that is neither UTF-8 nor ASCII"},
		{"blob", &schema.Blob{Length: 16}, "blob"},
		{"blob elsewhere", &schema.Blob{Length: 16, Role: schema.RoleUUID}, "field of the role metadata-stream-uuid in this place"},
		{"bit map", &schema.Bits{Flags: []schema.Mapping{}}, "bit map"},
		{"optional", &schema.Optional{Class: integer(8)}, "optional field"},
		{"array's alignment", &schema.Array{MinAlign: 16, Element: integer(8)}, "alignment of an array beyond its elements'"},
		{"array of it", &schema.Array{Element: &schema.Blob{}}, "blob"},
		{"role", withRole(integer(8), schema.RolePacketSize), "field of the role packet-total-length in this place"},
		{"no tag", variant(nil, schema.Option{Name: "a"}), "variant without tag or options"},
		{"no options", variant(ref(schema.EventPayload, "tag")), "variant without tag or options"},
		{"reference to nothing", variant(ref(schema.EventPayload, "x"), schema.Option{Name: "a"}), "reference to event.fields.x"},
		{"reference to no scope", &schema.Array{Element: integer(8), LengthRef: ref(schema.EventContext, "x")}, "reference to stream.event.context.x"},
		{"no such option in an earlier tag", variant(ref(schema.EventHeader, "id"), schema.Option{Name: "b", Ranges: only(1), Class: integer(8)}), `variant with an option "b" that is no label of its tag`},
		{"earlier tag that is none", variant(ref(schema.EventHeader, "s"), schema.Option{Name: "b", Class: integer(8)}), "variant with such tag"},
		{"in an option", variant(ref(schema.EventPayload, "tag"), schema.Option{Name: "a", Ranges: only(1), Class: &schema.Blob{}}), "blob"},
		{"too deep", deep, "fields nested that deep"},
		{"arrays too deep", arrays, "fields nested that deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trace := &schema.Trace{Version: schema.CTF2}
			id := withRole(integer(8), schema.RoleEventClassID)
			id.Mappings = tag.Mappings
			s := &schema.Stream{Trace: trace, EventHeader: structOf(
				member("id", id), member("s", &schema.String{Encoding: schema.UTF8}))}
			e := &schema.Event{Stream: s, Payload: structOf(member("tag", tag), member("x y", tt.class))}
			before := []byte("before")
			got, err := AppendEvent(before, e)
			u, ok := errors.AsType[*UnsupportedError](err)
			if !ok {
				t.Fatalf("error %v, want an UnsupportedError", err)
			}
			if u.What != tt.want || u.Scope != "event.fields" {
				t.Errorf("error %q, want %q", u, tt.want)
			}
			if !bytes.Equal(got, before) {
				t.Errorf("left %q behind", got)
			}
			trace.Streams = []*schema.Stream{s}
			s.AddEvent(e)
			if got, err := Append(before, trace); err == nil || !bytes.Equal(got, before) {
				t.Errorf("the whole trace: error %v, left %q", err, got)
			}
		})
	}
}

func TestUnsupportedByCTF1(t *testing.T) {
	clockless := &schema.Trace{Version: schema.CTF1, Clocks: []*schema.Clock{{Name: "c"}}}
	if _, err := Append(nil, clockless); err == nil || err.Error() != "tsdl: CTF 1.8 has no clock without frequency" {
		t.Errorf("clock without frequency: error %v", err)
	}
	character := integer(8)
	character.Encoding = schema.UTF8
	nothing := integer(8)
	nothing.Mappings = []schema.Mapping{}
	deep, variants := schema.Class(integer(8)), schema.Class(integer(8))
	for range MaxDepth + 2 {
		deep = structOf(member("s", deep))
		variants = &schema.Variant{Tag: ref(schema.EventPayload, "t"), Options: []schema.Option{{Name: "v", Class: variants}}}
	}
	arrays := schema.Class(integer(8))
	for range 2*MaxDepth + 2 {
		arrays = &schema.Array{Element: arrays, Length: 1}
	}
	tests := []struct {
		name   string
		member schema.Member
		want   string
	}{
		{"keyword", member("event", integer(8)), `tsdl: event.fields.event: CTF 1.8 has no field named "event"`},
		{"no name", member("", integer(8)), `tsdl: event.fields: CTF 1.8 has no field named ""`},
		{"two words", member("a b", integer(8)), `tsdl: event.fields.a b: CTF 1.8 has no field named "a b"`},
		{"blob", member("a", &schema.Blob{}), `tsdl: event.fields.a: CTF 1.8 has no blob`},
		{"bits", member("a", &schema.Bits{}), `tsdl: event.fields.a: CTF 1.8 has no bit array`},
		{"nothing", member("a", nil), `tsdl: event.fields.a: CTF 1.8 has no such class`},
		{"characters", member("a", &schema.Array{Element: character}), `tsdl: event.fields.a: CTF 1.8 has no array of characters that is no text`},
		{"role", member("a", withRole(integer(8), schema.RoleTimestamp)), `tsdl: event.fields.a: CTF 1.8 has no other name than "timestamp" for the meaning of field "a"`},
		{"labels", member("a", nothing), `tsdl: event.fields.a: CTF 1.8 has no enumeration without labels`},
		{"variant", member("a", &schema.Variant{}), `tsdl: event.fields.a: CTF 1.8 has no variant without tag or options`},
		{"deep", member("a", deep), ""},
		{"deep variants", member("a", variants), ""},
		{"deep arrays", member("a", arrays), `tsdl: event.fields.a: CTF 1.8 has no arrays nested that deep`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &schema.Event{Stream: &schema.Stream{Trace: &schema.Trace{Version: schema.CTF1}}, Payload: structOf(tt.member)}
			_, err := AppendEvent(nil, e)
			if _, ok := errors.AsType[*UnsupportedError](err); !ok || tt.want != "" && err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// A field that lies in an inner struct must not be taken for one further out.
func TestWriteShadowedReference(t *testing.T) {
	s := &schema.Stream{Trace: &schema.Trace{Version: schema.CTF1}}
	e := &schema.Event{Stream: s, HasName: true, Name: "e", Payload: structOf(
		member("n", integer(8)),
		member("s", structOf(
			member("n", integer(8)),
			member("a", &schema.Array{Element: integer(8), LengthRef: ref(schema.EventPayload, "n")}),
			member("b", &schema.Array{Element: integer(8), LengthRef: ref(schema.EventPayload, "s", "n")}))))}
	text, err := AppendEvent(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" a[event.fields.n];", " b[n];"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestAppendClock(t *testing.T) {
	trace := &schema.Trace{Version: schema.CTF2}
	c := &schema.Clock{Name: "late one", Frequency: 2}
	for range 2 { // not, or among the trace's
		text, err := AppendClock(nil, trace, c)
		const want = "\nclock {\n\tname = \"clock_late_one\";\n\tfreq = 2;\n};\n"
		if err != nil || string(text) != want {
			t.Errorf("got %q, error %v, want %q", text, err, want)
		}
		trace.Clocks = []*schema.Clock{{Name: "other", Frequency: 1}, c}
	}
}
