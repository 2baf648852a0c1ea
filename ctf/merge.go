// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"cmp"
	"io"
	"slices"
)

// Merger reads several streams as one, by time. Things of the same time come in
// babeltrace2's order: by the trace's uuid and name, the stream's class and id,
// the kind, then the event's class id, name, log level and EMF URI, and the
// stream's name. Within a stream the order is the stream's own. What has no
// time comes at once.
type Merger struct {
	cursors []*Cursor
	heap    []*merging // all but the current, the next one first
	cur     *merging   // whose step was returned last
	started bool
	err     error
}

// merging is a cursor with the place of its next thing in the order.
type merging struct {
	*Cursor
	at   int64
	rank int // of its stream among all streams
	err  error
}

// NewMerger returns a merger of some cursors, which it steps from now on.
func NewMerger(cursors []*Cursor) *Merger { return &Merger{cursors: cursors} }

// Next steps to what comes next in any stream, and returns the stream's cursor
// and the kind of what it is at. At the end of all it returns [io.EOF]. The
// error of a stream comes when that stream's turn has come, so that what lies
// before it has been returned; there is no going on then.
func (m *Merger) Next() (*Cursor, Kind, error) {
	if m.err != nil {
		return nil, 0, m.err
	}
	if !m.started {
		m.start()
	} else if m.cur != nil {
		m.advance()
	}
	if m.cur == nil {
		m.err = io.EOF
		return nil, 0, m.err
	}
	if m.cur.err != nil {
		m.err = m.cur.err
		return nil, 0, m.err
	}
	return m.cur.Cursor, m.cur.kind, nil
}

// Close closes the files of all cursors.
func (m *Merger) Close() error {
	var first error
	for _, c := range m.cursors {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// start takes the first step of each cursor.
func (m *Merger) start() {
	m.started = true
	ms := make([]*merging, 0, len(m.cursors))
	for _, c := range m.cursors {
		ms = append(ms, &merging{Cursor: c})
	}
	slices.SortStableFunc(ms, func(a, b *merging) int { return compareStreams(a.Stream, b.Stream) })
	for i, c := range ms {
		c.rank = i
		if i > 0 && compareStreams(ms[i-1].Stream, c.Stream) == 0 {
			c.rank = ms[i-1].rank
		}
		if c.step() {
			m.push(c)
		}
	}
	m.cur = m.pop()
}

// step takes the cursor's next step. It reports false at the cursor's end.
func (c *merging) step() bool {
	_, err := c.Cursor.Next()
	if err == io.EOF {
		return false
	}
	c.err = err
	if err != nil {
		// An error has the time of what came before it.
		return true
	}
	if at, ok := c.Cursor.Time(); ok {
		c.at = at
	} else {
		c.at = never
	}
	return true
}

// advance steps the current cursor, and takes the next in the order for current.
func (m *Merger) advance() {
	c := m.cur
	if !c.step() {
		m.cur = m.pop()
		return
	}
	if len(m.heap) == 0 || c.at < m.heap[0].at || c.at == m.heap[0].at && before(c, m.heap[0]) {
		return
	}
	m.cur = m.heap[0]
	m.heap[0] = c
	m.down(0)
}

// before reports whether a comes before b in the order.
func before(a, b *merging) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return compareTied(a, b) < 0
}

// compareTied orders two things of the same time.
func compareTied(a, b *merging) int {
	if a.rank != b.rank || a.err != nil || b.err != nil {
		return cmp.Compare(a.rank, b.rank)
	}
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	if a.kind == EventRecord {
		ca, cb := a.Event().Class, b.Event().Class
		if c := cmp.Or(cmp.Compare(ca.ID, cb.ID), cmp.Compare(ca.Name, cb.Name),
			cmp.Compare(ca.LogLevel, cb.LogLevel), cmp.Compare(ca.EMFURI, cb.EMFURI)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.Stream.Name, b.Stream.Name)
}

// compareStreams orders streams by what babeltrace2 looks at before the kind.
func compareStreams(a, b *Stream) int {
	if c := compareTraces(a.Trace, b.Trace); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Class.ID, b.Class.ID), cmp.Compare(a.ID, b.ID))
}

func (m *Merger) push(c *merging) {
	m.heap = append(m.heap, c)
	for i := len(m.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !before(m.heap[i], m.heap[parent]) {
			return
		}
		m.heap[i], m.heap[parent] = m.heap[parent], m.heap[i]
		i = parent
	}
}

func (m *Merger) pop() *merging {
	n := len(m.heap)
	if n == 0 {
		return nil
	}
	c := m.heap[0]
	m.heap[0] = m.heap[n-1]
	m.heap[n-1] = nil
	m.heap = m.heap[:n-1]
	m.down(0)
	return c
}

func (m *Merger) down(i int) {
	for n := len(m.heap); ; {
		child := 2*i + 1
		if child >= n {
			return
		}
		if r := child + 1; r < n && before(m.heap[r], m.heap[child]) {
			child = r
		}
		if !before(m.heap[child], m.heap[i]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}
