// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/server"
	"github.com/weir-io/weir/internal/version"
)

// hostStat is the daemon of host statistics, alone or beside others in this
// process: what is read, and those who serve it.
type hostStat struct {
	// Immutable after the start.
	engine    *hoststat.Engine
	server    *server.Server
	access    server.Access
	listeners []net.Listener // of server

	// services run beside the server, on the same engine, until their context
	// ends.
	services []func(context.Context) error
}

func newHostStat(o hoststat.Options, s server.Options) (*hostStat, error) {
	engine, err := hoststat.New(o)
	if err != nil {
		return nil, err
	}
	s.Engine = engine
	return &hostStat{engine: engine, server: server.New(s), access: s.Access}, nil
}

// run serves until ctx ends. With connections of a super-server and without
// listeners it ends with them.
func (h *hostStat) run(ctx context.Context, conns ...net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, groupCtx := errgroup.WithContext(ctx)
	var served sync.WaitGroup
	for _, c := range conns {
		served.Go(func() { h.server.ServeConn(groupCtx, c) }) // waited for below
	}
	for _, run := range h.services {
		group.Go(func() error { return run(groupCtx) })
	}
	if len(h.listeners) > 0 {
		group.Go(func() error { return h.server.Serve(groupCtx, h.listeners...) })
	} else {
		served.Wait()
		cancel()
	}
	err := group.Wait()
	served.Wait()
	return err
}

// start runs the daemon beside others of this process. The function that it
// returns ends it and waits.
func (h *hostStat) start(ctx context.Context, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // stop ends it and waits
		defer close(ended)
		if err := h.run(ctx); err != nil {
			log.Error("host statistics ended", "err", err)
		}
	}()
	return func() {
		cancel()
		<-ended
		h.close()
	}
}

// besideHub makes the daemon of "weir up". It does not listen if it is not to, or
// cannot: another one may do its work. The hub's metrics have its engine all the
// same.
func besideHub(ctx context.Context, cfg *config.Config, log *slog.Logger) (*hostStat, error) {
	c := &cfg.Xmlsysd
	if !c.Enable {
		return newHostStat(hoststat.Options{Version: version.Number, Log: log}, server.Options{Log: log})
	}
	return beside(ctx, log, c.Listen, strings.Join(c.Allow, ","), strings.Join(c.Expose, ","), c.MaxSessions)
}

// beside makes the daemon beside others of this process. A port that is taken costs
// its own work only.
func beside(ctx context.Context, log *slog.Logger, listen []string, allow, expose string, sessions int) (*hostStat, error) {
	o := server.Options{Log: log, MaxSessions: sessions}
	var err error
	if allow != "" {
		if o.Access, err = server.ParseAccess(allow); err != nil {
			return nil, err
		}
	}
	if o.Expose, err = parseExpose(expose); err != nil {
		return nil, err
	}
	h, err := newHostStat(hoststat.Options{Expose: o.Expose, Version: version.Number, Log: log}, o)
	if err != nil {
		return nil, err
	}
	if err := h.listen(ctx, server.DefaultPort, listen...); err != nil {
		if _, wrong := errors.AsType[*exitError](err); wrong {
			h.close()
			return nil, err
		}
		log.Warn("no host statistics", "err", err)
	}
	return h, nil
}

// addresses are where the daemon listens.
func (h *hostStat) addresses() []string {
	var all []string
	for _, l := range h.listeners {
		all = append(all, l.Addr().String())
	}
	return all
}

// close ends what reads the host. It comes after run.
func (h *hostStat) close() { h.engine.Close() }
