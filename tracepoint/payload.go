// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"io"
	"os"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// maxPayload bounds what follows a command and is not looked at.
const maxPayload = 1 << 20

// newChannel takes a channel object, and the descriptor that would wake its reader up.
func (c *client) newChannel(s *socket, m *wire.Command) (uint32, error) {
	h, err := wire.ParseChannel(m.Body)
	if err != nil {
		return 0, err // its length cannot be believed
	}
	b := make([]byte, h.Len)
	if err := s.fill(b); err != nil {
		return 0, err
	}
	files, err := s.receive(1)
	if err != nil {
		return 0, err
	}
	files[0].Close() // streams have their own
	owner, ok := c.objects[m.Handle].(*session)
	if !ok {
		return 0, wire.CodeInvalid
	}
	object, err := ring.ParseChannel(b)
	if err != nil || h.Type != 0 {
		return 0, wire.CodeInvalid
	}
	ch := &channel{session: owner, object: object, events: make(map[*Event]declared)}
	if ch.handle, err = c.newHandle(ch); err != nil {
		return 0, err
	}
	owner.channels = append(owner.channels, ch)
	return ch.handle, nil
}

// newStream takes the memory of a ring.
func (c *client) newStream(s *socket, m *wire.Command) error {
	files, err := s.receive(2)
	if err != nil {
		return err
	}
	st, err := wire.ParseStream(m.Body)
	ch, ok := c.objects[m.Handle].(*channel)
	if err != nil || !ok || int(st.Number) != len(ch.rings) || st.Number >= ch.object.Streams {
		closeAll(files)
		return wire.CodeInvalid
	}
	w, err := ring.Map(ring.WriterConfig{Channel: ch.object, Stream: st.Number, Now: now}, files[0], files[1], st.Len)
	if err != nil {
		return wire.CodeInvalid
	}
	ch.rings = append(ch.rings, w)
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// filter takes the bytecode of a rule, or of something that is not done.
func (c *client) filter(s *socket, m *wire.Command) error {
	f, err := wire.ParseFilter(m.Body)
	if err != nil {
		return err
	}
	b := make([]byte, f.Len)
	if err := s.fill(b); err != nil {
		return err
	}
	if r, ok := c.objects[m.Handle].(*rule); ok {
		r.filter = &filterCode{b[:f.Relocations], b[f.Relocations:]}
	}
	return nil
}

// exclude takes names that a rule does not select.
func (c *client) exclude(s *socket, m *wire.Command) error {
	x, err := wire.ParseExclusion(m.Body)
	if err != nil {
		return err
	}
	b := make([]byte, int(x.Count)*wire.NameLen)
	if err := s.fill(b); err != nil {
		return err
	}
	r, ok := c.objects[m.Handle].(*rule)
	if !ok {
		return nil
	}
	names, err := wire.ParseNames(b)
	if err != nil {
		return wire.CodeInvalid
	}
	for _, n := range names {
		r.without = append(r.without, filter.NewGlob(n))
	}
	return nil
}

// context adds what all events of a channel tell.
func (c *client) context(s *socket, m *wire.Command) error {
	x, err := wire.ParseContext(m.Body)
	if err != nil {
		return err
	}
	var app wire.AppContext
	if x.Type == wire.ContextApp {
		if app, err = s.appContext(m); err != nil {
			return err
		}
	}
	ch, ok := c.objects[m.Handle].(*channel)
	switch {
	case !ok:
		return wire.CodeInvalid
	case ch.header != 0 || len(ch.contexts) == maxContexts:
		return wire.CodeNoAccess // events have been described without
	}
	if x.Type == wire.ContextPerf {
		// One that is not to be had is left out, as LTTng's library does: not all machines
		// have all counters.
		w, err := newCounterContext(m.Body)
		if err != nil {
			return err
		}
		ch.contexts = append(ch.contexts, w)
		return nil
	}
	if x.Type == wire.ContextApp {
		if len(app.String()+appKind) > maxName {
			ch.refused = true
			return wire.CodeInvalid // it cannot be described
		}
		ch.contexts = append(ch.contexts, newAppContext(app))
		return nil
	}
	w, ok := newContext(x.Type)
	if !ok {
		ch.refused = true
		return wire.CodeNoSys
	}
	ch.contexts = append(ch.contexts, w)
	return nil
}

// appContext reads the names that follow the command of a context of the program's own.
func (s *socket) appContext(m *wire.Command) (app wire.AppContext, err error) {
	provider, name, err := wire.ParseAppContext(m.Body)
	if err != nil {
		return app, wire.CodeInvalid // as LTTng: nothing follows that could be skipped
	}
	b := make([]byte, provider+name)
	if err := s.fill(b); err != nil {
		return app, err
	}
	if app.ParseNames(b, provider) != nil {
		return app, wire.CodeInvalid
	}
	return app, nil
}

// silentFile takes a descriptor for something that is not done.
func (c *client) silentFile(s *socket) (uint32, error) {
	files, err := s.receive(1)
	if err != nil {
		return 0, err
	}
	closeAll(files)
	return c.newHandle(silent{})
}

// silentObject takes the description of something that is not done.
func (c *client) silentObject(s *socket, m *wire.Command) (uint32, error) {
	if err := s.skip(int64(le.Uint32(m.Body))); err != nil {
		return 0, err
	}
	return c.newHandle(silent{})
}

// skip reads what nobody needs.
func (s *socket) skip(n int64) error {
	if n > maxPayload {
		return io.ErrShortBuffer
	}
	return s.fill(make([]byte, n))
}
