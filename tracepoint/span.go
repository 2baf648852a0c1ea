// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"sync/atomic"
)

// Spans are pairs of events, provider:span_begin and provider:span_end, that say how
// long something takes and what it is a part of.
type Spans struct {
	begin *Event3[uint64, uint64, string]
	end   *Event1[uint64]
	last  atomic.Uint64
}

// NewSpans declares the events of spans, once for a provider.
func NewSpans(p *Provider) *Spans {
	return &Spans{
		begin: New3(p, "span_begin", Info, Uint64("id"), Uint64("parent"), String("name")),
		end:   New1(p, "span_end", Info, Uint64("id")),
	}
}

// spanKey is where a context has the span that it is in.
type spanKey struct{}

// Span is one that has begun. The zero Span is none.
type Span struct {
	*span // nil: none
}

// span is what all copies of a Span have in common.
type span struct {
	spans *Spans
	id    uint64
	ended atomic.Bool
}

// Start begins a span, within that of the context. What is done with the context that
// it returns is part of the new one. Where nobody records spans, it returns its own
// context, and costs nothing.
func (s *Spans) Start(ctx context.Context, name string) (context.Context, Span) {
	if !s.begin.Enabled() && !s.end.Enabled() {
		return ctx, Span{}
	}
	made, parent := &span{spans: s, id: s.last.Add(1)}, uint64(0)
	if within, ok := ctx.Value(spanKey{}).(*span); ok {
		parent = within.id
	}
	s.begin.Write(made.id, parent, name)
	return context.WithValue(ctx, spanKey{}, made), Span{made}
}

// End ends the span, unless it has ended. It is safe for concurrent use.
func (s Span) End() {
	if s.span != nil && s.ended.CompareAndSwap(false, true) {
		s.spans.end.Write(s.id)
	}
}
