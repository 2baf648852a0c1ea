// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// stopTimeout bounds how long open HTTP requests delay a stop.
const stopTimeout = time.Second

// Serve serves all requests on the listeners until ctx ends.
func (a *API) Serve(ctx context.Context, on []net.Listener) error {
	return a.serve(ctx, on, a.Handler())
}

// ServeHosts is Serve for what other hosts may ask.
func (a *API) ServeHosts(ctx context.Context, on []net.Listener) error {
	return a.serve(ctx, on, a.HostsHandler())
}

// ServeAdmin is Serve for who runs the hub, on a socket that nobody else may connect to.
func (a *API) ServeAdmin(ctx context.Context, on []net.Listener) error {
	return a.serve(ctx, on, a.AdminHandler())
}

func (a *API) serve(ctx context.Context, on []net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ConnContext:       a.ConnContext,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range on {
		group.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve HTTP: %w", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(stop) != nil {
			return server.Close() // requests that outlast the time are cut
		}
		return nil
	})
	return group.Wait()
}
