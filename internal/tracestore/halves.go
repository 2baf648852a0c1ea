// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"slices"

	"github.com/weir-io/weir/ctf"
)

const (
	// maxPending bounds the packets of a stream that lack data or index.
	maxPending = 1 << 17
	// maxUnordered is the bound once numbers have gone back, which producers
	// do not do: the queue is then searched one by one.
	maxUnordered = 1 << 12
)

// half is a packet of which the data or the index has not arrived.
type half struct {
	seq uint64 // net_seq_num

	index bool
	entry ctf.IndexEntry // if index; without the offset

	file    *TraceFile // if the data is there
	offset  int64
	size    int64
	dropped bool // the data was received and not stored

	done bool // complete, and not at the front of the queue
}

func (h *half) hasData() bool    { return h.file != nil || h.dropped }
func (h *half) awaitsData() bool { return h.index && !h.hasData() }

// halves is a queue by arrival. Both connections send packets in order, so the
// one looked for stands at the front. Nothing here takes time by the length of
// the queue while numbers rise, and little when they do not. The zero value is
// empty.
type halves struct {
	list      []half
	head      int  // list[:head] is free
	n         int  // entries that are not done
	waiting   int  // of them, with an index and without data
	unordered bool // numbers have gone back; until it is empty
}

func (q *halves) len() int { return q.n }

// full reports whether a packet of that number may not wait.
func (q *halves) full(seq uint64) bool {
	return q.n >= maxPending || q.n >= maxUnordered && (q.unordered || q.before(seq))
}

// before reports whether a number is below that of the last arrival.
func (q *halves) before(seq uint64) bool {
	return len(q.list) > q.head && int64(seq-q.list[len(q.list)-1].seq) < 0
}

func (q *halves) push(h half) *half {
	if q.head == len(q.list) {
		q.list, q.head, q.unordered = q.list[:0], 0, false
	}
	if q.head > 64 && q.head > len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.unordered = q.unordered || q.before(h.seq)
	q.list = append(q.list, h)
	q.n++
	if h.index {
		q.waiting++
	}
	return &q.list[len(q.list)-1]
}

// find returns the entry of a packet that is not done, or nil.
func (q *halves) find(seq uint64) *half {
	list := q.list[q.head:]
	if len(list) == 0 {
		return nil
	}
	i := 0
	switch {
	case list[0].seq == seq && !list[0].done:
	case q.unordered:
		i = slices.IndexFunc(list, func(h half) bool { return h.seq == seq && !h.done })
	default:
		var found bool
		i, found = slices.BinarySearchFunc(list, seq, func(h half, want uint64) int {
			return cmp.Compare(int64(h.seq-want), 0)
		})
		if !found || list[i].done {
			return nil
		}
	}
	if i < 0 {
		return nil
	}
	return &list[i]
}

// remove takes an entry that find returned off the queue.
func (q *halves) remove(h *half) {
	*h = half{seq: h.seq, done: true}
	q.n--
	for q.head < len(q.list) && q.list[q.head].done {
		q.list[q.head] = half{}
		q.head++
	}
}

func (q *halves) each(fn func(*half)) {
	for i := q.head; i < len(q.list); i++ {
		if !q.list[i].done {
			fn(&q.list[i])
		}
	}
}

func (q *halves) removeFunc(drop func(*half) bool) {
	kept := q.list[:0]
	for i := q.head; i < len(q.list); i++ {
		if !q.list[i].done && !drop(&q.list[i]) {
			kept = append(kept, q.list[i])
		}
	}
	clear(q.list[len(kept):])
	q.list, q.head, q.n = kept, 0, len(kept)
	q.waiting = 0
	q.each(func(h *half) {
		if h.awaitsData() {
			q.waiting++
		}
	})
}

// awaitsData reports whether an index is there whose data is not.
func (q *halves) awaitsData() bool { return q.waiting > 0 }
