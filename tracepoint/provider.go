// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"fmt"
	"strings"
)

// Provider is a group of events, which begin with its name.
type Provider struct {
	name   string
	tracer *tracer
}

// NewProvider declares a provider. The first one of a program begins to look for
// session daemons; it does not wait for them.
//
// It panics when the name is not that of an identifier: letters, digits, underscores
// and hyphens, and no digit first.
func NewProvider(name string) *Provider { return newProvider(process(), name) }

func newProvider(t *tracer, name string) *Provider {
	if !identifier(name) || strings.HasPrefix(name, "lttng_ust") {
		panic(fmt.Sprintf("tracepoint: provider %q: not a name for one", name))
	}
	return &Provider{name, t}
}

// maxName bounds names of events with their provider, and of fields.
const maxName = 255

func identifier(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && (c == '-' || '0' <= c && c <= '9'):
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// event declares an event.
func (p *Provider) event(e *Event, name string, level Level, fields ...field) {
	full := p.name + ":" + name
	if !identifier(name) || len(full) > maxName {
		panic(fmt.Sprintf("tracepoint: event %q: not a name for one", full))
	}
	if level < Emergency || level > Debug {
		panic(fmt.Sprintf("tracepoint: event %q: log level %d, want %d to %d", full, level, Emergency, Debug))
	}
	seen := make(map[string]bool)
	for _, f := range fields {
		if !identifier(f.name) || strings.Contains(f.name, "-") || seen[f.name] || f.op == opSlice && seen[f.lengthName()] {
			panic(fmt.Sprintf("tracepoint: event %q: field %q: not a name for one, or there twice", full, f.name))
		}
		seen[f.name] = true
		if f.op == opSlice {
			seen[f.lengthName()] = true
		}
		if f.enum != nil && !p.tracer.knowEnum(f.enum) {
			panic(fmt.Sprintf("tracepoint: event %q: field %q: enumeration %q has other labels elsewhere", full, f.name, f.enum.name))
		}
	}
	e.name, e.level, e.fields = full, level, fields
	e.lay()
	if !p.tracer.add(e) {
		panic(fmt.Sprintf("tracepoint: event %q: declared twice", full))
	}
}
