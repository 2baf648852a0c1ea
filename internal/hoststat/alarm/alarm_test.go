// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package alarm

import (
	"math"
	"strings"
	"testing"
	"time"
)

// place knows a, b and x, of which x is missing.
func place(name string) (int, bool) {
	i := strings.Index("abx", name)
	return i, i >= 0 && len(name) == 1
}

var values = []float64{3, 4, math.NaN()}

func TestExpressions(t *testing.T) {
	for _, tt := range []struct {
		text string
		want float64
	}{
		{"1 + 2*3", 7},
		{"(1+2)*3", 9},
		{"8/2/2", 2},
		{"7-2-1", 4},
		{"-a + b", 1},
		{"--a", 3},
		{"2*-b", -8},
		{"a < b", 1},
		{"a >= b", 0},
		{"a != b", 1},
		{"a == 3", 1},
		{"a <= 3 == 1", 1},
		{"a<b && b<a || a", 1},
		{"a || b && 0", 1},
		{"(a || b) && 0", 0},
		{"!a", 0},
		{"!0 + 1", 2},
		{"!(a > b)", 1},
		{"x > 1", 0},
		{"x != 1", 0},
		{"x == x", 0},
		{"!(x > 1)", 1},
		{"!x", 1},
		{"x || a", 1},
		{"x && a", 0},
		{"x + 1", math.NaN()},
		{"1/0", math.NaN()},
		{"1/0 > 0", 0},
		{"1k", 1e3},
		{"1.5Ki", 1536},
		{"2Mi", 2 << 20},
		{"1G", 1e9},
		{"90%", 90},
		{"2m", 120},
		{"1h", 3600},
		{"5s", 5},
		{".5", .5},
	} {
		e, err := Compile(tt.text, place)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := e.Value(values); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%q = %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestRefusedExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "got the end, want a value (at column 1)",
		"a >":                      "got the end, want a value (at column 4)",
		"a b":                      "got b, want an operator (at column 3)",
		"(a":                       "got the end, want ) (at column 3)",
		"a)":                       "got ), want an operator (at column 2)",
		"1x":                       "no unit: x (at column 2)",
		"1..2":                     "no number: 1..2 (at column 1)",
		"load9":                    "no value load9 (at column 1)",
		"a & b":                    `unexpected "&" (at column 3)`,
		"a = b":                    `unexpected "=" (at column 3)`,
		strings.Repeat("(", 100):   "nested deeper than 64 (at column 66)",
		strings.Repeat("a+", 1024): "longer than 1024 bytes (at column 1025)",
	} {
		if _, err := Compile(text, place); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

func TestExpressionAllocations(t *testing.T) {
	e, err := Compile("a > 2*b && !(x > 1) || a/b < 0.5", place)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { e.True(values) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if got := e.Uses(); len(got) != 5 || got[2] != 2 {
		t.Errorf("uses %v", got)
	}
}

// The course of an alarm, second by second: what a is, and the state after it.
func TestRule(t *testing.T) {
	compile := func(text string) *Expr {
		e, err := Compile(text, place)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, tt := range []struct {
		name   string
		rule   Rule
		course string // values of a
		want   string // o, p, f after each
	}{
		{"at once", Rule{When: compile("a > 5")}, "0090", "ooff"}, // the guard keeps it firing
		{"held", Rule{When: compile("a > 5"), For: 3 * time.Second}, "0999990", "opppfff"},
		{"not held", Rule{When: compile("a > 5"), For: 3 * time.Second}, "0990999", "oppoppp"},
		{"clear apart", Rule{When: compile("a > 5"), Clear: compile("a < 3")}, "9444444444444442", "fffffffffffffffo"},
		{"guard", Rule{When: compile("a > 5")}, "900000000000999999999", "ffffffffffooppppppppf"},
		{"missing", Rule{When: compile("a > 5")}, "xx9", "oof"},
	} {
		var s Status
		now, got, changes := time.Unix(1000, 0), "", 0
		for _, c := range tt.course {
			v := math.NaN()
			if c != 'x' {
				v = float64(c - '0')
			}
			before := s.State
			changed := tt.rule.Step(&s, now, []float64{v})
			if changed != ((before == Firing) != (s.State == Firing)) {
				t.Errorf("%s: told %v for %v → %v", tt.name, changed, before, s.State)
			}
			if changed {
				changes++
			}
			got += s.State.String()[:1]
			now = now.Add(time.Second)
		}
		if got != tt.want {
			t.Errorf("%s: %s gives %s, want %s", tt.name, tt.course, got, tt.want)
		}
	}
}

// Whatever the text, an expression is refused or has a value, the same each time.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{"a > 2*b && !x", "((1))", "!-!a", "1k+2Mi*3%", "a<b<x", "|| a", "x/0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile(text, place)
		if err != nil {
			if err.(*Error).Offset > len(text) {
				t.Errorf("%q: error at %d", text, err.(*Error).Offset)
			}
			return
		}
		a, b := e.Value(values), e.Value(values)
		if a != b && !(math.IsNaN(a) && math.IsNaN(b)) {
			t.Errorf("%q is %v and %v", text, a, b)
		}
	})
}
