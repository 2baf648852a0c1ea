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
}

// halves is a queue by arrival. Both connections send packets in order, so the
// one looked for stands at the front. The zero value is empty.
type halves struct {
	list      []half
	head      int  // list[:head] is free
	unordered bool // numbers have gone back; until it is empty
}

func (q *halves) len() int { return len(q.list) - q.head }

// full reports whether no further packet may wait.
func (q *halves) full() bool {
	return q.len() >= maxPending || q.unordered && q.len() >= maxUnordered
}

func (q *halves) push(h half) *half {
	if q.head > 0 && q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	if q.head > 64 && q.head > len(q.list)/2 {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	if q.len() == 0 {
		q.unordered = false
	} else if int64(h.seq-q.list[len(q.list)-1].seq) < 0 {
		q.unordered = true
	}
	q.list = append(q.list, h)
	return &q.list[len(q.list)-1]
}

func (q *halves) find(seq uint64) *half {
	if i := q.index(seq); i >= 0 {
		return &q.list[i]
	}
	return nil
}

// index returns the place of a packet in list, or -1.
func (q *halves) index(seq uint64) int {
	if q.unordered {
		for i := q.head; i < len(q.list); i++ {
			if q.list[i].seq == seq {
				return i
			}
		}
		return -1
	}
	waiting := q.list[q.head:]
	if len(waiting) > 0 && waiting[0].seq == seq {
		return q.head
	}
	i, found := slices.BinarySearchFunc(waiting, seq, func(h half, want uint64) int {
		return cmp.Compare(int64(h.seq-want), 0)
	})
	if !found {
		return -1
	}
	return q.head + i
}

func (q *halves) remove(seq uint64) {
	i := q.index(seq)
	if i < 0 {
		return
	}
	copy(q.list[q.head+1:i+1], q.list[q.head:i])
	q.list[q.head] = half{}
	q.head++
}

func (q *halves) each(fn func(*half)) {
	for i := q.head; i < len(q.list); i++ {
		fn(&q.list[i])
	}
}

func (q *halves) removeFunc(drop func(*half) bool) {
	kept := q.list[:0]
	for i := q.head; i < len(q.list); i++ {
		if !drop(&q.list[i]) {
			kept = append(kept, q.list[i])
		}
	}
	clear(q.list[len(kept):])
	q.list, q.head = kept, 0
}

// refers reports whether a packet in f waits for its index.
func (q *halves) refers(f *TraceFile) bool {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i].file == f {
			return true
		}
	}
	return false
}

// awaitsData reports whether an index is there whose data is not.
func (q *halves) awaitsData() bool {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i].index {
			return true
		}
	}
	return false
}
