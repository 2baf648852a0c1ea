// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"errors"
	"runtime"
	"time"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/ust/wire"
)

// version is what the program says that its tracer is: the library whose protocol it
// speaks.
var version = wire.Version{Major: 2, Minor: 13, Patch: 5}

// Limits of what a daemon can have a program hold.
const (
	maxObjects = 1 << 16
	maxRules   = 1 << 12 // of a channel
)

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

// Waiting for those who write: they need no time at all, unless they are out of the
// processor. Those who have died amid an event, perhaps of another program, never end.
const (
	settleTurns = 100
	settleLate  = time.Second
)

// settle waits for those who have begun to write.
func (c *client) settle() {
	late := time.Now().Add(settleLate)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, o := range c.objects {
		ch, ok := o.(*channel)
		if !ok {
			continue
		}
		for _, w := range ch.rings {
			for turn := 0; !w.Quiet() && time.Now().Before(late); turn++ {
				if turn < settleTurns {
					runtime.Gosched()
				} else {
					<-tick.C
				}
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
