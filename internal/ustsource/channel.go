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

// channel is a set of rules with the rings of the users whose programs they are for.
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
	users    map[uint32]*buffers
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
		return agent.NewProblem(agent.CodeContextUnavailable, fmt.Sprintf("domain ust has no context %s: want $app.PROVIDER:NAME or one of %q", name, wire.ContextNames()))
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

// streams opens the rings of all users, or of those that have come.
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
	for _, b := range c.users {
		if b.told && !all {
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

// of returns the rings of a user, which are made for the first program.
func (c *channel) of(uid uint32) (*buffers, error) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if b := c.users[uid]; b != nil {
		return b, nil
	}
	if c.t.closed {
		return nil, errClosed
	}
	if len(c.users) >= mostUsers {
		return nil, fmt.Errorf("channel %s: programs of user %d: rings of %d users are there, which is the limit", c.name, uid, mostUsers)
	}
	b, err := c.makeBuffers(uid)
	if err != nil {
		return nil, err
	}
	c.users[uid] = b
	defer c.t.ask() // the consumer is to read them
	return b, nil
}

// makeBuffers makes the rings of a user. The caller holds trace.mu.
func (c *channel) makeBuffers(uid uint32) (*buffers, error) {
	part := c.t.part(uid)
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

// close frees the rings. No program has them any more, or none that answers.
func (c *channel) close() (err error) {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	for _, b := range c.users {
		err = errors.Join(err, b.close())
	}
	c.users = nil
	return err
}
