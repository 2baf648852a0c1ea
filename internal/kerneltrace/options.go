// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"fmt"
	"slices"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// Options says what a [Table]'s stream and trace are like. They go with the
// table to the process that converts.
type Options struct {
	Naming   Naming
	UUID     schema.UUID // of the trace
	StreamID uint64      // of the stream class: the channel
	Clock    *schema.Clock
	// Env is the trace's environment. The entries that tell readers which
	// tracer's names are used are added where they are missing.
	Env      []schema.EnvEntry
	Contexts []Context
	Hostname string // for [ContextHostname]

	// StreamOnly is true when another table of the same trace has declared the
	// trace and its clock: the metadata begins with the stream class.
	StreamOnly bool
	// StateDump declares the events of [Converter.StateDump].
	StateDump bool
	// ClockSync declares the event of [Converter.ClockSync].
	ClockSync bool
	// PointerKey, when it is there, replaces addresses in the kernel by numbers
	// that are equal where the addresses are and tell nothing else.
	PointerKey *[16]byte
}

// defaults fills in what readers need.
func (o *Options) defaults() error {
	if o.Naming > Tracefs {
		return fmt.Errorf("kernel events: naming %d, want %d or %d", o.Naming, LTTng, Tracefs)
	}
	if o.Clock == nil {
		o.Clock = ctf.MonotonicClock(schema.UUID{}, 0)
	}
	clock := *o.Clock // the table sets its offset
	o.Clock = &clock
	if o.StreamID > 1<<32-1 {
		return fmt.Errorf("kernel events: stream class %d, want 32 bits", o.StreamID)
	}
	for i, c := range o.Contexts {
		if _, err := ParseContext(c.String()); err != nil {
			return err
		}
		if slices.Contains(o.Contexts[:i], c) {
			return fmt.Errorf("kernel events: context %s is asked for twice", c)
		}
	}
	tracer := []schema.EnvEntry{
		{Name: "domain", String: "kernel"},
		{Name: "tracer_name", String: "lttng-modules"},
		{Name: "tracer_major", IsInt: true, Int: 2},
		{Name: "tracer_minor", IsInt: true, Int: 13},
		{Name: "tracer_patchlevel", IsInt: true, Int: 0},
	}
	if o.Naming == Tracefs {
		tracer = []schema.EnvEntry{{Name: "domain", String: "kernel"}, {Name: "tracer_name", String: "perf"}}
	}
	o.Env = slices.Clone(o.Env)
	for _, e := range tracer {
		if !slices.ContainsFunc(o.Env, func(have schema.EnvEntry) bool { return have.Name == e.Name }) {
			o.Env = append(o.Env, e)
		}
	}
	return nil
}
