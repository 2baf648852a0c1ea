// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"cmp"
	"slices"
	"strconv"
)

// RemovalReason is the limit for which a chunk is removed.
type RemovalReason int

// Reasons of a removal.
const (
	ReasonAge RemovalReason = iota
	ReasonBytes
	ReasonFree
)

// String returns the reason as interfaces show it: the limit's name.
func (r RemovalReason) String() string {
	switch r {
	case ReasonAge:
		return "max_age"
	case ReasonBytes:
		return "max_bytes"
	case ReasonFree:
		return "min_free"
	}
	return "RemovalReason(" + strconv.Itoa(int(r)) + ")"
}

// Removal is a chunk that retention takes.
type Removal struct {
	Session StoredSession
	Chunk   StoredChunk
	Whole   bool // nothing else is left of the session: empty directories go with their last chunk
	Reason  RemovalReason
}

func (m *Removal) key() string { return m.Session.Dir + "\x00" + m.Chunk.ID }

// plan chooses what has to go: what is too old, then the oldest until the rest
// fits.
func (r *Retention) plan(inv *Inventory) ([]Removal, error) {
	candidates := removable(inv)
	limits := r.opts.Limits
	var missing int64
	if limits.MinFree > 0 && len(candidates) > 0 {
		space, err := r.opts.Space()
		if err != nil {
			return nil, err
		}
		missing = limits.MinFree - space.Free
	}
	excess := inv.Bytes - limits.MaxBytes
	if limits.MaxBytes == 0 {
		excess = 0
	}
	oldest := r.catalog.store.opts.Now().Add(-limits.MaxAge)
	plan := []Removal{}
	for _, m := range candidates {
		switch {
		case limits.MaxAge > 0 && m.Chunk.Ended().Before(oldest):
			m.Reason = ReasonAge
		case excess > 0 && m.Chunk.Bytes > 0:
			m.Reason = ReasonBytes
		case missing > 0 && m.Chunk.Bytes > 0:
			m.Reason = ReasonFree
		default:
			continue
		}
		excess -= m.Chunk.Bytes
		missing -= m.Chunk.Bytes
		plan = append(plan, m)
	}
	return whole(plan), nil
}

// removable lists the closed chunks, oldest first. A closed session without
// any chunk counts as an empty one.
func removable(inv *Inventory) []Removal {
	var list []Removal
	for _, s := range inv.Sessions {
		for _, c := range s.Chunks {
			if c.State != ChunkOpen {
				list = append(list, Removal{Session: s, Chunk: c})
			}
		}
		if len(s.Chunks) == 0 && !s.Active() && s.Dir != "" {
			list = append(list, Removal{Session: s, Chunk: StoredChunk{ID: RootChunk, Dir: s.Dir, State: ChunkClosed, Created: s.Created}})
		}
	}
	slices.SortStableFunc(list, func(a, b Removal) int {
		return cmp.Or(a.Chunk.Ended().Compare(b.Chunk.Ended()), compareChunks(a.Chunk, b.Chunk))
	})
	return list
}

// whole marks the removals after which nothing is left of a closed session.
func whole(plan []Removal) []Removal {
	left := make(map[string]int)
	for i := range plan {
		m := &plan[i]
		if m.Session.Active() {
			continue
		}
		if _, seen := left[m.Session.ID]; !seen {
			left[m.Session.ID] = max(len(m.Session.Chunks), 1)
		}
		left[m.Session.ID]--
		m.Whole = left[m.Session.ID] == 0
	}
	return plan
}
