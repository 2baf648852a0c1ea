// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"log/slog"
	"strings"
)

// Handler makes events of log records: provider:log_debug, log_info, log_warn and
// log_error, with the levels of LTTng that fit. It hands them on to another handler.
type Handler struct {
	next   slog.Handler // or nil
	events *logEvents
	prefix string // attributes that all records have, and a space
	group  string // that attributes are in, and a full stop
}

// logEvents are the events by levels of slog.
type logEvents struct{ debug, info, warn, err *Event2[string, string] }

// NewHandler declares the events of a handler, once for a provider. Without next, nothing
// else is done with records.
func NewHandler(p *Provider, next slog.Handler) *Handler {
	event := func(name string, level Level) *Event2[string, string] {
		return New2(p, name, level, String("message"), String("attributes"))
	}
	return &Handler{next: next, events: &logEvents{
		event("log_debug", DebugProgram), event("log_info", Info), event("log_warn", Warning), event("log_error", Error),
	}}
}

func (e *logEvents) of(level slog.Level) *Event2[string, string] {
	switch {
	case level < slog.LevelInfo:
		return e.debug
	case level < slog.LevelWarn:
		return e.info
	case level < slog.LevelError:
		return e.warn
	}
	return e.err
}

// Enabled reports whether the event is recorded, or the next handler wants records of
// the level.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.events.of(level).Enabled() || h.next != nil && h.next.Enabled(ctx, level)
}

// Handle records the event and hands the record on.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if e := h.events.of(r.Level); e.Enabled() {
		var b strings.Builder
		b.WriteString(h.prefix)
		r.Attrs(func(a slog.Attr) bool {
			appendAttr(&b, h.group, a)
			return true
		})
		e.Write(r.Message, strings.TrimSuffix(b.String(), " "))
	}
	if h.next == nil || !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs returns a handler whose records have these attributes too.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b strings.Builder
	b.WriteString(h.prefix)
	for _, a := range attrs {
		appendAttr(&b, h.group, a)
	}
	c.prefix = b.String()
	if h.next != nil {
		c.next = h.next.WithAttrs(attrs)
	}
	return &c
}

// WithGroup returns a handler whose further attributes are in a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.group += name + "."
	if h.next != nil {
		c.next = h.next.WithGroup(name)
	}
	return &c
}

// appendAttr writes key=value and a space; of a group, all that is in it.
func appendAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, m := range v.Group() {
			appendAttr(b, group, m)
		}
		return
	}
	b.WriteString(group)
	b.WriteString(a.Key)
	b.WriteByte('=')
	b.WriteString(v.String())
	b.WriteByte(' ')
}
