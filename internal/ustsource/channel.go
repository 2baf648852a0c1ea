// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/internal/ust/ring"
	"github.com/weir-io/weir/internal/ust/wire"
)

// filteredBy is who evaluates filters.
const filteredBy = "application"

// channel is a set of rules with the rings of the users, or programs, that they are for.
type channel struct {
	// Immutable.
	t        *trace
	id       uint32
	name     string
	settings agent.ChannelSettings
	geometry ring.Geometry

	// Guarded by trace.mu.
	rules    []*rule
	off      []bool // of rules
	contexts []programContext
	on       bool
	rings    map[owner]*buffers
}

// AddRule implements source.Channel.
func (c *channel) AddRule(r *agent.EventRule) ([]error, error) {
	made, err := newRule(r)
	if err != nil {
		return nil, err
	}
	if made.filter != nil {
		r.FilteredBy = filteredBy
	}
	c.t.mu.Lock()
	c.rules, c.off = append(c.rules, made), append(c.off, false)
	c.t.mu.Unlock()
	return nil, c.t.bringActive()
}

// SetRule implements source.Channel.
func (c *channel) SetRule(r *agent.EventRule, on bool) error {
	c.t.mu.Lock()
	i := slices.IndexFunc(c.rules, func(o *rule) bool { return o.agent == r })
	if i >= 0 {
		c.off[i] = !on
	}
	c.t.mu.Unlock()
	if i < 0 {
		return agent.NewProblem(agent.CodeNoEvent, "no such event rule")
	}
	return c.t.bringActive()
}

// AddContext implements source.Channel.
func (c *channel) AddContext(name string) error {
	made, ok := newContext(name)
	if !ok {
		return agent.NewProblem(agent.CodeContextUnavailable, fmt.Sprintf("domain ust has no context %s: want $app.PROVIDER:NAME, perf:thread:COUNTER, perf:thread:raw:rHEX:NAME or one of %q", name, wire.ContextNames()))
	}
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	c.contexts = append(c.contexts, made)
	return nil
}

// Prepare implements source.Channel: rings are made when programs come.
func (c *channel) Prepare() error { return nil }

// Describe implements source.Channel.
func (c *channel) Describe(o *handover.Channel) (*os.File, error) {
	o.Shared = true
	return nil, nil
}

// Streams implements source.Channel.
func (c *channel) Streams() ([]source.Stream, error) { return c.streams(true) }

// MoreStreams implements source.Growing.
func (c *channel) MoreStreams() ([]source.Stream, error) { return c.streams(false) }

// streams opens the rings of all, or of those that have come.
func (c *channel) streams(all bool) (streams []source.Stream, err error) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	var fresh []*buffers
	defer func() {
		if err != nil { // nobody gets any: they are told the next time
			for _, s := range streams {
				err = errors.Join(err, closeAll(s.Files))
			}
			streams = nil
			return
		}
		for _, b := range fresh {
			b.told = true
		}
	}()
	for _, b := range c.rings {
		if b.told && !all || !b.part.shows() {
			continue
		}
		for cpu := range b.memory {
			s := source.Stream{CPU: uint32(cpu), SubbufBytes: int(c.geometry.SubbufBytes), Class: uint32(b.class.stream.ID), Part: b.part.handle()}
			if s.Files, err = duplicate(b.memory[cpu], b.woken[cpu]); err != nil {
				return streams, err
			}
			streams = append(streams, s)
		}
		fresh = append(fresh, b)
	}
	return streams, nil
}

// duplicate opens files again.
func duplicate(files ...*os.File) (all []*os.File, err error) {
	for _, f := range files {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		all = append(all, os.NewFile(uintptr(fd), f.Name()))
	}
	return all, nil
}

// Start implements source.Channel.
func (c *channel) Start() error { return c.set(true) }

// Stop implements source.Channel.
func (c *channel) Stop() error { return c.set(false) }

func (c *channel) set(on bool) error {
	c.t.mu.Lock()
	same := c.on == on
	c.on = on
	c.t.mu.Unlock()
	if same {
		return nil
	}
	return c.t.bring()
}

// mostUsers bounds of how many users a channel has rings. They are there until the session
// ends, and whoever has numbers of users to spare (subuid(5)) is as many users.
const mostUsers = 128

// Where programs have rings of their own: of how many, of all users or one, there are some
// at a time in a channel. They are there until the consumer has read them.
const (
	mostPrograms       = 4096
	mostProgramsOfUser = 2048
)

// of returns the rings of a program: those of its user are made for the first one.
func (c *channel) of(p *program) (*buffers, error) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	o := c.t.owner(p)
	if b := c.rings[o]; b != nil {
		return b, nil
	}
	if c.t.closed {
		return nil, errClosed
	}
	if err := c.checkRoom(o); err != nil {
		return nil, err
	}
	b, err := c.makeBuffers(o)
	if err != nil {
		return nil, err
	}
	c.rings[o] = b
	defer c.t.ask() // the consumer is to read them
	return b, nil
}

// checkRoom refuses rings beyond what a channel may have. The caller holds trace.mu.
func (c *channel) checkRoom(o owner) error {
	if o.p == nil {
		if len(c.rings) >= mostUsers {
			return fmt.Errorf("channel %s: programs of user %d: rings of %d users are there, which is the limit", c.name, o.uid, mostUsers)
		}
		return nil
	}
	own := 0
	for of := range c.rings {
		if of.uid == o.uid {
			own++
		}
	}
	if own >= mostProgramsOfUser || len(c.rings) >= mostPrograms {
		return fmt.Errorf("channel %s: rings of %d programs are there, %d of them user %d's: want less than %d and %d", c.name, len(c.rings), own, o.uid, mostPrograms, mostProgramsOfUser)
	}
	return nil
}

// makeBuffers makes rings. The caller holds trace.mu.
func (c *channel) makeBuffers(o owner) (*buffers, error) {
	part := c.t.part(o)
	class, err := part.newClass()
	if err != nil {
		return nil, err
	}
	b := &buffers{c: c, part: part, class: class}
	if err := b.makeRings(); err != nil {
		part.spare = class // for the next try: nobody has heard of it
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// makeRings makes the rings, one for each processor.
func (b *buffers) makeRings() error {
	b.first = ring.Header{UUID: b.part.uuid, Class: uint32(b.class.stream.ID), Begin: traceclock.Now(unix.CLOCK_MONOTONIC)}
	for cpu := range b.c.t.s.cpus {
		memory, err := ring.Create(b.c.geometry, b.first, cpu)
		if err != nil {
			return err
		}
		b.memory = append(b.memory, memory)
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return fmt.Errorf("pipe of a ring: %w", err)
		}
		b.woken = append(b.woken, os.NewFile(uintptr(p[0]), "wake-up"))
		b.wake = append(b.wake, os.NewFile(uintptr(p[1]), "wake-up"))
	}
	return nil
}

// object is the channel object for programs.
func (b *buffers) object() ([]byte, error) {
	c := ring.Channel{
		Geometry: b.c.geometry, Name: b.c.name, ID: uint32(b.class.stream.ID), UUID: b.part.uuid,
		Streams: uint32(len(b.memory)), Created: b.first.Begin, BlockingTimeout: blockingTimeout(b.c.settings.BlockingTimeout),
	}
	return c.Append(nil)
}

// blockingTimeout is a time as programs are told it, in ms: one that is not 0 is at least
// one of them.
func blockingTimeout(t time.Duration) int32 {
	if t < 0 {
		return -1
	}
	return int32(min((t+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
}

func (b *buffers) close() error {
	return errors.Join(closeAll(b.memory), closeAll(b.wake), closeAll(b.woken))
}

// close frees all rings. No program has them any more, or none that answers.
func (c *channel) close() (err error) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	for _, b := range c.rings {
		err = errors.Join(err, b.close())
	}
	c.rings = nil
	return err
}
