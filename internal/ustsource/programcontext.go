// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import "github.com/weir-io/weir/internal/ust/wire"

// programContext is something that all events of a channel tell: what programs are told of it.
type programContext struct {
	name string
	body []byte // of the command
	rest []byte // that follows it
}

// newContext finds a context by its name: LTTng-UST's, one of programs' own, or a counter.
func newContext(name string) (programContext, bool) {
	if app, ok := wire.ParseAppContextName(name); ok {
		return programContext{name, app.Append(nil), app.AppendNames(nil)}, true
	}
	if perf, ok := wire.ParsePerfContextName(name); ok {
		return programContext{name: name, body: perf.Append(nil)}, true
	}
	t, ok := wire.ParseContextName(name)
	return programContext{name: name, body: (&wire.Context{Type: t}).Append(nil)}, ok
}

// Contexts lists the names of those that programs know, counters of their threads included.
func Contexts() []string { return append(wire.ContextNames(), wire.PerfContextNames()...) }
