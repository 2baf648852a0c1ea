// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/ust/wire"
)

// client is the program's side of one session daemon.
type client struct {
	// Immutable.
	tracer     *tracer
	daemon     daemon
	registered chan struct{} // closed when it is known what is recorded at first

	once  sync.Once // closes registered
	dirty atomic.Bool
	conn  atomic.Pointer[socket] // the command socket, while there is one

	// Guarded by tracer.mu.
	active map[*Event][]target
	seen   int // how many of the tracer's events active has been made of

	// Owned by run.
	notify  *socket
	objects map[uint32]any
	last    uint32 // the last handle
}

func newClient(t *tracer, d daemon) *client {
	return &client{tracer: t, daemon: d, registered: make(chan struct{})}
}

// retry is the time between attempts to reach a daemon that fails.
const retry = 5 * time.Second

// run serves the daemon whenever there is one, until ctx ends.
func (c *client) run(ctx context.Context) {
	defer c.done()
	for waited := false; ctx.Err() == nil; {
		if err := c.serve(ctx); err == nil {
			waited = false // there was one
		}
		c.done()
		// A daemon that wakes us up and then is not there is not asked again at once.
		if waited {
			pause(ctx)
		} else {
			c.daemon.wait(ctx)
		}
		waited = !waited
	}
}

// done says that it is known what is recorded, or that nobody records.
func (c *client) done() { c.once.Do(func() { close(c.registered) }) }

// poke makes run look at the events anew.
func (c *client) poke() {
	c.dirty.Store(true)
	c.interrupt()
}

func (c *client) interrupt() {
	if s := c.conn.Load(); s != nil {
		s.interrupt()
	}
}

// serve connects to the daemon and does what it wants, until either ends it. It returns
// an error only where no connection was made, or ctx has ended.
func (c *client) serve(ctx context.Context) error {
	command, err := c.register(ctx, wire.CommandSocket)
	if err != nil {
		return err
	}
	defer command.close()
	if c.notify, err = c.register(ctx, wire.NotifySocket); err != nil {
		return err
	}
	defer c.notify.close()
	c.objects, c.last = make(map[uint32]any), 0
	defer c.forget()
	c.dirty.Store(true) // events are seen before the daemon wants one
	c.conn.Store(command)
	defer c.conn.Store(nil)
	for ctx.Err() == nil {
		if err := c.step(command); err != nil {
			return nil // the daemon has ended, or does not speak the protocol
		}
	}
	return ctx.Err()
}

// forget ends what the daemon has had recorded.
func (c *client) forget() {
	c.tracer.publish(c, nil, 0)
	for _, o := range c.objects {
		if ch, ok := o.(*channel); ok {
			ch.retire()
		}
	}
	c.objects = nil
}

// step does one thing: what other events need, or what the daemon wants.
func (c *client) step(command *socket) error {
	if c.dirty.Swap(false) {
		if err := c.sync(); err != nil {
			return err
		}
	}
	b := make([]byte, wire.CommandLen)
	err := command.next(b)
	if errors.Is(err, errInterrupted) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := wire.ParseCommand(b)
	if err != nil {
		return err
	}
	return c.command(command, &m)
}

// register opens a socket and says who we are.
func (c *client) register(ctx context.Context, kind uint32) (*socket, error) {
	s, err := dial(ctx, c.daemon.socket)
	if err != nil {
		return nil, err
	}
	r := wire.NewRegistration(kind)
	r.PID, r.PPID = uint32(os.Getpid()), uint32(os.Getppid())
	r.UID, r.GID = uint32(os.Getuid()), uint32(os.Getgid())
	r.Name = processName()
	if err := s.send(r.Append(nil)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
