// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/ctf/schema"
)

// le is an integer as CTF 1.8 has most of them.
func le(size uint8, role schema.Role) *schema.Integer {
	return &schema.Integer{BitLayout: schema.BitLayout{Size: size, Align: 8, Order: schema.LittleEndian}, Base: 10, Role: role}
}

func ref(scope schema.Scope, path ...string) *schema.Ref {
	return &schema.Ref{Scope: scope, Path: path}
}

// old is a trace as the reader of CTF 1.8 would give it.
func old() *schema.Trace {
	clock := &schema.Clock{
		Name: "monotonic", UUID: &schema.UUID{0x7d, 15: 0x11}, Description: "Monotonic Clock",
		Frequency: 1e9, OffsetSeconds: 5, OffsetCycles: 7, Absolute: true, Precision: 3,
	}
	timestamp := le(27, schema.RoleTimestamp)
	timestamp.Clock, timestamp.Align = clock, 1
	mapped := le(64, schema.RoleNone) // "t", mapped to the clock
	mapped.Clock = clock
	begin := le(64, schema.RoleTimestampBegin)
	begin.Clock = clock
	t := &schema.Trace{
		Version: schema.CTF1, ByteOrder: schema.LittleEndian, UUID: &schema.UUID{1, 2, 15: 3},
		Env:    []schema.EnvEntry{{Name: "domain", String: "ust"}, {Name: "vpid", IsInt: true, Int: -1}, {Name: "domain", String: "again"}},
		Clocks: []*schema.Clock{clock, {Name: "other", UUID: &schema.UUID{9}, Frequency: 1000}},
		PacketHeader: &schema.Struct{Members: []schema.Member{
			{Name: "magic", Class: le(32, schema.RolePacketMagic)},
			{Name: "uuid", Class: &schema.Array{Element: le(8, 0), Length: 16, Role: schema.RoleUUID}},
			{Name: "stream_id", Class: le(32, schema.RoleStreamClassID)},
		}},
	}
	s := &schema.Stream{
		ID: 4, Trace: t, Clock: clock,
		PacketContext: &schema.Struct{Members: []schema.Member{
			{Name: "timestamp_begin", Class: begin},
			{Name: "packet_size", Class: le(64, schema.RolePacketSize)},
			{Name: "cpu_id", Class: le(32, schema.RoleNone)},
		}},
		EventHeader: &schema.Struct{MinAlign: 8, Members: []schema.Member{
			{Name: "id", Class: &schema.Integer{
				BitLayout: schema.BitLayout{Size: 5, Align: 1, Order: schema.LittleEndian}, Base: 10, Role: schema.RoleEventClassID,
				Mappings: []schema.Mapping{{Label: "compact", Ranges: []schema.Range{{Low: 0, High: 30}}}, {Label: "extended", Ranges: []schema.Range{{Low: 31, High: 31}}}},
			}},
			{Name: "v", Class: &schema.Variant{Tag: ref(schema.EventHeader, "id"), Options: []schema.Option{
				{Name: "compact", Ranges: []schema.Range{{Low: 0, High: 30}}, Class: &schema.Struct{Members: []schema.Member{{Name: "timestamp", Class: timestamp}}}},
				{Name: "extended", Ranges: []schema.Range{{Low: 31, High: 31}}, Class: &schema.Struct{Members: []schema.Member{
					{Name: "id", Class: le(32, schema.RoleEventClassID)}, {Name: "t", Class: mapped},
				}}},
			}}},
		}},
	}
	t.Streams = append(t.Streams, s)
	s.AddEvent(oldEvent())
	s.AddEvent(&schema.Event{ID: 8, LogLevel: schema.NoLogLevel})
	return t
}

// oldEvent has what differs between the versions: names that collide when they
// are shown, text, and options of a variant that share values.
func oldEvent() *schema.Event {
	char := le(8, schema.RoleNone)
	char.Signed, char.Encoding = true, schema.UTF8
	wide := le(8, schema.RoleNone)
	wide.Align, wide.Encoding = 32, schema.UTF8
	tag := le(8, schema.RoleNone)
	tag.Signed = true
	pointer := le(64, schema.RoleNone)
	pointer.Base = 16
	loose := le(8, schema.RoleNone)
	loose.Align = 1
	return &schema.Event{
		ID: 7, Name: "p:e", HasName: true, LogLevel: 13, EMFURI: "http://example.com/",
		Context: &schema.Struct{Members: []schema.Member{{Name: "n", Spelled: "_n", Class: le(16, 0)}}},
		Payload: &schema.Struct{Members: []schema.Member{
			{Name: "a", Spelled: "_a", Class: le(32, 0)},
			{Name: "a", Class: le(32, 0)},
			{Name: "a_2", Class: le(32, schema.RoleStreamClassID)}, // a role of another scope
			{Name: "_len", Spelled: "__len", Class: le(32, 0)},
			{Name: "text", Spelled: "_text", Class: &schema.Text{Encoding: schema.UTF8, Unit: char, LengthRef: ref(schema.EventPayload, "__len")}},
			{Name: "name", Spelled: "_name", Class: &schema.Text{Encoding: schema.UTF8, Unit: char, Length: 17}},
			{Name: "wide", Spelled: "_wide", Class: &schema.Text{Encoding: schema.UTF8, Unit: wide, Length: 2}},
			{Name: "by_a", Spelled: "_by_a", Class: &schema.Array{Element: pointer, LengthRef: ref(schema.EventPayload, "a")}},
			{Name: "by_n", Spelled: "_by_n", Class: &schema.Array{Element: &schema.String{Encoding: schema.UTF8}, LengthRef: ref(schema.EventSpecific, "_n")}},
			{Name: "id", Spelled: "_id", Class: &schema.Array{Element: loose, Length: 16, Role: schema.RoleUUID}},
			{Name: "tag", Spelled: "_tag", Class: tag},
			{Name: "v", Spelled: "_v", Class: &schema.Variant{Tag: ref(schema.EventPayload, "_tag"), TagSigned: true, Options: []schema.Option{
				{Name: "x", Spelled: "_x", Ranges: []schema.Range{{Low: 1<<64 - 5, High: 3}}, Class: &schema.Struct{Members: []schema.Member{{Name: "k", Spelled: "_k", Class: le(8, 0)}}}},
				{Name: "x", Ranges: []schema.Range{{Low: 1<<64 - 9, High: 9}, {Low: 1, High: 2}}, Class: &schema.String{Encoding: schema.UTF8}},
				{Name: "y", Spelled: "_y", Class: &schema.Struct{}}, // no label selects it
			}}},
			{Name: "by_k", Spelled: "_by_k", Class: &schema.Array{Element: le(8, 0), LengthRef: ref(schema.EventPayload, "_v", "_x", "_k")}},
		}},
	}
}

// TestFromCTF1 compares what is written from a schema of CTF 1.8, and reads it.
func TestFromCTF1(t *testing.T) {
	written, err := Append(nil, old())
	if err != nil {
		t.Fatal(err)
	}
	trace, err := Parse(written)
	if err != nil {
		t.Fatalf("%v\n%s", err, shown(written))
	}
	checkSame(t, trace, written)
	const name = "testdata/ctf1/old.txtar"
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, name, archive, map[string][]byte{"schema": []byte(dump(trace)), "written": shown(written), "warnings": nil})
}

func TestClockOfCTF1(t *testing.T) {
	tests := []struct {
		name  string
		clock schema.Clock
		want  string
	}{
		{"without uuid", schema.Clock{Name: "c", Frequency: 1}, `"id":"c","frequency":1}`},
		{"absolute", schema.Clock{Name: "c", Frequency: 1, Absolute: true}, `"id":"c","frequency":1,"origin":"unix-epoch"}`},
		{"before the epoch", schema.Clock{Name: "c", Frequency: 9, OffsetSeconds: -2, OffsetCycles: 8}, `"id":"c","frequency":9,"offset-from-origin":{"seconds":-2,"cycles":8}}`},
	}
	for _, tt := range tests {
		got, err := AppendClock(nil, &tt.clock)
		if want := "\x1e" + `{"type":"clock-class",` + tt.want + "\n"; err != nil || string(got) != want {
			t.Errorf("%s: %s, error %v, want %s", tt.name, got, err, want)
		}
	}
}

func TestAppendErrors(t *testing.T) {
	payload := func(c schema.Class) *schema.Trace {
		t := &schema.Trace{Version: schema.CTF1}
		s := &schema.Stream{Trace: t}
		t.Streams = append(t.Streams, s)
		s.AddEvent(&schema.Event{Payload: &schema.Struct{Members: []schema.Member{{Name: "m", Class: c}}}})
		return t
	}
	loop := &schema.Array{Length: 1}
	loop.Element = loop
	wrong := schema.Extra{Attributes: json.RawMessage(`{"a":`)}
	const event = `ctf2: write event record class 0 (""): `
	tests := []struct {
		name  string
		trace *schema.Trace
		want  string
	}{
		{"no class", payload(nil), event + `event.fields.m: no field class`},
		{"loop", payload(loop), `more than 64 levels of field classes`},
		{"unknown field", payload(&schema.Blob{LengthRef: ref(schema.EventPayload, "x")}), event + `event.fields.m: length-field-location is event.fields.x, which is not declared`},
		{"no field", payload(&schema.Blob{LengthRef: ref(schema.EventPayload)}), event + `event.fields.m: length-field-location is event.fields., which is not declared`},
		{"unknown scope", payload(&schema.Blob{LengthRef: ref(schema.EventHeader, "x")}), event + `event.fields.m: length-field-location is stream.event.header.x, which is not declared`},
		{"no tag", payload(&schema.Variant{}), event + `event.fields.m: no selector-field-location`},
		{"frequency", &schema.Trace{Clocks: []*schema.Clock{{Name: "c"}}}, `ctf2: write clock class "c": its frequency is 0`},
		{"attributes", &schema.Trace{Extra: wrong}, `want more JSON`},
		{"attributes of the preamble", &schema.Trace{Preamble: schema.Extra{Attributes: json.RawMessage(`7`)}}, `got 7, want an object`},
	}
	bad := payload(&schema.Struct{})
	bad.Streams[0].Events[0].Extra = wrong
	tests = append(tests, struct {
		name  string
		trace *schema.Trace
		want  string
	}{"attributes of an event", bad, `want more JSON`})
	for _, tt := range tests {
		got, err := Append([]byte("before"), tt.trace)
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) || string(got) != "before" {
			t.Errorf("%s: %q, error %v, want ...%s", tt.name, got, err, tt.want)
		}
	}
}

// TestEventAttributes writes log level and EMF URI among the attributes that an
// event was read with.
func TestEventAttributes(t *testing.T) {
	tests := []struct {
		name, attributes string
		level            schema.LogLevel
		uri, want        string
	}{
		{"none", ``, schema.NoLogLevel, "", ``},
		{"level", ``, 0, "", `{"lttng.org,2009":{"log-level":"emergency"}}`},
		{"uri", ``, schema.NoLogLevel, "u", `{"lttng.org,2009":{"emf-uri":"u"}}`},
		{"of others", `{"a":1}`, 14, "u", `{"a":1,"lttng.org,2009":{"log-level":"debug","emf-uri":"u"}}`},
		{"only of others", `{"a":1}`, schema.NoLogLevel, "", `{"a":1}`},
		{"changed", `{"lttng.org,2009":{"emf-uri":"v","x":1,"log-level":"info"}}`, 1, "u", `{"lttng.org,2009":{"emf-uri":"u","x":1,"log-level":"alert"}}`},
		{"taken away", `{"lttng.org,2009":{"emf-uri":"v","log-level":"info"}}`, schema.NoLogLevel, "", `{"lttng.org,2009":{}}`},
		{"not understood", `{"lttng.org,2009":{"emf-uri":1,"log-level":"loud"}}`, schema.NoLogLevel, "", `{"lttng.org,2009":{"emf-uri":1,"log-level":"loud"}}`},
		{"no object", `{"lttng.org,2009":7}`, schema.NoLogLevel, "", `{"lttng.org,2009":7}`},
	}
	for _, tt := range tests {
		e := &schema.Event{Stream: &schema.Stream{Trace: new(schema.Trace)}, LogLevel: tt.level, EMFURI: tt.uri}
		e.Attributes = json.RawMessage(tt.attributes)
		want := `"data-stream-class-id":0`
		if tt.want != "" {
			want += `,"attributes":` + tt.want
		}
		if got, err := AppendEvent(nil, e); err != nil || !strings.HasSuffix(string(got), want+"}\n") {
			t.Errorf("%s: %s, error %v, want ...%s", tt.name, got, err, want)
		}
	}
}

func TestErrorsCanBeTold(t *testing.T) {
	_, err := AppendEvent(nil, &schema.Event{
		Stream: &schema.Stream{Trace: new(schema.Trace)},
		Extra:  schema.Extra{Attributes: json.RawMessage(`[]`)},
	})
	if e, ok := errors.AsType[*Error](err); !ok || e.Want != "an object" {
		t.Errorf("error %v", err)
	}
}
