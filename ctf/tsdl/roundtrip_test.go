// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/weir-io/weir/ctf/schema"
)

// checkRewritten writes a schema and reads what it wrote, in one piece and in
// batches of one declaration.
func checkRewritten(t *testing.T, tr *schema.Trace) []byte {
	t.Helper()
	text, err := Append([]byte("/* before */"), tr)
	if err != nil {
		t.Errorf("write: %v", err)
		return nil
	}
	text = text[len("/* before */"):]
	again, err := Parse(text)
	if err != nil {
		t.Errorf("read what was written: %v\n%s", err, text)
		return text
	}
	if diff := schemaDiff(tr, again); diff != "" {
		t.Errorf("written and read again (-before +after):\n%s", diff)
	}
	p := NewParser(Config{})
	for _, part := range parts(t, tr) {
		if err := p.Parse(part); err != nil {
			t.Errorf("read in batches: %v\n%s", err, part)
			return text
		}
	}
	if diff := schemaDiff(tr, p.Trace()); diff != "" {
		t.Errorf("written and read again in batches (-before +after):\n%s", diff)
	}
	return text
}

// parts writes a schema as batches: the begin, then each stream with its first
// event, whose fields may be what gives it its clock, then each event.
func parts(t *testing.T, tr *schema.Trace) [][]byte {
	t.Helper()
	out := [][]byte{must(t)(AppendTrace(nil, tr))}
	for _, s := range tr.Streams {
		part := must(t)(AppendStream(nil, s))
		for i, e := range s.Events {
			part = must(t)(AppendEvent(part, e))
			if i == 0 || s.EventHeader != nil {
				out = append(out, part)
				part = nil
			}
		}
		if part != nil {
			out = append(out, part)
		}
	}
	return out
}

func must(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// goldenText gives the metadata of a golden.
func goldenText(tb testing.TB, name string) []byte {
	tb.Helper()
	archive, err := txtar.ParseFile("testdata/golden/" + name + ".txtar")
	if err != nil {
		tb.Fatal(err)
	}
	return archive.Files[0].Data
}

// TestTruncated cuts the metadata of a tracer at every byte: what is left is
// refused, or whole declarations, and never ends the program.
func TestTruncated(t *testing.T) {
	text := goldenText(t, "lttng-ust")
	whole := 0
	for n := range len(text) {
		tr, err := Parse(text[:n])
		if err != nil {
			e, ok := err.(*Error)
			if !ok {
				t.Fatalf("%d bytes: error %T %v", n, err, err)
			}
			if e.Offset > n || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%d bytes: error %v at offset %d", n, e, e.Offset)
			}
			continue
		}
		whole++
		if tr.ByteOrder == 0 || tr.UUID == nil {
			t.Fatalf("%d bytes: accepted without what the trace block says", n)
		}
	}
	if whole < 10 {
		t.Errorf("%d prefixes of whole declarations, want at least 10", whole)
	}
}
