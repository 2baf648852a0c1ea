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
	"github.com/weir-io/weir/internal/identity"
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
	h := &hostStat{engine: engine, server: server.New(s), access: s.Access}
	if s.Door != nil && !h.access.Given() {
		// The door lets nobody in without a certificate, wherever it listens.
		if h.access, err = server.ParseAccess("any"); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// everywhere is where a host that has joined a hub serves its statistics, by TLS, unless
// told otherwise: all addresses of IPv4 and IPv6, as far as it has them.
const everywhere = ""

// doorOf decides who may ask a host that has joined a hub: by TLS the hub and its monitors,
// in plain text this host and the networks of access, as ever. Networks that are named
// bound both.
func doorOf(own *identity.Member, access server.Access) func(net.Conn) (net.Conn, bool) {
	check := identity.AnyOf(identity.Hub, identity.Monitor)
	return func(conn net.Conn) (net.Conn, bool) {
		switch {
		case access.Allows(conn.RemoteAddr()):
			return own.Sniff(conn, check), true
		case access.Given():
			return nil, false
		}
		return own.Secure(conn, check), true
	}
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
	return beside(ctx, log, nil, c.Listen, strings.Join(c.Allow, ","), strings.Join(c.Expose, ","), c.MaxSessions)
}

// beside makes the daemon beside others of this process. A port that is taken costs
// its own work only. Own is who this host is for the hub that it has joined; nil: it has
// joined none.
func beside(ctx context.Context, log *slog.Logger, own *identity.Member, listen []string, allow, expose string, sessions int) (*hostStat, error) {
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
	if own != nil {
		o.Door = doorOf(own, o.Access)
		if len(listen) == 0 {
			listen = []string{everywhere}
		}
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
