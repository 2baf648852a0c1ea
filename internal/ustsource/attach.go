// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// wants is what a trace wants of a program. It is never changed.
type wants struct {
	active   bool
	channels []channelWants
}

// channelWants is what it wants of a channel.
type channelWants struct {
	c        *channel
	on       bool
	contexts []programContext
	rules    []ruleWants
}

// ruleWants is a rule, and whether it is enabled.
type ruleWants struct {
	r  *rule
	on bool
}

// attachment is what a program has been told of a trace.
type attachment struct {
	handle   uint32
	active   bool
	channels map[*channel]*attachedChannel
}

// attachedChannel is what it has been told of a channel.
type attachedChannel struct {
	handle uint32
	off    bool
	rules  map[*rule]*attachedRule
}

// attachedRule is what it has been told of a rule.
type attachedRule struct {
	handle uint32
	on     bool
}

// bring tells the program what it does not know.
func (p *program) bring(t *trace, w wants) error {
	a := p.attached[t]
	if a == nil {
		if !w.active {
			return nil
		}
		var err error
		if a, err = p.attach(t, w); err != nil {
			return err
		}
	}
	if a.active && !w.active {
		if err := p.stop(a); err != nil {
			return err
		}
	}
	for _, cw := range w.channels {
		if c := a.channels[cw.c]; c != nil {
			if err := p.bringChannel(c, cw, w.active); err != nil {
				return fmt.Errorf("channel %s: %w", cw.c.name, err)
			}
		}
	}
	if a.active || !w.active {
		return nil
	}
	if _, err := p.link.simple(a.handle, wire.OpEnable); err != nil {
		return err
	}
	a.active = true
	return nil
}

// stop ends recording. What was being written is written then.
func (p *program) stop(a *attachment) error {
	if _, err := p.link.simple(a.handle, wire.OpDisable); err != nil {
		return err
	}
	a.active = false
	_, err := p.link.simple(wire.Root, wire.OpWaitQuiescent)
	return err
}

// attach makes the session with its channels in the program.
func (p *program) attach(t *trace, w wants) (*attachment, error) {
	for _, cw := range w.channels { // before the program is told: it may go well the next time
		if _, err := cw.c.of(p); err != nil {
			return nil, fmt.Errorf("channel %s: %w", cw.c.name, err)
		}
	}
	handle, err := p.link.simple(wire.Root, wire.OpSession)
	if err != nil {
		return nil, err
	}
	a := &attachment{handle: handle, channels: make(map[*channel]*attachedChannel)}
	p.attached[t] = a
	p.mu.Lock()
	p.sessions[handle] = t
	p.mu.Unlock()
	for _, cw := range w.channels {
		c, err := p.attachChannel(a, cw)
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", cw.c.name, err)
		}
		a.channels[cw.c] = c
	}
	return a, nil
}

// attachChannel makes a channel in the program, with its rings.
func (p *program) attachChannel(a *attachment, w channelWants) (*attachedChannel, error) {
	b, err := w.c.of(p)
	if err != nil {
		return nil, err
	}
	object, err := b.object()
	if err != nil {
		return nil, err
	}
	body := (&wire.Channel{Len: uint64(len(object))}).Append(nil)
	handle, err := p.link.with(a.handle, wire.OpChannel, body, object, b.wake[0])
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.buffers[handle] = b
	p.mu.Unlock()
	size := b.c.geometry.Layout().Size
	for i := range b.memory {
		body := (&wire.Stream{Len: size, Number: uint32(i)}).Append(nil)
		if _, err := p.link.with(handle, wire.OpStream, body, nil, b.memory[i], b.wake[i]); err != nil {
			return nil, err
		}
	}
	for _, t := range w.contexts {
		if _, err := p.link.with(handle, wire.OpContext, t.body, t.rest); err != nil {
			return nil, fmt.Errorf("context %s: %w", t.name, err)
		}
	}
	return &attachedChannel{handle: handle, rules: make(map[*rule]*attachedRule)}, nil
}

// bringChannel tells the program what it does not know of a channel.
func (p *program) bringChannel(c *attachedChannel, w channelWants, active bool) error {
	for _, rw := range w.rules {
		if err := p.bringRule(c, rw); err != nil {
			return fmt.Errorf("event rule %s: %w", rw.r.pattern, err)
		}
	}
	if off := !w.on; active && off != c.off {
		op := wire.OpEnable
		if off {
			op = wire.OpDisable
		}
		if _, err := p.link.simple(c.handle, op); err != nil {
			return err
		}
		c.off = off
	}
	return nil
}

// bringRule tells the program what it does not know of a rule.
func (p *program) bringRule(c *attachedChannel, w ruleWants) error {
	r := c.rules[w.r]
	if r == nil {
		if !w.on {
			return nil
		}
		handle, err := p.link.with(c.handle, wire.OpEvent, w.r.event().Append(nil), nil)
		if err != nil {
			return err
		}
		if f := w.r.filter; f != nil {
			body := (&wire.Filter{Len: uint32(len(f.Bytes)), Relocations: f.Table, Sequence: w.r.sequence}).Append(nil)
			if _, err := p.link.with(handle, wire.OpFilter, body, f.Bytes); err != nil {
				return fmt.Errorf("filter: %w", err)
			}
		}
		if names := w.r.exclusions; len(names) > 0 {
			body := (&wire.Exclusion{Count: uint32(len(names))}).Append(nil)
			if _, err := p.link.with(handle, wire.OpExclusion, body, wire.AppendNames(nil, names)); err != nil {
				return err
			}
		}
		r = &attachedRule{handle: handle}
		c.rules[w.r] = r
	}
	if r.on == w.on {
		return nil
	}
	op := wire.OpEnable
	if !w.on {
		op = wire.OpDisable
	}
	if _, err := p.link.simple(r.handle, op); err != nil {
		return err
	}
	r.on = w.on
	return nil
}

// detach has the program let go of a trace.
func (p *program) detach(t *trace) {
	a := p.attached[t]
	if a == nil {
		return
	}
	delete(p.attached, t)
	var handles []uint32
	for _, c := range a.channels {
		for _, r := range c.rules {
			handles = append(handles, r.handle)
		}
	}
	for _, c := range a.channels {
		handles = append(handles, c.handle)
	}
	handles = append(handles, a.handle)
	var err error
	for _, h := range handles {
		if _, err = p.link.simple(h, wire.OpRelease); err != nil {
			break
		}
	}
	p.mu.Lock()
	delete(p.sessions, a.handle)
	maps.DeleteFunc(p.buffers, func(_ uint32, b *buffers) bool { return b.c.t == t })
	p.mu.Unlock()
	var code wire.Code
	if err != nil && !errors.As(err, &code) {
		p.leave(err)
	}
}

// buffers are the rings of a channel that the programs of a user share, or that one has.
type buffers struct {
	// Immutable.
	c      *channel
	part   *part // of the user, or program
	class  *class
	memory []*os.File // of each processor
	wake   []*os.File // ends that programs write to
	woken  []*os.File // ends that the consumer reads
	first  ring.Header

	told bool // to the consumer; guarded by trace.mu
}
