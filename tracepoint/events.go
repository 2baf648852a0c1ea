// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

// The events differ by how many fields they have. All are used alike: a New function
// declares one, usually in a variable of a package, and Write records it. Where nobody
// records it, Write is a load and a comparison.
//
// New functions panic when names are not those of identifiers, or when the event is
// declared already.

// Event0 is an event without fields.
type Event0 struct{ Event }

// New0 declares an event without fields.
func New0(p *Provider, name string, level Level) *Event0 {
	ev := new(Event0)
	p.event(&ev.Event, name, level)
	return ev
}

// Write records the event.
func (ev *Event0) Write() {
	if ev.on.Load() != 0 {
		ev.write(nil)
	}
}

// Event1 is an event of one field.
type Event1[A any] struct{ Event }

// New1 declares an event of one field.
func New1[A any](p *Provider, name string, level Level, a Field[A]) *Event1[A] {
	ev := new(Event1[A])
	p.event(&ev.Event, name, level, a.field)
	return ev
}

// Write records the event.
func (ev *Event1[A]) Write(a A) {
	if ev.on.Load() != 0 {
		ev.record(a)
	}
}

//go:noinline
func (ev *Event1[A]) record(a A) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
	})
}

// Event2 is an event of two fields.
type Event2[A, B any] struct{ Event }

// New2 declares an event of two fields.
func New2[A, B any](p *Provider, name string, level Level, a Field[A], b Field[B]) *Event2[A, B] {
	ev := new(Event2[A, B])
	p.event(&ev.Event, name, level, a.field, b.field)
	return ev
}

// Write records the event.
func (ev *Event2[A, B]) Write(a A, b B) {
	if ev.on.Load() != 0 {
		ev.record(a, b)
	}
}

//go:noinline
func (ev *Event2[A, B]) record(a A, b B) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
	})
}

// Event3 is an event of three fields.
type Event3[A, B, C any] struct{ Event }

// New3 declares an event of three fields.
func New3[A, B, C any](p *Provider, name string, level Level, a Field[A], b Field[B], c Field[C]) *Event3[A, B, C] {
	ev := new(Event3[A, B, C])
	p.event(&ev.Event, name, level, a.field, b.field, c.field)
	return ev
}

// Write records the event.
func (ev *Event3[A, B, C]) Write(a A, b B, c C) {
	if ev.on.Load() != 0 {
		ev.record(a, b, c)
	}
}

//go:noinline
func (ev *Event3[A, B, C]) record(a A, b B, c C) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
		argOf(ev.layout[2].op, &c),
	})
}

// Event4 is an event of four fields.
type Event4[A, B, C, D any] struct{ Event }

// New4 declares an event of four fields.
func New4[A, B, C, D any](p *Provider, name string, level Level, a Field[A], b Field[B], c Field[C], d Field[D]) *Event4[A, B, C, D] {
	ev := new(Event4[A, B, C, D])
	p.event(&ev.Event, name, level, a.field, b.field, c.field, d.field)
	return ev
}

// Write records the event.
func (ev *Event4[A, B, C, D]) Write(a A, b B, c C, d D) {
	if ev.on.Load() != 0 {
		ev.record(a, b, c, d)
	}
}

//go:noinline
func (ev *Event4[A, B, C, D]) record(a A, b B, c C, d D) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
		argOf(ev.layout[2].op, &c),
		argOf(ev.layout[3].op, &d),
	})
}

// Event5 is an event of five fields.
type Event5[A, B, C, D, E any] struct{ Event }

// New5 declares an event of five fields.
func New5[A, B, C, D, E any](p *Provider, name string, level Level, a Field[A], b Field[B], c Field[C], d Field[D], e Field[E]) *Event5[A, B, C, D, E] {
	ev := new(Event5[A, B, C, D, E])
	p.event(&ev.Event, name, level, a.field, b.field, c.field, d.field, e.field)
	return ev
}

// Write records the event.
func (ev *Event5[A, B, C, D, E]) Write(a A, b B, c C, d D, e E) {
	if ev.on.Load() != 0 {
		ev.record(a, b, c, d, e)
	}
}

//go:noinline
func (ev *Event5[A, B, C, D, E]) record(a A, b B, c C, d D, e E) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
		argOf(ev.layout[2].op, &c),
		argOf(ev.layout[3].op, &d),
		argOf(ev.layout[4].op, &e),
	})
}

// Event6 is an event of six fields.
type Event6[A, B, C, D, E, F any] struct{ Event }

// New6 declares an event of six fields.
func New6[A, B, C, D, E, F any](p *Provider, name string, level Level, a Field[A], b Field[B], c Field[C], d Field[D], e Field[E], f Field[F]) *Event6[A, B, C, D, E, F] {
	ev := new(Event6[A, B, C, D, E, F])
	p.event(&ev.Event, name, level, a.field, b.field, c.field, d.field, e.field, f.field)
	return ev
}

// Write records the event.
func (ev *Event6[A, B, C, D, E, F]) Write(a A, b B, c C, d D, e E, f F) {
	if ev.on.Load() != 0 {
		ev.record(a, b, c, d, e, f)
	}
}

//go:noinline
func (ev *Event6[A, B, C, D, E, F]) record(a A, b B, c C, d D, e E, f F) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
		argOf(ev.layout[2].op, &c),
		argOf(ev.layout[3].op, &d),
		argOf(ev.layout[4].op, &e),
		argOf(ev.layout[5].op, &f),
	})
}

// Event7 is an event of seven fields.
type Event7[A, B, C, D, E, F, G any] struct{ Event }

// New7 declares an event of seven fields.
func New7[A, B, C, D, E, F, G any](p *Provider, name string, level Level, a Field[A], b Field[B], c Field[C], d Field[D], e Field[E], f Field[F], g Field[G]) *Event7[A, B, C, D, E, F, G] {
	ev := new(Event7[A, B, C, D, E, F, G])
	p.event(&ev.Event, name, level, a.field, b.field, c.field, d.field, e.field, f.field, g.field)
	return ev
}

// Write records the event.
func (ev *Event7[A, B, C, D, E, F, G]) Write(a A, b B, c C, d D, e E, f F, g G) {
	if ev.on.Load() != 0 {
		ev.record(a, b, c, d, e, f, g)
	}
}

//go:noinline
func (ev *Event7[A, B, C, D, E, F, G]) record(a A, b B, c C, d D, e E, f F, g G) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
		argOf(ev.layout[2].op, &c),
		argOf(ev.layout[3].op, &d),
		argOf(ev.layout[4].op, &e),
		argOf(ev.layout[5].op, &f),
		argOf(ev.layout[6].op, &g),
	})
}

// Event8 is an event of eight fields.
type Event8[A, B, C, D, E, F, G, H any] struct{ Event }

// New8 declares an event of eight fields.
func New8[A, B, C, D, E, F, G, H any](p *Provider, name string, level Level, a Field[A], b Field[B], c Field[C], d Field[D], e Field[E], f Field[F], g Field[G], h Field[H]) *Event8[A, B, C, D, E, F, G, H] {
	ev := new(Event8[A, B, C, D, E, F, G, H])
	p.event(&ev.Event, name, level, a.field, b.field, c.field, d.field, e.field, f.field, g.field, h.field)
	return ev
}

// Write records the event.
func (ev *Event8[A, B, C, D, E, F, G, H]) Write(a A, b B, c C, d D, e E, f F, g G, h H) {
	if ev.on.Load() != 0 {
		ev.record(a, b, c, d, e, f, g, h)
	}
}

//go:noinline
func (ev *Event8[A, B, C, D, E, F, G, H]) record(a A, b B, c C, d D, e E, f F, g G, h H) {
	ev.write([]arg{
		argOf(ev.layout[0].op, &a),
		argOf(ev.layout[1].op, &b),
		argOf(ev.layout[2].op, &c),
		argOf(ev.layout[3].op, &d),
		argOf(ev.layout[4].op, &e),
		argOf(ev.layout[5].op, &f),
		argOf(ev.layout[6].op, &g),
		argOf(ev.layout[7].op, &h),
	})
}
