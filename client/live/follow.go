// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-io/weir/lttng"
)

// FollowConfig says what to follow and how hard to try.
type FollowConfig struct {
	Config

	Target Target
	Seek   lttng.Seek // of the first attachment; 0 = FromNow
	Again  lttng.Seek // of those after a loss; 0 = FromBeginning

	MinBackoff time.Duration // pause before the second attempt to connect, then doubled; 0 = 100 ms
	MaxBackoff time.Duration // longest pause; 0 = 5 s
	GiveUp     time.Duration // how long to be away before the loss is an error; 0 = for ever

	// Await waits for the session while the relay does not list it, at the
	// beginning as after a loss. Otherwise that is an ErrSessionGone.
	Await bool
}

func (c FollowConfig) withDefaults() FollowConfig {
	c.Config = c.Config.withDefaults()
	if c.Seek == 0 {
		c.Seek = FromNow
	}
	if c.Again == 0 {
		c.Again = FromBeginning
	}
	orDefault(&c.MinBackoff, 100*time.Millisecond)
	orDefault(&c.MaxBackoff, 5*time.Second)
	return c
}

// Follower reads a session over any number of connections. A loss shows as
// [Disconnected] at once and, once the session is attached again, as
// [Reconnected]; the calls between wait. It is used by one goroutine at a time.
type Follower struct {
	cfg     FollowConfig
	client  *Client // nil without a connection
	session *Session
	lost    *loss // nil with a connection
	err     error // final
}

// loss is a time without a connection.
type loss struct {
	cause    error
	since    time.Time
	attempts int
	pause    time.Duration // before the next attempt
}

// Follow connects and attaches. A relay that cannot be reached now is an error.
func Follow(ctx context.Context, cfg FollowConfig) (*Follower, error) {
	f := &Follower{cfg: cfg.withDefaults()}
	l := f.newLoss(nil)
	for {
		err := f.connect(ctx, f.cfg.Seek)
		if err == nil {
			return f, nil
		}
		if !f.cfg.Await || !errors.Is(err, ErrSessionGone) {
			return nil, err
		}
		if err := f.rest(ctx, l); err != nil {
			return nil, err
		}
	}
}

// Close ends the connection.
func (f *Follower) Close() error {
	if f.client == nil {
		return nil
	}
	return f.client.Close()
}

// Next returns the next event as [Session.Next] does.
func (f *Follower) Next(ctx context.Context) (Event, error) {
	if f.lost != nil || f.err != nil {
		e, err := f.reconnect(ctx)
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	e, err := f.session.Next(ctx)
	if err != nil {
		return f.lose(ctx, err)
	}
	return e, nil
}

// Poll asks one stream as [Session.Poll] does. Without a connection it does what
// Update does.
func (f *Follower) Poll(ctx context.Context, id lttng.StreamID) ([]Event, error) {
	return f.some(ctx, func() ([]Event, error) { return f.session.Poll(ctx, id) })
}

// Update does what [Session.Update] does. Without a connection it waits for the
// next one.
func (f *Follower) Update(ctx context.Context) ([]Event, error) {
	return f.some(ctx, func() ([]Event, error) { return f.session.Update(ctx) })
}

// Wait pauses as [Session.Wait] does.
func (f *Follower) Wait(ctx context.Context) error {
	if f.session == nil {
		return ctx.Err()
	}
	return f.session.Wait(ctx)
}

// Ended reports whether all has been read.
func (f *Follower) Ended() bool { return f.session != nil && f.session.Ended() }

// some asks the session, or connects anew.
func (f *Follower) some(ctx context.Context, ask func() ([]Event, error)) ([]Event, error) {
	if f.lost != nil || f.err != nil {
		e, err := f.reconnect(ctx)
		if err != nil {
			return nil, err
		}
		return []Event{e}, nil
	}
	events, err := ask()
	if err == nil {
		return events, nil
	}
	e, err := f.lose(ctx, err)
	if err != nil {
		return events, err
	}
	return append(events, e), nil
}

// lose makes an event of a loss. Other errors stay errors, as does a context's
// end; what that did to the connection shows at the next call.
func (f *Follower) lose(ctx context.Context, err error) (Event, error) {
	if _, ok := errors.AsType[*ConnError](err); !ok || ctx.Err() != nil {
		return nil, err
	}
	f.drop()
	f.lost = f.newLoss(err)
	return Disconnected{err}, nil
}

func (f *Follower) drop() {
	f.client.Close()
	f.client, f.session = nil, nil
}

func (f *Follower) newLoss(cause error) *loss {
	return &loss{cause: cause, since: time.Now(), pause: f.cfg.MinBackoff}
}

// reconnect tries to attach again until that succeeds, is refused for good or
// takes too long.
func (f *Follower) reconnect(ctx context.Context) (Event, error) {
	l := f.lost
	for f.err == nil {
		l.attempts++
		err := f.connect(ctx, f.cfg.Again)
		away := time.Since(l.since)
		switch {
		case err == nil:
			f.lost = nil
			return Reconnected{l.cause, l.attempts, away, f.cfg.Again}, nil
		case ctx.Err() != nil:
			return nil, err
		case !f.passes(err), f.cfg.GiveUp > 0 && away >= f.cfg.GiveUp:
			f.err = fmt.Errorf("live: not attached again: %w (connection lost: %w)", err, l.cause)
		default:
			if err := f.rest(ctx, l); err != nil {
				return nil, err
			}
		}
	}
	return nil, f.err
}

// passes reports whether what keeps the session from being attached may be
// otherwise later. A relay that has not noticed the loss counts the old
// connection as a viewer.
func (f *Follower) passes(err error) bool {
	if _, ok := errors.AsType[*ConnError](err); ok || errors.Is(err, ErrAttached) {
		return true
	}
	return f.cfg.Await && errors.Is(err, ErrSessionGone)
}

// rest lets the pause before the next attempt pass.
func (f *Follower) rest(ctx context.Context, l *loss) error {
	t := time.NewTimer(l.pause)
	defer t.Stop()
	l.pause = min(2*l.pause, f.cfg.MaxBackoff)
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Follower) connect(ctx context.Context, seek lttng.Seek) error {
	c, err := Dial(ctx, f.cfg.Config)
	if err != nil {
		return err
	}
	s, err := c.Attach(ctx, f.cfg.Target, seek)
	if err != nil {
		c.Close()
		return err
	}
	f.client, f.session = c, s
	if f.cfg.Target.ID != 0 {
		// After its restart a relay may give the number to another session.
		info := s.Sessions()[0]
		f.cfg.Target.Host, f.cfg.Target.Name = info.Host, info.Name
	}
	return nil
}
