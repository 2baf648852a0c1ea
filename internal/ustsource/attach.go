// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

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
	out    bool // the program is left out of it, or could not be told all of it: it has no rules
	off    bool
	rules  map[*rule]*attachedRule
}

// attachedRule is what it has been told of a rule.
type attachedRule struct {
	handle  uint32
	refused bool // the program could not be told all of it: it is not enabled
	on      bool
}

// refusals are errors of things of which the program goes on with the others.
type refusals []error

// add takes an error that has to do with something, and returns it if nothing else goes on.
func (all *refusals) add(err error, of, name string) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s %s: %w", of, name, err)
	var code wire.Code
	if isBroken(err) || !errors.As(err, &code) {
		return err
	}
	*all = append(*all, err)
	return nil
}

// isBroken reports whether the program is not to be talked to any more.
func isBroken(err error) bool {
	var broken *brokenError
	return errors.As(err, &broken)
}

// bring tells the program what it does not know. What it refuses keeps it from nothing
// else.
func (p *program) bring(t *trace, w wants) error {
	var refused refusals
	a := p.attached[t]
	if a == nil {
		if !w.active {
			return nil
		}
		var err error
		if a, err = p.attach(t, w, &refused); err != nil {
			return err
		}
	}
	if a.active && !w.active {
		if err := p.stop(a); err != nil {
			return err
		}
	}
	for _, cw := range w.channels {
		if c := a.channels[cw.c]; c != nil && !c.out {
			if err := refused.add(p.bringChannel(c, cw, w.active), "channel", cw.c.name); err != nil {
				return err
			}
		}
	}
	if a.active || !w.active {
		return errors.Join(refused...)
	}
	if _, err := p.link.simple(a.handle, wire.OpEnable); err != nil {
		return errors.Join(append(refused, err)...)
	}
	a.active = true
	return errors.Join(refused...)
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
func (p *program) attach(t *trace, w wants, refused *refusals) (*attachment, error) {
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
		if err := refused.add(p.attachChannel(a, cw), "channel", cw.c.name); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// attachChannel makes a channel in the program, with its rings.
func (p *program) attachChannel(a *attachment, w channelWants) error {
	b, err := w.c.of(p)
	if err != nil {
		return err
	}
	object, err := b.object()
	if err != nil {
		return err
	}
	body := (&wire.Channel{Len: uint64(len(object))}).Append(nil)
	handle, err := p.link.with(a.handle, wire.OpChannel, body, object, b.wake[0])
	if err != nil {
		return err
	}
	c := &attachedChannel{handle: handle, out: true, rules: make(map[*rule]*attachedRule)}
	a.channels[w.c] = c
	p.mu.Lock()
	p.buffers[handle] = b
	p.mu.Unlock()
	size := b.c.geometry.Layout().Size
	for i := range b.memory {
		body := (&wire.Stream{Len: size, Number: uint32(i)}).Append(nil)
		if _, err := p.link.with(handle, wire.OpStream, body, nil, b.memory[i], b.wake[i]); err != nil {
			return err
		}
	}
	for _, t := range w.contexts {
		err := p.attachContext(handle, b, t)
		if errors.Is(err, errLeftOut) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("context %s: %w", t.name, err)
		}
	}
	c.out = false
	return nil
}

// attachContext adds a context to a channel in the program. One that it cannot tell, such as
// a counter that its processor or the kernel does not give it, is left out, for all who
// write to these rings later too: their events are alike. That is not what others lose by a
// program that knows of no such context at all, nor by one that cannot tell it, as it has no
// descriptor left, after others have declared that they do: such a program is left out itself,
// where there are others.
func (p *program) attachContext(handle uint32, b *buffers, c programContext) error {
	if b.lacks(c.name) {
		return nil
	}
	_, err := p.link.with(handle, wire.OpContext, c.body, c.rest)
	if err == nil || isBroken(err) {
		return err
	}
	p.s.complaints.Warn(p.log, "context is not recorded", "session", b.c.t.info.Name, "channel", b.c.name, "context", c.name, "err", err)
	unknown := errors.Is(err, wire.CodeNoSys)
	if b.part.of.p != nil || !unknown && !b.declared() {
		b.refuse(c.name, p)
		return nil
	}
	p.mu.Lock()
	p.out[handle] = true
	p.mu.Unlock()
	why := "cannot tell context %s, which those before it do"
	if unknown {
		why = "knows no context %s"
	}
	b.c.t.limit("channel %s of %s is not recorded: it "+why+" (--buffers-pid would leave that out)", b.c.name, p, c.name)
	return errLeftOut
}

// declared reports whether a program has declared the contexts, which those of others are to
// be like.
func (b *buffers) declared() bool {
	b.c.t.mu.Lock()
	defer b.c.t.mu.Unlock()
	return b.class.contexts != nil
}

// errLeftOut reports a program that is left out of a channel.
var errLeftOut = errors.New("the program is left out of the channel")

// lacks reports whether a context was left out.
func (b *buffers) lacks(context string) bool {
	b.c.t.mu.Lock()
	defer b.c.t.mu.Unlock()
	return slices.Contains(b.refused, context)
}

// refuse leaves a context out that a program cannot tell, and has that told.
func (b *buffers) refuse(context string, p *program) {
	b.c.t.mu.Lock()
	b.refused = append(b.refused, context)
	b.c.t.mu.Unlock()
	b.c.t.limit("channel %s: context %s is not recorded, as %s cannot tell it", b.c.name, context, p)
}

// bringChannel tells the program what it does not know of a channel.
func (p *program) bringChannel(c *attachedChannel, w channelWants, active bool) error {
	var refused refusals
	for _, rw := range w.rules {
		if err := refused.add(p.bringRule(c, rw), "event rule", rw.r.pattern); err != nil {
			return err
		}
	}
	if off := !w.on; active && off != c.off {
		op := wire.OpEnable
		if off {
			op = wire.OpDisable
		}
		if _, err := p.link.simple(c.handle, op); err != nil {
			return errors.Join(append(refused, err)...)
		}
		c.off = off
	}
	return errors.Join(refused...)
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
		r = &attachedRule{handle: handle, refused: true}
		c.rules[w.r] = r
		if err := p.completeRule(handle, w.r); err != nil {
			return err
		}
		r.refused = false
	}
	if r.on == w.on || r.refused {
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

// completeRule tells the program what there is of a rule beside its pattern.
func (p *program) completeRule(handle uint32, r *rule) error {
	if f := r.filter; f != nil {
		body := (&wire.Filter{Len: uint32(len(f.Bytes)), Relocations: f.Table, Sequence: r.sequence}).Append(nil)
		if _, err := p.link.with(handle, wire.OpFilter, body, f.Bytes); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
	}
	if names := r.exclusions; len(names) > 0 {
		body := (&wire.Exclusion{Count: uint32(len(names))}).Append(nil)
		if _, err := p.link.with(handle, wire.OpExclusion, body, wire.AppendNames(nil, names)); err != nil {
			return err
		}
	}
	return nil
}

// detach has the program let go of a trace. What it cannot let go of keeps none of the rest
// from that: as long as it has one object of a session it has all of that.
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
	var broken error
	for _, h := range handles {
		_, err := p.link.simple(h, wire.OpRelease)
		if isBroken(err) {
			broken = err
			break
		}
		if err != nil {
			p.s.complaints.Warn(p.log, "application does not let go of an object", "session", t.info.Name, "handle", h, "err", err)
		}
	}
	p.mu.Lock()
	delete(p.sessions, a.handle)
	maps.DeleteFunc(p.buffers, func(h uint32, b *buffers) bool {
		if b.c.t != t {
			return false
		}
		delete(p.out, h)
		return true
	})
	p.mu.Unlock()
	if broken != nil {
		p.leave(broken)
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

	// Guarded by trace.mu.
	told    bool     // to the consumer
	refused []string // contexts
}
