// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits reads texts that are small and would take memory or time without
// bound, or are larger than they may be.
func TestLimits(t *testing.T) {
	// Each struct has the one before it twice: 2^40 fields.
	var doubling strings.Builder
	doubling.WriteString("struct s0 { u8 n; u8 a[n]; };")
	for i := range 40 {
		fmt.Fprintf(&doubling, "struct s%d { struct s%d a, b; };", i+1, i)
	}
	doubling.WriteString("event { name = e; fields := struct s40; };")
	// Each struct has the one before it: deep, without a nested brace.
	var nested strings.Builder
	nested.WriteString("struct s0 { u8 n; };")
	for i := range 70 {
		fmt.Fprintf(&nested, "struct s%d { struct s%d a; };", i+1, i)
	}
	nested.WriteString("event { name = e; fields := struct s70; };")
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	header := "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = le; packet.header := struct { integer { size = 8; } stream_id; }; };"
	tests := []struct{ name, text, want string }{
		{"fields", doubling.String(), "more than 2097152 fields in the trace"},
		{"depth", nested.String(), "fields nested deeper than 64"},
		{"reference", "event { name = e; fields := struct { u8 a[" + strings.Repeat("x.", 72) + "x]; }; };", "want names of fields joined with dots"},
		{"clocks", many("clock { name = c%d; };", maxClocks+1), "more than 4096 clocks"},
		{"environment", "env {" + many("e%d = 1;", maxEnv+1) + "};", "more than 4096 environment entries"},
		{"streams", header + many("stream { id = %d; };", maxStreams+1), "more than 4096 streams"},
		{"declarations", strings.Repeat("u8;", MaxDeclarations), "more than 1048576 declarations"},
		{"parentheses", "env { a = " + strings.Repeat("(", 1<<16) + "; };", "want value"},
		{"asterisks", "event { name = e; fields := struct { u8 " + strings.Repeat("*", 1<<16) + " a; }; };", "no type alias"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			if !strings.HasPrefix(text, "/*") {
				text = prelude + text
			}
			_, err := Parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			if len(err.Error()) > 400 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}

// What is as deep as it may be, by way of names, is not too deep when it is
// written without them.
func TestDeepest(t *testing.T) {
	accepted := 0
	for depth := MaxDepth - 4; depth < MaxDepth+4; depth++ {
		for _, inner := range []string{
			"struct { } x;",
			"enum : u8 { a } t; u8 n; u8 a[n][2];",
			"enum : u8 { a } t; variant <t> { struct { } a; } v;",
		} {
			var text strings.Builder
			fmt.Fprintf(&text, "%sstruct s0 { %s };", prelude, inner)
			for i := range depth {
				fmt.Fprintf(&text, "struct s%d { struct s%d s; };", i+1, i)
			}
			path := strings.Repeat(".s", depth)
			fmt.Fprintf(&text, "event { name = e; fields := struct s%d; };", depth)
			if strings.Contains(inner, "u8 n") && depth < MaxDepth {
				fmt.Fprintf(&text, "event { name = f; id = 1; stream_id = 0; fields := struct { struct s%d r; u8 a[event.fields.r%s.n]; }; };", depth, path)
				text.WriteString("stream { event.header := struct { u8 id; }; };")
			}
			tr, err := Parse([]byte(text.String()))
			if err != nil {
				continue
			}
			accepted++
			rewritten(t, tr) // cmp.Diff takes time exponential in the depth
		}
	}
	if accepted < 6 {
		t.Errorf("%d of the texts are accepted", accepted)
	}
}

func TestMaxBytes(t *testing.T) {
	text := []byte(prelude)
	p := NewParser(Config{MaxBytes: len(text) + 1})
	if err := p.Parse(text); err != nil {
		t.Fatal(err)
	}
	err := p.Parse([]byte("  "))
	want := fmt.Sprintf("tsdl: line 2, column 1: metadata too large: got more than the limit, want at most %d bytes", len(text)+1)
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if err := p.Parse([]byte(" ")); err != nil {
		t.Errorf("what is left: %v", err)
	}
}

func TestManyWarnings(t *testing.T) {
	p := NewParser(Config{Packets: true})
	text := strings.TrimPrefix(prelude, signature+" */") + strings.Repeat("callsite { };\n", 2*MaxWarnings)
	if err := p.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	w := p.Warnings()
	if len(w) != MaxWarnings || w[len(w)-1].Msg != "further warnings are not kept" || w[0].Line != 2 {
		t.Errorf("%d warnings, the first %v, the last %v", len(w), w[0], w[len(w)-1])
	}
}

// Many names, labels and options take the paths for many.
func TestMany(t *testing.T) {
	var fields, labels, options strings.Builder
	for i := range 3 * fewNames {
		fmt.Fprintf(&fields, "u8 n%d; u8 a%d[n%d];", i, i, i)
		fmt.Fprintf(&labels, "l%d,", i)
		fmt.Fprintf(&options, "u8 l%d;", i)
	}
	text := prelude + "event { name = e; fields := struct {" + fields.String() +
		"enum : u8 {" + labels.String() + "} t; variant <t> {" + options.String() + "} v; u8 s[v.l20]; }; };"
	tr, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	checkRewritten(t, tr)
	for _, tt := range []struct{ name, text, want string }{
		{"field", fields.String() + "u8 n3;", `second field "n3" in a struct`},
		{"option", "variant <t> {" + options.String() + "u8 l3; } v;", `second field "l3" in a variant`},
		{"label", "enum : u8 {" + labels.String() + "} t; variant <t> {" + options.String() + "u8 x; } v;", `it has no label "x" for the option`},
		{"reference", fields.String() + "u8 a[x];", "no such field before it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(prelude + "event { name = e; fields := struct {" + tt.text + "}; };"))
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
		})
	}
}
