// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// Server says how to connect.
type Server struct {
	URL         string // nats: or tls:, several with commas between
	Credentials string // path of a file; empty: none
	Wait        bool   // for one that is not there yet; else that is an error
	Log         *slog.Logger
}

// Bounds of the wait before the server is tried again.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// connect connects; a connection that is lost is made again, however long that takes.
func (s *Server) connect(ctx context.Context) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("weir"), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil: it was closed here
				s.Log.Warn("connection to NATS is lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { s.Log.Info("connected to NATS again", "url", c.ConnectedUrlRedacted()) }),
	}
	if s.Credentials != "" {
		options = append(options, nats.UserCredentials(s.Credentials))
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		c, err := nats.Connect(s.URL, options...)
		switch {
		case err == nil:
			return c, nil
		case !s.Wait || !unreachable(err):
			return nil, fmt.Errorf("NATS: %w", err)
		}
		s.Log.Warn("NATS is not reached; it is tried again", "error", err, "after", pause)
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// unreachable reports whether an error says that no server answers, which may be another time:
// one that refuses this client does so again. (Errors of files and URLs look like net.Error, too.)
func unreachable(err error) bool {
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, new(*net.OpError)) || errors.As(err, new(*net.DNSError))
}

// sleep waits, until the end of ctx at most.
func sleep(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
