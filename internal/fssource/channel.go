// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
)

const (
	// packetAge is how long an event waits for its packet to end where no timer says
	// less.
	packetAge = time.Second
	// openTimeout bounds the opening of a feed, which has a whole file system looked
	// through if it is the first.
	openTimeout = 5 * time.Minute
)

// channel is a set of rules with their events, in one stream.
type channel struct {
	// Immutable after trace.Channel.
	t       *trace
	class   *schema.Stream
	classes [changelog.DeniedOpen + 1]*schema.Event
	name    string
	log     *slog.Logger
	age     time.Duration // after which a packet ends
	lag     uint64        // ns, by which events of live sessions may be late; 0: not live
	each    bool          // packets end with each batch

	// Owned by the session.
	rules   []*rule
	readers []*reader
	started bool

	mu sync.Mutex
	// Guarded by mu.
	texts texts
	out   source.Outlet
}

func newChannel(t *trace, class *schema.Stream, name string, set agent.ChannelSettings) *channel {
	c := &channel{
		t: t, class: class, name: name, log: t.s.log.With("session", t.info.Name, "channel", name),
		age: packetAge,
	}
	c.out = source.Outlet{Name: name, Class: class, Settings: set, Now: t.now, Log: c.log}
	if set.SwitchTimer > 0 {
		c.age = min(c.age, set.SwitchTimer)
	}
	if live := t.info.LiveTimer; live > 0 {
		// The consumer tells viewers that what is older than two live timers was sent.
		c.lag, c.age = uint64(live/2), min(c.age, live/2)
	}
	c.each = c.lag > 0 || t.info.Mode == agent.Snapshot
	return c
}

// AddRule implements source.Channel.
func (c *channel) AddRule(r *agent.EventRule) ([]error, error) {
	made, err := newRule(c.t.s.feeds, r)
	if err != nil {
		return nil, err
	}
	c.rules = append(c.rules, made)
	if err := c.follow(); err != nil {
		c.rules = c.rules[:len(c.rules)-1]
		return nil, errors.Join(err, c.follow())
	}
	return nil, nil
}

// SetRule implements source.Channel.
func (c *channel) SetRule(r *agent.EventRule, on bool) error {
	i := slices.IndexFunc(c.rules, func(old *rule) bool { return old.is(r) })
	if i < 0 {
		return agent.NewProblem(agent.CodeNoEvent, "no such event rule")
	}
	c.rules[i].off = !on
	return c.follow()
}

// follow has readers read what the rules want, once there are any.
func (c *channel) follow() error {
	if !c.started {
		return nil
	}
	return errors.Join(c.open(), c.begin())
}

// AddContext implements source.Channel.
func (c *channel) AddContext(name string) error {
	return agent.NewProblem(agent.CodeContextUnavailable, "domain fs has no context "+name)
}

// Prepare implements source.Channel: it opens the feeds, so that file systems are
// looked through before anything is recorded.
func (c *channel) Prepare() error { return c.open() }

// open makes a reader for each directory that rules name, and tells all what to read.
func (c *channel) open() error {
	for _, r := range c.rules {
		for _, dir := range r.dirs {
			if !slices.ContainsFunc(c.readers, func(r *reader) bool { return r.dir == dir }) {
				c.readers = append(c.readers, &reader{c: c, dir: dir})
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	for _, r := range c.readers {
		if err := r.want(ctx, wanted(c.rules, r.dir)); err != nil {
			return agent.NewProblem(agent.CodeInvalid, fmt.Sprintf("domain fs: %v", err))
		}
	}
	return nil
}

// begin has the readers read.
func (c *channel) begin() error {
	var errs []error
	for _, r := range c.readers {
		errs = append(errs, r.start())
	}
	return errors.Join(errs...)
}

// Describe implements source.Channel.
func (c *channel) Describe(*handover.Channel) (*os.File, error) { return nil, nil }

// Streams implements source.Channel: a new socket, for a new consumer.
func (c *channel) Streams() ([]source.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Streams()
}

// Start implements source.Channel.
func (c *channel) Start() error {
	if c.started {
		return nil
	}
	if err := c.open(); err != nil { // some may have been closed by Rest
		return err
	}
	c.started = true
	return c.begin()
}

// Stop implements source.Channel. What changed before it is recorded.
func (c *channel) Stop() error {
	if !c.started {
		return nil
	}
	c.started = false
	at := time.Now()
	for _, r := range c.readers {
		r.stop(at)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.out.End(), c.out.Tell())
}

// Rest implements source.Resting: no file system is watched for a session that is
// stopped.
func (c *channel) Rest() error {
	var errs []error
	for _, r := range c.readers {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// write writes a record of a directory as an event, at a time or when the one before
// was.
func (c *channel) write(dir string, r *changelog.Record, at uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.out.Writer()
	if w == nil {
		return
	}
	if n := lost(r); n > 0 {
		c.out.Lose(n)
	}
	l := layoutOf(r.Type)
	if l == nil {
		c.lose(fmt.Errorf("record %d of %s is of type %v, which is no event", r.Index, dir, r.Type))
		return
	}
	floor := w.Now()
	if now := c.t.now(); c.lag > 0 && now > c.lag {
		floor = max(floor, now-c.lag)
	}
	if err := l.write(w.Event(c.classes[r.Type], max(at, floor)), &c.texts, dir, r); err != nil {
		c.lose(err)
		return
	}
	c.out.Wrote()
}

// lose counts an event that was not written. The caller holds mu.
func (c *channel) lose(err error) {
	c.out.Lose(1)
	if !c.out.Full() {
		c.log.Warn("event is lost", "err", err)
	}
}

// left is how long the open packet may wait for more; it ends packets that may not.
func (c *channel) left() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, open := c.out.Open()
	if !open {
		return c.age
	}
	if old := time.Duration(c.t.now() - since); old < c.age {
		return c.age - old
	}
	_ = c.out.End() // a packet that is lost is counted, and told in the next one
	return c.age
}

// endBatch ends the packet where what was read must not wait.
func (c *channel) endBatch() {
	if !c.each {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.End() // a packet that is lost is counted, and told in the next one
}

// hasRoom reports whether the consumer takes about half a buffer at once.
func (c *channel) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.HasRoom()
}

// warnings are what a user should know.
func (c *channel) warnings() (all []string) {
	for _, r := range c.readers {
		if err := r.problem.Load(); err != nil {
			all = append(all, fmt.Sprintf("domain fs, channel %s: %s is recorded no more: %v", c.name, r.dir, *err))
		}
	}
	return all
}

func (c *channel) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Close()
}

// Close implements source.Trace.
func (t *trace) Close() error {
	var errs []error
	for _, c := range t.channels {
		errs = append(errs, c.Stop(), c.Rest(), c.close())
	}
	return errors.Join(errs...)
}
