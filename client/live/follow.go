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
// [Reconnected]. Meanwhile a goroutine of the Follower's own tries to attach,
// which [Follower.Close] ends: Poll and Update bring nothing and do not wait for
// it, so that whoever reads several sessions goes on with the others; Next
// waits. A Follower is used by one goroutine at a time.
type Follower struct {
	cfg     FollowConfig
	client  *Client // nil without a connection
	session *Session
	lost    *loss // nil with a connection
	err     error // final
}

// loss is a time without a connection.
type loss struct {
	cause error
	since time.Time

	stop context.CancelFunc // of the attempts
	done chan struct{}      // closed at their end; then what follows may be read

	client   *Client
	session  *Session
	attempts int
	away     time.Duration
	err      error
}

// Follow connects and attaches. A relay that cannot be reached now is an error.
func Follow(ctx context.Context, cfg FollowConfig) (*Follower, error) {
	f := &Follower{cfg: cfg.withDefaults()}
	pause := f.cfg.MinBackoff
	for {
		c, s, err := f.connect(ctx, f.cfg.Seek)
		if err == nil {
			f.take(c, s)
			return f, nil
		}
		if !f.cfg.Await || !errors.Is(err, ErrSessionGone) {
			return nil, err
		}
		if err := rest(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(2*pause, f.cfg.MaxBackoff)
	}
}

// Close ends the connection, or the attempts to have one.
func (f *Follower) Close() error {
	if l := f.lost; l != nil {
		l.stop()
		<-l.done
		if l.client != nil {
			return l.client.Close()
		}
	}
	if f.client == nil {
		return nil
	}
	return f.client.Close()
}

// Next returns the next event as [Session.Next] does.
func (f *Follower) Next(ctx context.Context) (Event, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.lost != nil {
		select {
		case <-f.lost.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return f.found()
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

// Update does what [Session.Update] does. Without a connection it looks whether
// there is a new one.
func (f *Follower) Update(ctx context.Context) ([]Event, error) {
	return f.some(ctx, func() ([]Event, error) { return f.session.Update(ctx) })
}

// Wait pauses as [Session.Wait] does. Without a connection it waits for one, but
// not longer than Config.PollInterval.
func (f *Follower) Wait(ctx context.Context) error {
	if f.session != nil {
		return f.session.Wait(ctx)
	}
	if f.lost == nil {
		return ctx.Err()
	}
	t := time.NewTimer(f.cfg.PollInterval)
	defer t.Stop()
	select {
	case <-f.lost.done:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ended reports whether all has been read.
func (f *Follower) Ended() bool { return f.session != nil && f.session.Ended() }

// some asks the session, or looks whether it is attached again.
func (f *Follower) some(ctx context.Context, ask func() ([]Event, error)) ([]Event, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.lost != nil {
		select {
		case <-f.lost.done:
		default:
			return nil, ctx.Err()
		}
		e, err := f.found()
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
	f.client.Close()
	f.client, f.session = nil, nil
	l := &loss{cause: err, since: time.Now(), done: make(chan struct{})}
	// The attempts outlive the call that has found the loss.
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	f.lost = l
	go f.reconnect(ctx, l) // ends with l.done, which Close waits for
	return Disconnected{err}, nil
}

// found ends a loss whose attempts have ended.
func (f *Follower) found() (Event, error) {
	l := f.lost
	l.stop()
	f.lost = nil
	if f.err = l.err; l.err != nil {
		return nil, l.err
	}
	f.take(l.client, l.session)
	return Reconnected{l.cause, l.attempts, l.away, f.cfg.Again}, nil
}

// reconnect tries to attach again until that succeeds, is refused for good or
// takes too long. Of the follower it uses what does not change meanwhile.
func (f *Follower) reconnect(ctx context.Context, l *loss) {
	defer close(l.done)
	for pause := f.cfg.MinBackoff; ; pause = min(2*pause, f.cfg.MaxBackoff) {
		l.attempts++
		var err error
		l.client, l.session, err = f.connect(ctx, f.cfg.Again)
		l.away = time.Since(l.since)
		if err == nil {
			return
		}
		if ctx.Err() != nil || !f.passes(err) || f.cfg.GiveUp > 0 && l.away >= f.cfg.GiveUp {
			l.err = fmt.Errorf("live: not attached again: %w (connection lost: %w)", err, l.cause)
			return
		}
		if l.err = rest(ctx, pause); l.err != nil {
			return
		}
	}
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
func rest(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Follower) connect(ctx context.Context, seek lttng.Seek) (*Client, *Session, error) {
	c, err := Dial(ctx, f.cfg.Config)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.Attach(ctx, f.cfg.Target, seek)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, s, nil
}

// take makes a connection the one that is read.
func (f *Follower) take(c *Client, s *Session) {
	f.client, f.session = c, s
	if f.cfg.Target.ID != 0 {
		// After its restart a relay may give the number to another session.
		info := s.Sessions()[0]
		f.cfg.Target.Host, f.cfg.Target.Name = info.Host, info.Name
	}
}
