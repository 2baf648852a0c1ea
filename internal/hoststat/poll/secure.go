// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// secure is a session by TLS, which no event loop can hold: a goroutine sends what
// it is given and hands each message to the loop.
type secure struct {
	out    chan []byte // of one place; closed by close
	cancel context.CancelFunc
}

// dialSecure begins a session by TLS. Its goroutine ends with the link; the
// cluster waits for it.
func (l *link) dialSecure() {
	c := l.c
	ctx, cancel := context.WithCancel(c.ctx)
	l.secure = &secure{out: make(chan []byte, 1), cancel: cancel}
	s := l.secure
	c.resolved.Go(func() {
		defer cancel()
		err := l.serveSecure(ctx, s)
		l.later(func() {
			if _, ok := errors.AsType[*xmlsysd.ProtocolError](err); ok {
				c.fail(l.h, BadProto, err.Error())
				return
			}
			l.ended(err.Error())
		})
	})
}

func (l *link) serveSecure(ctx context.Context, s *secure) error {
	secure := l.c.cfg.TLS
	if l.h.Enrolled && l.c.cfg.Enrolled != nil {
		secure = l.c.cfg.Enrolled(l.h.Name)
	}
	d := xmlsysd.Dialer{TLS: secure, Timeout: dialTimeout, MaxMessage: l.c.cfg.Limit}
	began := time.Now()
	client, err := d.Dial(ctx, l.h.Address)
	if err != nil {
		l.later(func() { l.spoken = true }) // no session, so none that was refused
		return err
	}
	defer client.Close()
	// Connecting and the handshake take a round trip each, at least.
	far := time.Since(began) > 2*farAway
	l.later(func() {
		l.measured = true
		l.established()
		if far && l.c.cfg.Compress == CompressAuto {
			l.pack()
		}
	})
	ctx, cancel := context.WithCancelCause(ctx)
	received := make(chan struct{})
	go func() { // ends with ctx, which the function's end cancels; waited for
		defer close(received)
		cancel(l.receive(ctx, client))
	}()
	defer func() { cancel(nil); <-received }()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case out, ok := <-s.out:
			if !ok {
				return errors.New("closed")
			}
			if err := client.Send(ctx, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")...); err != nil {
				return err
			}
		}
	}
}

// receive hands messages to the loop, one by one, until the session ends.
func (l *link) receive(ctx context.Context, client *xmlsysd.Client) error {
	taken := make(chan struct{}, 1)
	for {
		body, err := client.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return errors.New("the host has closed the connection")
		}
		if err != nil {
			return err
		}
		l.c.post(func() {
			defer func() { taken <- struct{}{} }()
			if l.h.link == l {
				l.takeSecure(body)
			}
		})
		select { // the body is the client's until it is taken
		case <-taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeSecure takes a message, as take does.
func (l *link) takeSecure(body []byte) {
	l.spoken, l.h.wordless = true, 0
	if !l.awaiting && !l.pushes {
		l.c.fail(l.h, BadProto, "sends what it was not asked for")
		return
	}
	l.awaiting = false
	l.c.message(l.h, body)
}

// ready reports whether a request can be handed over.
func (s *secure) ready() bool { return len(s.out) == 0 }

func (s *secure) send(b []byte) error {
	s.out <- b // there is a place: see ready
	return nil
}

func (s *secure) close() {
	s.cancel()
	close(s.out)
}
