// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Rows are found by name in whatever order they come, few or many, and what is not
// there any more is forgotten.
func TestRows(t *testing.T) {
	for _, n := range []int{3, manyRows - 1, manyRows, 3000} {
		r := rows{values: 1, counts: 1}
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprint("row", i)
		}
		random := rand.New(rand.NewPCG(1, uint64(n)))
		for round := range uint64(6) {
			r.begin()
			for _, i := range random.Perm(n) {
				if round%2 == 1 && i%3 == 0 { // comes and goes
					continue
				}
				row := r.row([]byte(names[i]))
				fresh := round == 0 || round%2 == 0 && i%3 == 0
				if row.Name != names[i] || !fresh && row.before[0] != uint64(i)+round-1 || fresh && row.known {
					t.Fatalf("%d rows, round %d: %s is %+v", n, round, names[i], *row)
				}
				row.before[0], row.known = uint64(i)+round, true
			}
			r.end()
			want := n
			if round%2 == 1 {
				want -= (n + 2) / 3
			}
			if len(r.list) != want {
				t.Fatalf("round %d of %d rows: %d", round, n, len(r.list))
			}
		}
	}
}

// BenchmarkRowsInNoOrder is a host that means ill: as many rows as a message may have.
func BenchmarkRowsInNoOrder(b *testing.B) {
	const n = 1 << 16
	names := make([][]byte, n)
	for i := range names {
		names[i] = fmt.Appendf(nil, "%08d", i)
	}
	random := rand.New(rand.NewPCG(1, 2))
	r := rows{values: diskValues, counts: diskCounters}
	for b.Loop() {
		r.begin()
		for _, i := range random.Perm(n) {
			r.row(names[i])
		}
		r.end()
	}
}
