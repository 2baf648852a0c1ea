// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

var update = flag.Bool("update", false, "write the expected text of the translation")

const fixtureFile = "testdata/lttng-ust.txtar"

// fixture returns what a producer of LTTng 2.15 declares: at the start, and
// more of it later.
func fixture(t testing.TB) (start, more []byte) {
	t.Helper()
	a, err := txtar.ParseFile(fixtureFile)
	if err != nil {
		t.Fatal(err)
	}
	fragments := func(i int) []byte { return bytes.ReplaceAll(a.Files[i].Data, []byte("␞"), []byte{recordSeparator}) }
	return fragments(0), fragments(1)
}

// translate feeds fragments one by one.
func translate(t testing.TB, tr *Translator, b []byte) []byte {
	t.Helper()
	var text []byte
	for _, f := range bytes.SplitAfter(b, []byte("\n}\n")) {
		var err error
		if text, err = tr.Translate(text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

// The translation is the text that it was, and declares the same.
func TestTranslate(t *testing.T) {
	start, more := fixture(t)
	var tr Translator
	first := translate(t, &tr, start)
	text := append(first, translate(t, &tr, more)...)
	const golden = "testdata/lttng-ust.tsdl"
	if *update {
		if err := os.WriteFile(golden, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
	if left := tr.Omissions(); len(left) > 0 {
		t.Errorf("left out: %v", left)
	}
	var p ctf.MetadataParser
	for _, part := range [][]byte{first, text[len(first):]} {
		if err := p.Parse(part); err != nil {
			t.Fatal(err)
		}
	}
	if s := p.Trace().Streams[0]; len(s.Events) != 7 || s.Clock == nil || s.Event(0).Name != "hello:tick" || !tr.Complete(0) {
		t.Errorf("stream class with %d events, clock %v", len(s.Events), s.Clock)
	}
	if id := schema.UUID(tr.UUID()).String(); id != "e187d056-a181-47b4-b338-b17d6e1e318f" {
		t.Errorf("UUID %s", id)
	}
}

const optionalPayload = `{"type": "structure", "member-classes": [
	{"name": "there", "field-class": {"type": "fixed-length-boolean", "length": 8, "byte-order": "little-endian"}},
	{"name": "maybe", "field-class": {"type": "optional", "selector-field-location": {"path": ["there"]},
		"field-class": {"type": "null-terminated-string"}}}]}`

// What CTF 1.8 lacks is left out; packets that need it can be told from others.
func TestTranslateOmissions(t *testing.T) {
	start, _ := fixture(t)
	var tr Translator
	translate(t, &tr, start)
	text, err := tr.Translate(nil, []byte("\x1e"+`{"type": "event-record-class", "id": 7, "name": "odd", "payload-field-class": `+optionalPayload+"}"+
		"\x1e"+`{"type": "event-record-class", "id": 8, "name": "even"}`+
		"\x1e"+`{"type": "data-stream-class", "id": 3, "packet-context-field-class": `+optionalPayload+"}"+
		"\x1e"+`{"type": "event-record-class", "data-stream-class-id": 3, "name": "unreachable"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); strings.Contains(s, "odd") || strings.Contains(s, "unreachable") || !strings.Contains(s, "even") {
		t.Errorf("translation:\n%s", s)
	}
	var names []string
	for _, o := range tr.Omissions() {
		names = append(names, o.String()+": "+o.Err.Error())
	}
	want := []string{
		`event class 7 ("odd") of stream class 0: tsdl: event.fields.maybe: CTF 1.8 has no optional field`,
		`stream class 3: tsdl: stream.packet.context.maybe: CTF 1.8 has no optional field`,
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if tr.Complete(0) || tr.Complete(3) || !tr.Complete(9) {
		t.Errorf("complete: %v %v %v, want false false true", tr.Complete(0), tr.Complete(3), tr.Complete(9))
	}
	l, ok := NewLayout(tr.parser.Trace().Stream(0))
	if !ok {
		t.Fatal("no layout")
	}
	for _, tt := range []struct {
		events string // hexadecimal
		want   string
	}{
		{"", ""},
		{"0800" + "01000000", ""},
		{"0800" + "01000000" + "0700" + "02000000" + "00", `event class 7 ("odd") of stream class 0 is not translated`},
		{"0800" + "01", ""}, // broken
	} {
		if got := tr.Readable(0, packetWith(t, l, tt.events)); tt.want == "" && got != nil || tt.want != "" && (got == nil || got.Error() != tt.want) {
			t.Errorf("events %s: %v, want %q", tt.events, got, tt.want)
		}
	}
	if err := tr.Readable(3, nil); err == nil {
		t.Error("a packet of a stream class that was left out is readable")
	}
}

// packetWith puts events into an empty packet.
func packetWith(t *testing.T, l *Layout, events string) []byte {
	t.Helper()
	b, err := hex.DecodeString(events)
	if err != nil {
		t.Fatal(err)
	}
	bits := uint64(len(l.bytes)+len(b)) * 8
	p := l.Packet(EmptyPacket{Time: 1, Instance: 2})
	const contentAt, sizeAt = 32 + 16, 32 + 24 // behind the header of 32 bytes and two times
	for _, f := range []layoutField{{at: contentAt, size: 8}, {at: sizeAt, size: 8}} {
		f.put(p, bits)
	}
	return append(p, b...)
}

// What is wrong is an error, and stays one of that batch.
func TestTranslateErrors(t *testing.T) {
	start, _ := fixture(t)
	for _, batch := range []string{
		"\x1e{",
		"\x1e{}",
		"no fragment",
		"\x1e" + `{"type": "preamble", "version": 3}`,
		traceTSDL,
	} {
		var tr Translator
		if text, err := tr.Translate([]byte("x"), []byte(batch)); string(text) != "x" || err == nil && strings.HasPrefix(batch, "\x1e") {
			t.Errorf("%q: text %q, error %v", batch, text, err)
		}
		tr = Translator{}
		translate(t, &tr, start)
		if _, err := tr.Translate(nil, []byte(batch)); err == nil {
			t.Errorf("%q behind fragments: no error", batch)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	start, more := fixture(f)
	f.Add(start, more)
	f.Add([]byte("\x1e"+`{"type": "preamble", "version": 2}`+"\x1e"+`{"type": "data-stream-class"}`), []byte("\x1e"+`{"type": "event-record-class"}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var tr Translator
		text, err := tr.Translate(nil, a)
		if err != nil {
			return
		}
		var p ctf.MetadataParser
		if len(text) > 0 {
			if err := p.Parse(text); err != nil {
				return // what the schema says wrongly, the text does too
			}
		}
		_, _ = tr.Translate(nil, b)
		tr.Readable(0, b)
		if s := tr.stream(0); s != nil {
			if l, ok := NewLayout(tr.parser.Trace().Streams[0]); ok {
				l.Packet(EmptyPacket{})
			}
		}
	})
}
