// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import "github.com/weir-io/weir/ctf"

// textLines are the slices of a [TextSink].
type textLines struct {
	to      *TextSink
	text    *Text
	started bool
	first   Moment // of the first event
	trace   string
	rest    []byte // of its line, behind the head
}

func (s *TextSink) newLines() lines                                   { return &textLines{to: s, text: NewText(s.text.opts)} }
func (s *TextSink) told(st *ctf.Stream, l *ctf.Loss) error            { return s.Loss(st, l) }
func (s *TextSink) output() *Output                                   { return s.out }
func (t *textLines) begin()                                           { t.started = false }
func (t *textLines) loss(b []byte, _ *ctf.Stream, _ *ctf.Loss) []byte { return b }

func (t *textLines) event(dst []byte, s *ctf.Stream, e *ctf.Event) []byte {
	if t.started {
		return t.text.AppendRest(t.text.AppendHead(dst, MomentOf(e), s.Trace.Name), e)
	}
	t.started, t.first, t.trace = true, MomentOf(e), s.Trace.Name
	t.text.begin(t.first)
	t.rest = t.text.AppendRest(t.rest[:0], e)
	return dst
}

func (t *textLines) join() {
	if t.started {
		out := t.to.out
		out.buf = append(t.to.text.AppendHead(out.buf, t.first, t.trace), t.rest...)
	}
}

func (t *textLines) follow() {
	if t.started {
		t.to.text.follow(t.text)
	}
}

// jsonLines are the slices of [JSONLines].
type jsonLines struct {
	to, own *JSONLines
	started bool
	lost    []byte // losses before the first event
	first   Moment // of that
	stream  *ctf.Stream
	rest    []byte // of its line, behind the head
}

func (j *JSONLines) newLines() lines                   { return &jsonLines{to: j, own: NewJSONLines(nil)} }
func (j *JSONLines) told(*ctf.Stream, *ctf.Loss) error { return nil }
func (j *JSONLines) output() *Output                   { return j.out }

func (j *jsonLines) begin() { j.started, j.lost, j.own.hasLast = false, j.lost[:0], false }

func (j *jsonLines) event(dst []byte, s *ctf.Stream, e *ctf.Event) []byte {
	if j.started {
		return j.own.rest.AppendRest(j.own.appendHead(dst, s, MomentOf(e)), e)
	}
	j.started, j.first, j.stream = true, MomentOf(e), s
	j.own.last, j.own.hasLast = e.Time, e.HasTime
	j.rest = j.own.rest.AppendRest(j.rest[:0], e)
	return dst
}

func (j *jsonLines) loss(dst []byte, s *ctf.Stream, l *ctf.Loss) []byte {
	if !j.started {
		j.lost = j.own.appendLoss(j.lost, s, l)
		return dst
	}
	return j.own.appendLoss(dst, s, l)
}

func (j *jsonLines) join() {
	out := j.to.out
	out.buf = append(out.buf, j.lost...)
	if j.started {
		out.buf = append(j.to.appendHead(out.buf, j.stream, j.first), j.rest...)
	}
}

func (j *jsonLines) follow() {
	if j.own.hasLast {
		j.to.last, j.to.hasLast = j.own.last, true
	}
}

// csvLines are the slices of a [CSV].
type csvLines struct {
	to, own *CSV
	started bool
	first   []byte // line of the first event
	deltas  []int  // where its deltas belong
	timed   bool   // it has a time
	time    int64
}

func (c *CSV) newLines() lines {
	return &csvLines{to: c, own: newCSV(nil, c.columns)}
}

func (c *CSV) told(*ctf.Stream, *ctf.Loss) error { return nil }
func (c *CSV) output() *Output                   { return c.out }

func (c *csvLines) begin() { c.started, c.own.hasLast = false, false }

func (c *csvLines) event(dst []byte, s *ctf.Stream, e *ctf.Event) []byte {
	if c.started {
		return c.own.appendLine(dst, s, e)
	}
	c.started, c.timed, c.time = true, e.HasTime, e.Time
	c.own.deltas = c.deltas[:0]
	c.first = c.own.appendLine(c.first[:0], s, e)
	c.deltas, c.own.deltas = c.own.deltas, nil
	return dst
}

func (c *csvLines) loss(dst []byte, _ *ctf.Stream, _ *ctf.Loss) []byte { return dst }

func (c *csvLines) join() {
	if !c.started {
		return
	}
	b, from := c.to.out.buf, 0
	if c.timed && c.to.hasLast {
		for _, at := range c.deltas {
			b = appendInt(append(b, c.first[from:at]...), c.time-c.to.last)
			from = at
		}
	}
	c.to.out.buf = append(b, c.first[from:]...)
}

func (c *csvLines) follow() {
	if c.own.hasLast {
		c.to.last, c.to.hasLast = c.own.last, true
	}
}
