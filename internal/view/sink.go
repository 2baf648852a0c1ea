// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"io"

	"github.com/weir-io/weir/ctf"
)

// Sink takes the events of streams in their merged order.
type Sink interface {
	// Event takes an event. It keeps nothing of it.
	Event(s *ctf.Stream, e *ctf.Event) error
	// Loss takes what a tracer did not record.
	Loss(s *ctf.Stream, l *ctf.Loss) error
	// Flush writes what has been gathered, before a wait for more.
	Flush() error
	// Close ends the output. It does not close what that is written to.
	Close() error
}

// outputBytes is how much an Output holds before it writes.
const outputBytes = 256 << 10

// Output gathers what sinks print.
type Output struct {
	w   io.Writer
	buf []byte
}

// NewOutput returns an output to a writer.
func NewOutput(w io.Writer) *Output {
	return &Output{w: w, buf: make([]byte, 0, outputBytes+outputBytes/8)}
}

// Flush writes what has been gathered: before a wait for more, and at the end.
func (o *Output) Flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// spill writes when enough has been gathered.
func (o *Output) spill() error {
	if len(o.buf) < outputBytes {
		return nil
	}
	return o.Flush()
}

// write writes what has been gathered and then b, which is not copied.
func (o *Output) write(b []byte) error {
	if err := o.Flush(); err != nil || len(b) == 0 {
		return err
	}
	_, err := o.w.Write(b)
	return err
}

// TextSink prints events as lines of text, and losses as lines to another
// writer.
type TextSink struct {
	text *Text
	out  *Output
	warn lossPrinter
}

// NewTextSink returns a sink that prints to out, and losses to warnings.
func NewTextSink(text *Text, out *Output, warnings io.Writer, warningPalette Palette) *TextSink {
	return &TextSink{text, out, lossPrinter{text: text, w: warnings, palette: warningPalette}}
}

// Event implements [Sink].
func (s *TextSink) Event(st *ctf.Stream, e *ctf.Event) error {
	b := s.text.AppendHead(s.out.buf, MomentOf(e), st.Trace.Name)
	s.out.buf = s.text.AppendRest(b, e)
	return s.out.spill()
}

// markLate implements lateMarker.
func (s *TextSink) markLate() { s.out.buf = append(s.out.buf, "(late) "...) }

// Loss implements [Sink].
func (s *TextSink) Loss(st *ctf.Stream, l *ctf.Loss) error { return s.warn.print(st, l) }

// Flush implements [Sink].
func (s *TextSink) Flush() error { return s.out.Flush() }

// Close implements [Sink].
func (s *TextSink) Close() error { return s.out.Flush() }

// Warner is a sink that warns of losses as a [TextSink] does, beside what the
// sink in it makes of them.
type Warner struct {
	Sink
	warn lossPrinter
}

// NewWarner returns a sink that writes warnings to w, with times as text has
// them, and hands everything on to another sink.
func NewWarner(to Sink, text *Text, w io.Writer, p Palette) *Warner {
	return &Warner{to, lossPrinter{text: text, w: w, palette: p}}
}

// markLate implements lateMarker.
func (s *Warner) markLate() {
	if m, ok := s.Sink.(lateMarker); ok {
		m.markLate()
	}
}

// Loss implements [Sink].
func (s *Warner) Loss(st *ctf.Stream, l *ctf.Loss) error {
	if err := s.warn.print(st, l); err != nil {
		return err
	}
	return s.Sink.Loss(st, l)
}

// lossPrinter writes losses as lines of text.
type lossPrinter struct {
	text    *Text
	w       io.Writer
	palette Palette
	line    []byte
}

func (p *lossPrinter) print(st *ctf.Stream, l *ctf.Loss) error {
	p.line = p.text.AppendLoss(p.line[:0], st, l, p.palette)
	_, err := p.w.Write(p.line)
	return err
}
