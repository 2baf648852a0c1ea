// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package hub assembles weir's services in one process: it constructs them,
// connects them, runs them and stops them. It holds no logic of its own.
package hub

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/hop"
	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/hoststat/fleet"
	"github.com/weir-io/weir/internal/hoststat/roster"
	"github.com/weir-io/weir/internal/live"
	"github.com/weir-io/weir/internal/metacheck"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/internal/tracestore"
)

// Addresses says what listens where once the hub is ready: HOST:PORT each,
// with the ports that the system chose.
type Addresses struct {
	Control, Data, Live, HTTP, Hop, Hosts []string
	Output                                string // root directory of the stored traces
	Console                               bool   // a page for browsers is at / of HTTP
	Networks                              Networks
}

// Hub is one process's set of services.
type Hub struct {
	// Immutable after New and UseListeners.
	cfg   *config.Config
	log   *slog.Logger
	given map[string]net.Listener
	run   string              // directory of runtime files
	exe   string              // program to start as guard; empty for none
	host  api.HostMetrics     // nil: the host is not shown
	own   *hosts.Registration // this host; nil: its statistics are not served

	selectors []string                            // of what host shows of others
	feeds     api.Feeds                           // nil: none are served
	caller    func(net.Conn) (feed.Caller, error) // who asks for feeds
	networks  bool                                // serve virtual networks

	open *listeners // set by Run, before assemble

	// Set by assemble, before anything runs.
	tails *tail.Table
	guard *tail.Guard
	files *fdpool.Pool
	store *tracestore.Store
	relay *relay.Server
	live  *live.Server
	check *metacheck.Checker // nil: metadata is not checked
	hop   *hop.Server        // nil: no connections are passed on

	flows *flows // nil: no virtual networks

	authority *enrol.Authority // set by listen; nil: nobody joins

	registry *hosts.Registry
	fleet    *fleet.Fleet // nil: hosts are not asked

	hostsFile *roster.Watch // owned by followHosts; nil: there is no such file

	catalog   *tracestore.Catalog
	retention *tracestore.Retention
	api       *api.API

	ready atomic.Bool // everything listens, and no stop was asked for
}

// New prepares a hub. It neither listens nor starts anything.
func New(cfg *config.Config, log *slog.Logger) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h := &Hub{cfg: cfg, log: log, run: cfg.Hub.StateDir}
	if cfg.Hop.Listen != "" {
		o, err := h.hopOptions()
		if err != nil {
			return nil, err
		}
		h.hop = hop.New(o)
	}
	return h, nil
}

// UseListeners lets the hub serve on sockets opened by others, by name:
// control, data, live, http. A nil listener switches that service off.
func (h *Hub) UseListeners(given map[string]net.Listener) { h.given = given }

// UseRunDir sets the directory of runtime files, by default the state
// directory.
func (h *Hub) UseRunDir(dir string) { h.run = dir }

// UseGuard names the program that is started, with the argument "guard", to
// repair the files when this process is killed. Without, that waits for the
// next start.
func (h *Hub) UseGuard(exe string) { h.exe = exe }

// UseHost has the figures of this host shown beside the hub's own. The selectors of
// xmlsysd say what of other hosts is shown with them: see HostMessages.
func (h *Hub) UseHost(m api.HostMetrics, selectors []string) { h.host, h.selectors = m, selectors }

// UseFeeds has the feeds of this host served by HTTP, to callers as told by a function
// of their connections.
func (h *Hub) UseFeeds(f api.Feeds, caller func(net.Conn) (feed.Caller, error)) {
	h.feeds, h.caller = f, caller
}

// UseNetworks has virtual networks served, if the configuration has them.
func (h *Hub) UseNetworks() { h.networks = true }

// Run makes the directories, repairs what a killed predecessor left, listens,
// calls ready once, and serves until ctx ends; then it stops in order and
// returns nil. Any other end is an error.
func (h *Hub) Run(ctx context.Context, ready func(Addresses)) error {
	started := time.Now()
	l, err := h.listen(ctx)
	defer h.closeAuthority()
	if err != nil {
		return err
	}
	h.open = l
	if err := h.assemble(l); err != nil {
		l.close()
		return err
	}
	defer h.disassemble()
	if h.flows != nil {
		h.flows.open(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	if h.flows != nil {
		group.Go(func() error { return h.flows.run(ctx) })
	}
	group.Go(func() error { return h.relay.Serve(ctx, l.control, l.data) })
	group.Go(func() error { return h.live.Serve(ctx, l.live) })
	if h.hop != nil {
		group.Go(func() error { return h.hop.Serve(ctx, l.hop) })
	}
	group.Go(func() error { return h.api.Serve(ctx, l.http) })
	group.Go(func() error { every(ctx, expirePeriod, h.store.Expire); return nil })
	group.Go(func() error { h.sync(ctx); return nil })
	if len(l.hosts) > 0 {
		group.Go(func() error { return h.api.ServeHosts(ctx, l.hosts) })
	}
	if h.authority != nil {
		group.Go(func() error { return h.api.ServeAdmin(ctx, l.admin) })
		group.Go(func() error { h.authority.Run(ctx); return nil })
	}
	group.Go(func() error { return h.api.Run(ctx) })
	group.Go(func() error { h.registry.Run(ctx); return nil })
	if h.hostsFile != nil {
		group.Go(func() error { h.followHosts(ctx); return nil })
	}
	if h.fleet != nil {
		group.Go(func() error { return h.fleet.Run(ctx) })
	}
	group.Go(func() error { return h.retain(ctx) })
	group.Go(func() error { h.scan(ctx, started); return nil })
	h.ready.Store(true)
	context.AfterFunc(ctx, func() { h.ready.Store(false) })
	at := l.addresses(h.cfg.Hub.OutputDir)
	at.Console = h.cfg.HTTP.Console
	if h.flows != nil {
		at.Networks = h.flows.access
	}
	ready(at)
	return group.Wait()
}

// assemble makes the services.
func (h *Hub) assemble(l *listeners) error {
	h.protect()
	makeRoom(workers(h.cfg.Relay.Workers) + 1)
	h.files = fdpool.New(h.filePool())
	if most := int64(h.cfg.Relay.MaxMetadataChecked); most > 0 {
		h.check = metacheck.New(metacheck.Options{MaxBytes: most, Log: h.log})
	}
	h.store = tracestore.New(h.storeOptions())
	var err error
	if h.relay, err = relay.New(h.relayOptions()); err != nil {
		h.disassemble()
		return fmt.Errorf("relay: %w", err)
	}
	if h.live, err = live.New(h.liveOptions()); err != nil {
		h.disassemble()
		return fmt.Errorf("live server: %w", err)
	}
	h.catalog = tracestore.NewCatalog(h.store, tracestore.CatalogLimits{}, h.log)
	h.retention = tracestore.NewRetention(h.catalog, h.retentionOptions())
	if h.networks && h.cfg.Flow.Enable {
		if h.flows, err = newFlows(h.cfg, h.log); err != nil {
			h.disassemble()
			return fmt.Errorf("virtual networks: %w", err)
		}
	}
	if err = h.newHosts(); err != nil {
		h.disassemble()
		return err
	}
	if h.api, err = h.newAPI(l); err != nil {
		if h.fleet != nil {
			h.fleet.Close()
		}
		h.disassemble()
		return fmt.Errorf("HTTP interface: %w", err)
	}
	return nil
}

// protect repairs the files of killed relays and makes the table that lets
// others repair this one's. Without it the hub works, unprotected.
func (h *Hub) protect() {
	if err := os.MkdirAll(h.run, 0o750); err != nil {
		h.log.Warn("no directory for the tail table: partial packets stay after a crash", "err", err)
		return
	}
	reports, err := tail.RecoverAll(h.run, h.log)
	if err != nil {
		h.log.Warn("files of an earlier relay not repaired", "err", err)
	}
	for _, r := range reports {
		h.log.Info("files of an earlier relay repaired", "report", r)
	}
	if h.tails, err = tail.Create(h.run, 0); err != nil {
		h.log.Warn("no tail table: partial packets stay after a crash", "err", err)
		return
	}
	if h.exe == "" {
		return
	}
	if h.guard, err = h.tails.StartGuard(h.exe, []string{"guard"}); err != nil {
		h.log.Warn("no guard process: repairs wait for the next start", "err", err)
	}
}

// closeAuthority gives the directory of the authority back.
func (h *Hub) closeAuthority() {
	if h.authority == nil {
		return
	}
	if err := h.authority.Close(); err != nil {
		h.log.Warn("enrolment", "err", err)
	}
}

func (h *Hub) disassemble() {
	if h.check != nil {
		h.check.Close()
	}
	if err := h.tails.Close(); err != nil {
		h.log.Warn("tail table not closed", "err", err)
	}
	if err := h.guard.Stop(); err != nil {
		h.log.Warn("guard", "err", err)
	}
}
