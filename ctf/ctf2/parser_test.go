// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// stream joins fragments, the preamble first.
func stream(fragments ...string) []byte {
	return sequence(append([]string{`{"type":"preamble","version":2}`}, fragments...)...)
}

func sequence(fragments ...string) []byte {
	return []byte("\x1e" + strings.Join(fragments, "\n\x1e") + "\n")
}

func TestParseMinimal(t *testing.T) {
	trace, err := Parse(stream(`{"type":"data-stream-class"}`, `{"type":"event-record-class"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := trace.Stream(0); s == nil || s.Event(0) == nil || s.Trace != trace {
		t.Errorf("stream class %+v", s)
	}
}

// TestBatches reads each golden file fragment by fragment, with a batch that
// fails at its end between any two, and compares with the schema that comes of
// one batch.
func TestBatches(t *testing.T) {
	for _, name := range goldenFiles(t) {
		text := metadata(t, name)
		p := NewParser()
		for i, f := range fragments(text) {
			before := dump(p.Trace())
			broken := slices.Concat(f, []byte("\x1e"+`{"type":"nonsense"}`))
			err := p.Parse(broken)
			if e, ok := errors.AsType[*Error](err); !ok || e.Fragment != i+1 {
				t.Fatalf("%s: broken batch %d: error %v", name, i, err)
			}
			if got := dump(p.Trace()); got != before {
				t.Fatalf("%s: broken batch %d changed the schema from\n%s\nto\n%s", name, i, before, got)
			}
			if err := p.Parse(f); err != nil {
				t.Fatalf("%s: batch %d: %v", name, i, err)
			}
		}
		whole := NewParser()
		if err := whole.Parse(text); err != nil {
			t.Fatal(err)
		}
		if diff := diffTraces(whole.Trace(), p.Trace()); diff != "" {
			t.Errorf("%s: one batch and many differ:\n%s", name, diff)
		}
		if got, want := fmt.Sprint(p.Warnings()), fmt.Sprint(whole.Warnings()); got != want {
			t.Errorf("%s: warnings %s\nwant %s", name, got, want)
		}
	}
}

func metadata(t testing.TB, name string) []byte {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return separated(section(archive, "metadata"))
}

// fragments cuts a stream before each record separator.
func fragments(text []byte) [][]byte {
	var all [][]byte
	for f := range bytes.SplitSeq(text[1:], []byte("\x1e")) {
		all = append(all, slices.Concat([]byte("\x1e"), f))
	}
	return all
}

// TestTruncation cuts each golden file at every byte: what is left is whole
// fragments, or an error in the last one.
func TestTruncation(t *testing.T) {
	for _, name := range goldenFiles(t) {
		text := metadata(t, name)
		count := bytes.Count(text, []byte("\x1e"))
		whole := 0 // bytes of whole fragments before the one that is cut
		for _, f := range fragments(text) {
			p := NewParser()
			if err := p.Parse(text[:whole]); err != nil {
				t.Fatal(err)
			}
			object := len(bytes.TrimRight(f, "\n"))
			for n := 1; n < len(f); n++ {
				again := *p // batches that fail do not change it
				err := again.Parse(f[:n:n])
				if e, ok := errors.AsType[*Error](err); n > 1 && n < object && (!ok || e.Fragment >= count || e.Offset > int64(whole+n)) {
					t.Fatalf("%s: cut at %d of fragment at %d: error %v", name, n, whole, err)
				} else if n == object && err != nil {
					t.Fatalf("%s: without a line end: %v", name, err)
				} else if n >= object {
					break // the fragment is in the schema now
				}
			}
			whole += len(f)
		}
	}
}

func TestSeparators(t *testing.T) {
	text := []byte("\x1e\x1e \n\x1e" + `{"type":"preamble","version":2}` + "\x1e\n\x1e\x1e" + `{"type":"trace-class","name":"x"}` + "\x1e")
	trace, err := Parse(text)
	if err != nil || trace.Name != "x" {
		t.Errorf("trace %+v, error %v", trace, err)
	}
}

// A line end may come in a batch of its own, or begin one.
func TestLateLineEnd(t *testing.T) {
	p := NewParser()
	for _, batch := range []string{"\x1e" + `{"type":"preamble","version":2}`, "\n", " \r\n\x1e" + `{"type":"trace-class"}`} {
		if err := p.Parse([]byte(batch)); err != nil {
			t.Fatalf("%q: %v", batch, err)
		}
	}
	err := p.Parse([]byte("\n\x1e{}"))
	if e, ok := errors.AsType[*Error](err); !ok || e.Fragment != 2 || e.Offset != 61 {
		t.Errorf("error %v, want one of fragment 2 at offset 61", err)
	}
	if err := NewParser().Parse([]byte("\n")); err == nil {
		t.Error("a line end begins a stream")
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name, fragment, want string
	}{
		{"size", `{"type":"trace-class","name":"` + strings.Repeat("x", MaxFragmentBytes) + `"}`, "at most 1048576 bytes"},
		{"depth", `{"type":"trace-class","attributes":` + strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200) + `}`, "at most 128 levels of nesting"},
		{"depth of an object", strings.Repeat(`{"a":`, 300), "at most 128 levels of nesting"},
	}
	for _, tt := range tests {
		if _, err := Parse(stream(tt.fragment)); err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
	p := NewParser()
	p.fragments, p.hasPreamble = MaxFragments, true
	if err := p.Parse([]byte("\x1e{}")); err == nil || !strings.HasSuffix(err.Error(), "want at most 1048576 fragments") {
		t.Errorf("number of fragments: error %v", err)
	}
	p = NewParser()
	p.classes = MaxClasses - 1
	if err := p.Parse(stream(payload("a", u8)...)); err == nil || !strings.HasSuffix(err.Error(), "got 1048577 field classes so far, want at most 1048576") {
		t.Errorf("number of field classes: error %v", err)
	}
	var clocks, streams []string
	for i := range MaxStreams + 1 {
		clocks = append(clocks, fmt.Sprintf(`{"type":"clock-class","id":"%d","frequency":1}`, i))
		streams = append(streams, fmt.Sprintf(`{"type":"data-stream-class","id":%d}`, i))
	}
	for _, many := range [][]string{clocks, streams} {
		if _, err := Parse(stream(many...)); err == nil || !strings.HasSuffix(err.Error(), "got another class, want at most 4096 of this type") {
			t.Errorf("number of classes: error %v", err)
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	var values []string
	for i := range 2 * MaxWarnings {
		values = append(values, fmt.Sprintf(`"l%d":[[-1,-1]]`, i))
	}
	p := NewParser()
	fields := payload("f", `{"type":"variable-length-unsigned-integer","mappings":{`+strings.Join(values, ",")+`}}`)
	if err := p.Parse(stream(fields...)); err != nil {
		t.Fatal(err)
	}
	if got := len(p.Warnings()); got != MaxWarnings {
		t.Errorf("%d warnings, want %d", got, MaxWarnings)
	}
}

// A message is one line, whatever a fragment says.
func TestErrorIsOneLine(t *testing.T) {
	e := &Error{Fragment: 2, Offset: 10, Got: "x", Want: "y"}
	if got := e.Error(); got != "ctf2: fragment 2 at offset 10: got x, want y" {
		t.Errorf("error %q", got)
	}
	for _, f := range []string{
		`{"type":"a\nb` + strings.Repeat("x", 100) + `"}`,
		`{"a\nb.":1,"type":"trace-class"}`,
		`{"type":"trace-class","attributes":` + strings.Repeat("9", 100) + `}`,
		`{"type":"trace-class","attributes":true}`,
		"{\n\n}\n\n\nx",
	} {
		_, err := Parse(stream(f))
		if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("error %q", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range goldenFiles(f) {
		text := metadata(f, name)
		f.Add(text)
		for _, fragment := range fragments(text) {
			f.Add(slices.Concat(stream(), fragment))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := Parse(text)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q of type %T", err, err)
			}
			return
		}
		written, err := Append(nil, trace)
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, trace, written)
	})
}
