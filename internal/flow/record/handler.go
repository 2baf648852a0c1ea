// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Handler puts the traced packet of a context into lines, outside of all groups, and
// hands them to another handler.
type Handler struct {
	base slog.Handler
	wrap []func(slog.Handler) slog.Handler // WithAttrs and WithGroup, in their order
	next slog.Handler                      // base with all of wrap
}

// NewHandler returns a handler that hands lines to next.
func NewHandler(next slog.Handler) *Handler { return &Handler{base: next, next: next} }

// Enabled reports whether the next handler wants lines of a level.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle hands a line on.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	s := Of(ctx)
	if s == nil {
		return h.next.Handle(ctx, r)
	}
	next := h.base.WithAttrs(s.Attrs())
	for _, wrap := range h.wrap {
		next = wrap(next)
	}
	return next.Handle(ctx, r)
}

// WithAttrs returns a handler whose lines have more attributes.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

// WithGroup returns a handler whose lines have their attributes in a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *Handler) with(wrap func(slog.Handler) slog.Handler) *Handler {
	return &Handler{base: h.base, wrap: append(slices.Clip(h.wrap), wrap), next: wrap(h.next)}
}

// TextHandler writes lines as flow-trace.log has them: time, level, cookie, message.
// Attributes that are not of the Scope follow as name=value.
type TextHandler struct {
	w      io.Writer
	mu     *sync.Mutex // guards w, of all handlers that came of one
	level  slog.Leveler
	prefix string // of names: the groups
	attrs  string // written before those of a line
	cookie string
}

// NewTextHandler returns a handler that writes to w lines of a level and above.
func NewTextHandler(w io.Writer, level slog.Leveler) *TextHandler {
	return &TextHandler{w: w, mu: new(sync.Mutex), level: level}
}

// textTime is the layout of times in flow-trace.log.
const textTime = "2006.01.02 15:04:05.000"

// Enabled reports whether lines of a level are written.
func (h *TextHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle writes a line.
func (h *TextHandler) Handle(_ context.Context, r slog.Record) error {
	b := r.Time.AppendFormat(make([]byte, 0, 200), textTime)
	b = append(append(append(b, ' '), r.Level.String()...), ' ')
	cookie, attrs := h.cookie, []byte(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendAttr(attrs, &cookie, h.prefix, a)
		return true
	})
	if cookie != "" {
		b = append(append(b, cookie...), ' ')
	}
	b = append(b, oneLine(r.Message)...)
	b = append(append(b, attrs...), '\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(b)
	return err
}

// scopeKeys are the keys that a line of text does not have but for the cookie.
var scopeKeys = []string{
	KeyFlow, KeyRequests, KeyHost, KeyEthSrc, KeyEthDst, KeyEtherType, KeyNetworkSrc, KeyNetworkDst, KeyNetworkProto, KeySrcPort, KeyDstPort,
}

// appendAttr appends an attribute, or notes that it is the cookie.
func appendAttr(b []byte, cookie *string, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}), prefix == "" && slices.Contains(scopeKeys, a.Key):
		return b
	case prefix == "" && a.Key == KeyCookie:
		*cookie = v.String()
		return b
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, cookie, prefix, member)
		}
		return b
	}
	b = append(append(append(append(b, ' '), prefix...), a.Key...), '=')
	text := v.String()
	if text == "" || strings.ContainsAny(text, " =\"\n\r\t") || oneLine(text) != text {
		return strconv.AppendQuote(b, text)
	}
	return append(b, text...)
}

// oneLine returns a text without control characters, so that nobody forges a line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// WithAttrs returns a handler whose lines have more attributes.
func (h *TextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	b := []byte(h.attrs)
	for _, a := range attrs {
		b = appendAttr(b, &c.cookie, h.prefix, a)
	}
	c.attrs = string(b)
	return &c
}

// WithGroup returns a handler whose attributes have names in a group.
func (h *TextHandler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.prefix += name + "."
	}
	return &c
}
