// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"cmp"
	"io"

	"github.com/weir-io/weir/ctf/schema"
)

// Source is a stream to be merged with others: a [*Cursor], another reader of a
// stream, or several streams that have been merged.
type Source interface {
	// Next steps to the next thing in the stream. After the last it returns
	// io.EOF.
	Next() (Kind, error)
	// Time returns the time of what the last step found, in ns from the clock's
	// origin, and whether it has one.
	Time() (ns int64, timed bool)
	// Class returns the class of the event that the last step found.
	Class() *schema.Event
	// Stream returns the stream of what the last step found.
	Stream() *Stream
}

// Merger reads several streams as one, by time. Things of the same time come in
// babeltrace2's order: by the trace's uuid and name, the stream's class and id,
// the kind, then the event's class id, name, log level and EMF URI, and the
// stream's name. Within a stream the order is the stream's own. What has no
// time comes at once.
type Merger[S Source] struct {
	// Joining, when set, is called before each choice of what comes next: the
	// sources that it returns join the merge.
	Joining func() []S
	// Ended, when set, is called with each source that has ended, of which the
	// merger then keeps nothing: Again does not try it anew.
	Ended func(S)

	sources []S
	heap    []*merging[S] // all but the current, the next one first
	ended   []S           // those that have no more
	cur     *merging[S]   // whose step was returned last
	started bool
}

// merging is a source with the place of its next thing in the order.
type merging[S Source] struct {
	source S
	kind   Kind
	at     int64
	err    error
}

// NewMerger returns a merger of some sources, which it steps from now on.
func NewMerger[S Source](sources []S) *Merger[S] { return &Merger[S]{sources: sources} }

// Next steps to what comes next in any stream, and returns the stream's source
// and the kind of what it is at. At the end of all it returns [io.EOF]. The
// error of a stream comes when that stream's turn has come, so that what lies
// before it has been returned; calling Next again tries that stream again.
func (m *Merger[S]) Next() (source S, kind Kind, err error) {
	switch {
	case !m.started:
		m.started = true
		m.add(m.sources)
		m.sources = nil
		m.next()
	case m.cur != nil:
		m.advance()
	default:
		m.next()
	}
	if m.cur == nil {
		return source, 0, io.EOF
	}
	return m.cur.source, m.cur.kind, m.cur.err
}

// Again makes the merger try sources anew that were at their end: of a trace that
// grows, they may have more by now.
func (m *Merger[S]) Again() {
	again := m.ended
	m.ended = nil
	m.add(again)
}

// next takes the next in the order for current.
func (m *Merger[S]) next() {
	m.join()
	m.cur = m.pop()
}

// add takes the first step of some sources.
func (m *Merger[S]) add(sources []S) {
	for _, source := range sources {
		if c := (&merging[S]{source: source}); c.step() {
			m.push(c)
		} else {
			m.end(source)
		}
	}
}

// end lets go of a source that has no more.
func (m *Merger[S]) end(source S) {
	if m.Ended != nil {
		m.Ended(source)
		return
	}
	m.ended = append(m.ended, source)
}

// join adds the sources that want to join; their first steps may bring more.
func (m *Merger[S]) join() {
	if m.Joining == nil {
		return
	}
	for more := m.Joining(); len(more) > 0; more = m.Joining() {
		m.add(more)
	}
}

// step takes the source's next step. It reports false at the source's end. An
// error keeps the time of what came before it.
func (c *merging[S]) step() bool {
	c.kind, c.err = c.source.Next()
	if c.err != nil {
		return c.err != io.EOF
	}
	at, timed := c.source.Time()
	if !timed {
		at = never
	}
	c.at = at
	return true
}

// advance steps the current source, and takes the next in the order for current.
func (m *Merger[S]) advance() {
	c := m.cur
	more := c.step()
	m.join()
	if !more {
		m.end(c.source)
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
func before[S Source](a, b *merging[S]) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return compareTied(a, b) < 0
}

// compareTied orders two things of the same time.
func compareTied[S Source](a, b *merging[S]) int {
	if a.err != nil || b.err != nil {
		return 0
	}
	if c := compareStreams(a.source.Stream(), b.source.Stream()); c != 0 {
		return c
	}
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	if a.kind == EventRecord {
		ca, cb := a.source.Class(), b.source.Class()
		if c := cmp.Or(cmp.Compare(ca.ID, cb.ID), cmp.Compare(ca.Name, cb.Name),
			cmp.Compare(ca.LogLevel, cb.LogLevel), cmp.Compare(ca.EMFURI, cb.EMFURI)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.source.Stream().Name, b.source.Stream().Name)
}

// compareStreams orders streams by what babeltrace2 looks at before the kind.
func compareStreams(a, b *Stream) int {
	if c := compareTraces(a.Trace, b.Trace); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Class.ID, b.Class.ID), cmp.Compare(a.ID, b.ID))
}

func (m *Merger[S]) push(c *merging[S]) {
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

func (m *Merger[S]) pop() *merging[S] {
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

func (m *Merger[S]) down(i int) {
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
