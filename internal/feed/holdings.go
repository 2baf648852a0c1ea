// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

// holdings counts the records that a consumer was given and has not cancelled, by
// batches: one that is cancelled in part counts as a whole.
type holdings struct {
	batches []holding
	total   uint64
}

type holding struct{ through, count uint64 }

// maxHoldings is how many batches are told apart; a reader that keeps more has its oldest
// counted as one.
const maxHoldings = 1024

func (h *holdings) add(through, count uint64) {
	if count == 0 {
		return
	}
	h.total += count
	if n := len(h.batches); n > 0 && h.batches[n-1].through == through {
		h.batches[n-1].count += count
		return
	}
	if len(h.batches) >= maxHoldings {
		h.batches[1].count += h.batches[0].count
		h.batches = append(h.batches[:0], h.batches[1:]...)
	}
	h.batches = append(h.batches, holding{through, count})
}

// cancel forgets the batches that end at an index or before.
func (h *holdings) cancel(through uint64) {
	n := 0
	for n < len(h.batches) && h.batches[n].through <= through {
		h.total -= h.batches[n].count
		n++
	}
	h.batches = append(h.batches[:0], h.batches[n:]...)
}

// rewind forgets the batches that end behind an index.
func (h *holdings) rewind(through uint64) {
	for n := len(h.batches); n > 0 && h.batches[n-1].through > through; n-- {
		h.total -= h.batches[n-1].count
		h.batches = h.batches[:n-1]
	}
}

func (h *holdings) count() uint64 { return h.total }
