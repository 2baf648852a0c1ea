// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		offset int // of the error, or -1
	}{
		{"parentheses", strings.Repeat("(", MaxDepth-1) + "1" + strings.Repeat(")", MaxDepth-1), -1},
		{"one parenthesis more", strings.Repeat("(", MaxDepth) + "1" + strings.Repeat(")", MaxDepth), MaxDepth},
		{"unary", strings.Repeat("!", MaxDepth-1) + "1", -1},
		{"one unary more", strings.Repeat("-", MaxDepth) + "1", MaxDepth - 1},
		{"long chain", "1" + strings.Repeat("&&a", MaxNodes/2-1), -1},
		{"one operand more", "1" + strings.Repeat("&&a", MaxNodes/2), 3 * (MaxNodes / 2)},
		{"longest", "1" + strings.Repeat(" ", MaxLength-1), -1},
		{"longer", "1" + strings.Repeat(" ", MaxLength), MaxLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Parse(tt.text)
			if tt.offset < 0 {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Parse(e.String()); err != nil {
					t.Fatalf("when printed: %v", err)
				}
				if _, err := Compile(e, View, propertyLayout().resolve); err != nil {
					t.Fatal(err)
				}
				return
			}
			got, ok := errors.AsType[*Error](err)
			if !ok || got.Offset != tt.offset {
				t.Fatalf("error = %v, want one at %d", err, tt.offset)
			}
		})
	}
}

// Rows may be anything; what they lack is missing.
func TestBrokenRows(t *testing.T) {
	e := mustParse(`i == 1 || i != 1 || a[1] == 1 || t == "*" || !t == t || f > 1 || x.y && 0 || i + 1 || i & 4 || i || (i == 1) == 0`)
	kinds := map[string]Binding{
		"i": {Slot: 7}, "a[1]": {Path: []Element{{Index: 1, Width: 1}}},
		"t": {Kind: String, Slot: 1}, "f": {Kind: Float64, Slot: 9}, "x.y": {Path: []Element{{Width: 1 << 31}, {Index: 3, Width: 1}}},
	}
	p, err := Compile(e, View, func(f *Field) (Binding, bool) { return kinds[f.String()], true })
	if err != nil {
		t.Fatal(err)
	}
	const all = 1<<64 - 1
	for _, words := range [][]uint64{nil, {0}, {all, all}, {1, 1}, slices.Repeat([]uint64{all}, 7), {5<<32 | 9, 1<<32 | 1}} {
		row := Row{EventScope: {Words: words}}
		if p.Match(&row) {
			t.Errorf("words %x match", words)
		}
	}
}

func TestCaret(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a = 1", "a = 1\n  ^"},
		{"a &&\n\tb = 1 &&\nc", "\tb = 1 &&\n\t  ^"},
		{`"é" + 1`, "\"é\" + 1\n^"},
		{"é", "é\n^"},
		{"t == \"é\" c", "t == \"é\" c\n         ^"},
		{"", "\n^"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.text)
		refused, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("Parse(%q) = %v, want an error", tt.text, err)
			continue
		}
		if got := refused.Caret(); got != tt.want {
			t.Errorf("Parse(%q) points\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}

func TestFields(t *testing.T) {
	e := mustParse(`a.b[3] == $ctx.vpid && a.b[3] < 1 || $event.name == "x" && !$app.p:c`)
	var got []string
	for _, f := range e.Fields() {
		got = append(got, f.String())
	}
	if got, want := strings.Join(got, " "), "a.b[3] $ctx.vpid $event.name $app.p:c"; got != want {
		t.Errorf("Fields() = %s, want %s", got, want)
	}
}

// A problem is told once, where its field stands first, although the right
// side is compiled first.
func TestProblemOffsets(t *testing.T) {
	l := newLayout()
	if err := l.declare(EventScope, false, `t="x" f=1.5`); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(mustParse("none || t < 1 && f & 1 || t > 2 || none || f & 2"), View, l.resolve)
	if err != nil {
		t.Fatal(err)
	}
	want := []Problem{{0, Missing, "none"}, {8, Mismatch, "t"}, {17, Mismatch, "f"}}
	if got := p.Problems(); !slices.Equal(got, want) {
		t.Errorf("problems %v, want %v", got, want)
	}
}

// What depends on constants alone is decided when it is compiled.
func TestConstant(t *testing.T) {
	l := newLayout()
	if err := l.declare(EventScope, false, `i=1 e=1@RUN:1`); err != nil {
		t.Fatal(err)
	}
	if err := l.declare(EventScope, true, `c=7 f=0.5 $event.name="sched_switch"`); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text            string
		match, constant bool
	}{
		{"c == 7", true, true},
		{"c + f > 8", false, true},
		{`$event.name == "sched_*"`, true, true},
		{`$event.name == "sched_*" && i == 1`, false, false},
		{`$event.name == "irq_*" && i == 1`, false, true},
		{`i == 1 && $event.name == "irq_*"`, false, true},
		{`i == 1 || $event.name == "sched_*"`, true, true},
		{"none == 1", false, true},
		{"!(none == 1)", false, true},
		{"c / 0 == 1 || f", true, true},
		{"i == 1", false, false},
		{"i == 1 || !(i == 1)", false, false},
	}
	for _, tt := range tests {
		p, err := Compile(mustParse(tt.text), View, l.resolve)
		if err != nil {
			t.Fatal(err)
		}
		if match, constant := p.Constant(); match != tt.match || constant != tt.constant {
			t.Errorf("%s: Constant() = %v, %v, want %v, %v", tt.text, match, constant, tt.match, tt.constant)
		}
	}
}

func TestGlobEqual(t *testing.T) {
	globs := []Glob{{}, NewGlob("a"), NewGlob("*"), NewGlob("a*"), NewGlob("*a"), NewGlob(`\*`)}
	for i, g := range globs {
		for j, h := range globs {
			if got := g.Equal(h); got != (i == j) {
				t.Errorf("%q.Equal(%q) = %v", g, h, got)
			}
		}
	}
	if !PlainGlob("").Equal(Glob{}) || !NewGlob("a**").Equal(NewGlob("a*")) || !PlainGlob("*").Equal(NewGlob(`\*`)) {
		t.Error("two spellings of a pattern differ")
	}
}
