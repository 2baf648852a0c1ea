// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"github.com/weir-io/weir/ctf"
)

// AppendLoss appends the line that tells of a loss, as babeltrace2 writes it to
// the standard error. Its times look like those of events, but are never in
// cycles.
func (t *Text) AppendLoss(dst []byte, s *ctf.Stream, l *ctf.Loss, p Palette) []byte {
	dst = append(dst, p.warning...)
	dst = append(dst, p.bold...)
	dst = append(dst, "WARNING"...)
	dst = append(dst, p.reset...)
	dst = append(dst, p.warning...)
	dst = append(dst, ": Tracer "...)
	if l.Counted {
		dst = append(appendUint(append(dst, "discarded "...), l.Count), ' ')
	} else {
		dst = append(dst, "may have discarded "...)
	}
	what := "event"
	if l.Packets {
		what = "packet"
	}
	dst = append(dst, what...)
	if !l.Counted || l.Count != 1 {
		dst = append(dst, 's')
	}
	if l.HasRange {
		dst = t.appendWall(append(dst, " between ["...), l.From)
		dst = t.appendWall(append(dst, "] and ["...), l.To)
		dst = append(dst, ']')
	} else {
		dst = append(dst, " (unknown time range)"...)
	}
	dst = append(append(append(dst, ` in trace "`...), s.Trace.Name...), '"')
	if u := s.Trace.Schema.UUID; u != nil {
		dst = append(append(append(dst, " (UUID: "...), u.String()...), ')')
	} else {
		dst = append(dst, " (no UUID)"...)
	}
	dst = append(dst, " within stream "...)
	if s.Name != "" {
		dst = append(append(append(dst, '"'), s.Name...), '"')
	} else {
		dst = append(dst, "(unknown)"...)
	}
	dst = appendUint(append(dst, " (stream class ID: "...), s.Class.ID)
	dst = appendUint(append(dst, ", stream ID: "...), s.ID)
	dst = append(dst, ")."...)
	dst = append(dst, p.reset...)
	return append(dst, '\n')
}
