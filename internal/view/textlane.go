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
