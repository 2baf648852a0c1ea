// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"errors"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// version is what the program says that its tracer is: the library whose protocol it
// speaks.
var version = wire.Version{Major: 2, Minor: 13, Patch: 5}

// Limits of what a daemon can have a program hold.
const (
	maxObjects = 1 << 16
	maxRules   = 1 << 12 // of a channel
	maxPayload = 1 << 20
)

// list is an answer that the daemon reads one by one.
type list struct {
	events []*Event
	fields []wire.FieldInfo
}

// silent are objects of what the daemon asks of every program and Go programs do not
// do: groups of notifiers, notifiers and counters. They can be made, and do nothing.
type silent struct{}

// command does what the daemon wants, and answers. An error is one of the connection;
// what cannot be done is in the answer.
func (c *client) command(s *socket, m *wire.Command) error {
	r := wire.Reply{Handle: m.Handle, Op: m.Op}
	if early(m.Op) {
		if err := s.send(r.Append(nil)); err != nil {
			return err
		}
	}
	value, err := c.do(s, m, &r)
	var code wire.Code
	switch {
	case errors.As(err, &code):
		r.Code = code
	case err != nil:
		return err
	}
	r.Value = value
	b := r.Append(nil)
	if f, ok := c.field(m, r.Code); ok {
		b = f.Append(b)
	}
	return s.send(b)
}

// early are commands that have an answer before what follows them, and one after.
func early(op wire.Op) bool {
	switch op {
	case wire.OpNotifierGroup, opNotifier, opCapture, wire.OpCounter, opCounterGlobal, opCounterCPU:
		return true
	}
	return false
}

// Commands for notifiers and counters.
const (
	opFlush         wire.Op = 0x71
	opNotifier      wire.Op = 0xB0
	opCapture       wire.Op = 0xB6
	opCounterGlobal wire.Op = 0xD0
	opCounterCPU    wire.Op = 0xD1
)

// do does it. What follows a command is read also where it cannot be done.
func (c *client) do(s *socket, m *wire.Command, r *wire.Reply) (uint32, error) {
	switch m.Op {
	case wire.OpChannel:
		return c.newChannel(s, m)
	case wire.OpStream:
		return 0, c.newStream(s, m)
	case wire.OpFilter, opCapture:
		return 0, c.filter(s, m)
	case wire.OpExclusion:
		return 0, c.exclude(s, m)
	case wire.OpContext:
		return 0, c.context(s, m)
	case wire.OpNotifierGroup, opCounterGlobal, opCounterCPU:
		return c.silentFile(s)
	case opNotifier, wire.OpCounter:
		return c.silentObject(s, m)
	}
	if m.Handle == wire.Root {
		return c.root(m, r)
	}
	o, ok := c.objects[m.Handle]
	if !ok {
		return 0, wire.CodeNoEntry
	}
	if m.Op == wire.OpRelease {
		return 0, c.release(m.Handle, o)
	}
	switch o := o.(type) {
	case *session:
		return 0, c.onSession(o, m.Op)
	case *channel:
		return c.onChannel(o, m)
	case *rule:
		return 0, c.onRule(o, m.Op)
	case *list:
		return 0, c.onList(o, m.Op, r)
	}
	return 0, nil // silent
}

// newHandle keeps an object.
func (c *client) newHandle(o any) (uint32, error) {
	if len(c.objects) >= maxObjects {
		return 0, wire.CodeFailed
	}
	for {
		c.last = c.last&(1<<31-1) + 1 // the sign is that of errors elsewhere
		if _, used := c.objects[c.last]; !used && c.last != wire.Root {
			break
		}
	}
	c.objects[c.last] = o
	return c.last, nil
}

func (c *client) root(m *wire.Command, r *wire.Reply) (uint32, error) {
	switch m.Op {
	case wire.OpTracerVersion:
		r.Body = version.Append(nil)
		return 0, nil
	case wire.OpSession:
		o := &session{enums: make(map[string]uint64)}
		var err error
		o.handle, err = c.newHandle(o)
		return o.handle, err
	case wire.OpTracepointList:
		return c.newHandle(&list{events: c.tracer.list()})
	case wire.OpFieldList:
		return c.newHandle(&list{fields: fieldInfos(c.tracer.list())})
	case wire.OpWaitQuiescent:
		c.settle()
		return 0, nil
	case wire.OpRegisterDone:
		c.done()
		return 0, nil
	case wire.OpRelease:
		return 0, wire.CodeNoAccess
	}
	return 0, wire.CodeNoSys
}

// settle waits for those who have begun to write. What they need is in memory: it takes
// them no time, unless they are out of the processor, or have died.
func (c *client) settle() {
	late := time.Now().Add(time.Second)
	for _, o := range c.objects {
		ch, ok := o.(*channel)
		if !ok {
			continue
		}
		for _, w := range ch.rings {
			for !w.Quiet() && time.Now().Before(late) {
				runtime.Gosched()
			}
		}
	}
}

// release forgets an object. Rules go on for as long as their channel.
func (c *client) release(handle uint32, o any) error {
	delete(c.objects, handle)
	switch o := o.(type) {
	case *session:
		all := o.channels
		defer last(all...)()
		o.active, o.channels = false, nil
		err := c.sync()
		for _, ch := range all {
			ch.retire()
		}
		return err
	case *channel:
		defer last(o)()
		o.disabled = true
		s := o.session
		for i, ch := range s.channels {
			if ch == o {
				s.channels = append(s.channels[:i:i], s.channels[i+1:]...)
				break
			}
		}
		err := c.sync()
		o.retire()
		return err
	}
	return nil
}

func (c *client) onSession(s *session, op wire.Op) error {
	switch op {
	case wire.OpEnable, wire.OpSessionStart:
		if s.active {
			return wire.CodeExists
		}
		s.active = true
	case wire.OpDisable, wire.OpSessionStop:
		defer last(s.channels...)()
		s.active = false
	case wire.OpStatedump:
		return nil // addresses are told by the program's file alone
	default:
		return wire.CodeNoSys
	}
	return c.sync()
}

func (c *client) onChannel(ch *channel, m *wire.Command) (uint32, error) {
	switch m.Op {
	case wire.OpEvent:
		e, err := wire.ParseEvent(m.Body)
		if err != nil || len(ch.rules) >= maxRules {
			return 0, wire.CodeInvalid
		}
		r := &rule{channel: ch, pattern: filter.NewGlob(e.Pattern), kind: e.LevelType, level: Level(e.Level)}
		handle, err := c.newHandle(r)
		if err == nil {
			ch.rules = append(ch.rules, r)
		}
		return handle, err
	case wire.OpEnable, wire.OpDisable:
		if m.Op == wire.OpDisable {
			defer last(ch)()
		}
		ch.disabled = m.Op == wire.OpDisable
		return 0, c.sync()
	case opFlush:
		return 0, nil // the daemon's reader does it
	}
	return 0, wire.CodeNoSys
}

func (c *client) onRule(r *rule, op wire.Op) error {
	switch op {
	case wire.OpEnable, wire.OpDisable:
		if op == wire.OpDisable {
			defer last(r.channel)()
		}
		r.enabled = op == wire.OpEnable
		return c.sync()
	}
	return wire.CodeNoSys
}

func (c *client) onList(l *list, op wire.Op, r *wire.Reply) error {
	switch {
	case op == wire.OpTracepointGet && len(l.events) > 0:
		e := l.events[0]
		l.events = l.events[1:]
		r.Body = (&wire.Tracepoint{Name: e.name, Level: int32(e.level)}).Append(nil)
		return nil
	case op == wire.OpFieldGet && len(l.fields) > 0:
		return nil // the field follows, see field
	case op == wire.OpTracepointGet, op == wire.OpFieldGet:
		return wire.CodeNoEntry
	}
	return wire.CodeNoSys
}

// field is what follows the answer to a command, if something does.
func (c *client) field(m *wire.Command, code wire.Code) (f wire.FieldInfo, ok bool) {
	l, ok := c.objects[m.Handle].(*list)
	if !ok || m.Op != wire.OpFieldGet || code != wire.OK || len(l.fields) == 0 {
		return f, false
	}
	f = l.fields[0]
	l.fields = l.fields[1:]
	return f, true
}

// fieldInfos lists the fields of events; one without has an entry of its own.
func fieldInfos(events []*Event) (all []wire.FieldInfo) {
	for _, e := range events {
		for _, f := range e.fields {
			kind := int32(wire.ListInteger)
			switch {
			case f.op == opSlice:
				kind = wire.ListOther
			case f.op == opString:
				kind = wire.ListString
			case f.enum != nil:
				kind = wire.ListEnum
			case f.kind == wire.Float:
				kind = wire.ListFloat
			}
			all = append(all, wire.FieldInfo{Event: e.name, Name: f.name, Kind: kind, Level: int32(e.level)})
		}
		if len(e.fields) == 0 {
			all = append(all, wire.FieldInfo{Event: e.name, Kind: wire.ListOther, Level: int32(e.level)})
		}
	}
	return all
}

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
		r.filter = &bytecode{b[:f.Relocations], b[f.Relocations:]}
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

// applicationContext has a name behind it.
const applicationContext = 7

// context adds what all events of a channel tell.
func (c *client) context(s *socket, m *wire.Command) error {
	x, err := wire.ParseContext(m.Body)
	if err != nil {
		return err
	}
	if x.Type == applicationContext {
		provider, name := le.Uint32(m.Body[20:]), le.Uint32(m.Body[24:])
		if provider > maxName || name > maxName {
			return wire.CodeInvalid // as LTTng: nothing follows that could be skipped
		}
		if err := s.skip(int64(provider) + int64(name)); err != nil {
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
	w, ok := newContext(x.Type)
	if !ok {
		ch.refused = true
		return wire.CodeNoSys
	}
	ch.contexts = append(ch.contexts, w)
	return nil
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
