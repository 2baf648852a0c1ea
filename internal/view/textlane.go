// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import "github.com/weir-io/weir/ctf"

// newWriter implements laned.
func (s *TextSink) newWriter() Writer { return NewText(s.text.opts) }

// ordered implements laned.
func (s *TextSink) ordered(st *ctf.Stream, m Moment, rest []byte) error {
	s.out.buf = s.text.AppendHead(s.out.buf, m, st.Trace.Name)
	s.out.buf = append(s.out.buf, rest...)
	return s.out.spill()
}

// lanedOf returns a sink as one whose events are written in lanes, where it can
// be that.
func lanedOf(s Sink) (laned, bool) {
	w, ok := s.(*Warner)
	if !ok {
		l, ok := s.(laned)
		return l, ok
	}
	l, ok := w.Sink.(laned)
	return warnedLanes{w, l}, ok
}

// warnedLanes is a laned sink with warnings.
type warnedLanes struct {
	*Warner
	in laned
}

func (w warnedLanes) newWriter() Writer { return w.in.newWriter() }

func (w warnedLanes) ordered(s *ctf.Stream, m Moment, rest []byte) error {
	return w.in.ordered(s, m, rest)
}
