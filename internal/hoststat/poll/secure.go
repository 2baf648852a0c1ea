// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"context"
	"errors"
	"io"
	"strings"

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
	d := xmlsysd.Dialer{TLS: l.c.cfg.TLS, Timeout: dialTimeout, MaxMessage: l.c.cfg.Limit}
	client, err := d.Dial(ctx, l.h.Address)
	if err != nil {
		l.later(func() { l.spoken = true }) // no session, so none that was refused
		return err
	}
	defer client.Close()
	taken := make(chan struct{}, 1)
	l.later(l.established)
	for out := range s.out {
		if err := client.Send(ctx, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")...); err != nil {
			return err
		}
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
				l.spoken, l.h.wordless, l.awaiting = true, 0, false
				l.c.message(l.h, body)
			}
		})
		select { // the body is the client's until it is taken
		case <-taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("closed")
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
