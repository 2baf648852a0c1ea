// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkMatch counts the rows that a core decides about. Each expression is
// asked for rows whose i counts from 0 to 1023, over and over.
func BenchmarkMatch(b *testing.B) {
	for _, text := range []string{
		`i == 5`,
		`i > 500`,
		`i & 4`,
		`i == 5 || i == 6 || i == 7 || i == 8`,
		`i >= 100 && i < 200 && j == 3`,
		`i < j`,
		`i * 3 + 1 == 100`,
		`f > 1.5`,
		`e == "RUN"`,
		`t == "abcdefgh"`,
		`t == "ab*gh"`,
		`a[2] == 3`,
		`p == 9`,
	} {
		b.Run(text, func(b *testing.B) { benchmarkMatch(b, text) })
	}
}

func benchmarkMatch(b *testing.B, text string) {
	l := newLayout()
	if err := l.declare(EventScope, false, `i=0 j=3 f=2.5 t="abcdefgh" a=[1,2,3] e=1@RUN:0-2`); err != nil {
		b.Fatal(err)
	}
	if err := l.declare(PacketScope, false, `p=9`); err != nil {
		b.Fatal(err)
	}
	p, err := Compile(mustParse(text), View, l.resolve)
	if err != nil {
		b.Fatal(err)
	}
	matched := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.row[EventScope].Words[0] = uint64(i & 1023)
		if p.Match(&l.row) {
			matched++
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrow/s")
	_ = matched
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustParse(`$ctx.procname == "lttng*" && (!flag || poel < 34)`)
	}
}

// BenchmarkGlob doubles the text to show that the time is linear in it, for a
// pattern that makes matchers which try again quadratic.
func BenchmarkGlob(b *testing.B) {
	g := NewGlob("a*a*a*a*ab*")
	for _, n := range []int{1 << 10, 1 << 11, 1 << 12} {
		text := bytes.Repeat([]byte("a"), n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				g.Match(text)
			}
		})
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	l := propertyLayout()
	p, err := Compile(mustParse(`i == 5 || t == "*x" || a[1] * 2 + u == 1 || (i < j) == 0 || e == "DEAD" || s == t`), View, l.resolve)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { p.Match(&l.row) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}
