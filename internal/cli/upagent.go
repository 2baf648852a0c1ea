// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hub"
	"github.com/weir-io/weir/internal/ustsource"
)

// hostSources are what of this host the session daemon records beside the kernel.
type hostSources struct {
	stat  *hoststat.Engine
	feeds feed.Door // nil: there are none
}

// runBoth runs the hub and, once that listens, the session daemon, until ctx
// ends. The daemon ends first, so that what it has recorded is stored. Without
// it, as where another one runs already, the hub does its work alone.
func runBoth(ctx context.Context, h *hub.Hub, from hostSources, cfg *config.Config, log *slog.Logger, ready func(hub.Addresses, string)) error {
	hubCtx, stopHub := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHub()
	listening := make(chan hub.Addresses, 1)
	ended := make(chan error, 1)
	go func() { // received below
		ended <- h.Run(hubCtx, func(at hub.Addresses) { listening <- at })
	}()
	select {
	case err := <-ended:
		return err
	case at := <-listening:
		agentCtx, stopAgent := context.WithCancel(ctx)
		defer stopAgent()
		agentEnded := make(chan error, 1)
		go func() { // received below
			agentEnded <- runOwnAgent(agentCtx, from, cfg, log, at, func(socket string) { ready(at, socket) })
		}()
		select {
		case err := <-agentEnded:
			if err != nil {
				log.Warn("this host is not recorded", "err", err)
				ready(at, "")
			}
			select {
			case err := <-ended:
				return err
			case <-ctx.Done():
			}
		case err := <-ended:
			stopAgent()
			return errors.Join(err, <-agentEnded)
		}
	}
	stopHub()
	return <-ended
}

// agentSocket is where the session daemon of "weir up" listens.
func agentSocket(cfg *config.Config) string {
	if cfg.Agent.Socket != "" {
		return cfg.Agent.Socket
	}
	return agent.OwnSocket()
}

// errNotWeir reports a process that cannot start consumer processes.
var errNotWeir = errors.New("this program cannot start itself again")

// runOwnAgent runs the session daemon of "weir up". It returns at once, with an
// error, if it cannot be.
func runOwnAgent(ctx context.Context, from hostSources, cfg *config.Config, log *slog.Logger, at hub.Addresses, ready func(socket string)) error {
	socket := agentSocket(cfg)
	if ownProgram() == "" {
		return errNotWeir
	}
	a, err := daemon.New(daemon.Options{
		Socket: socket, RunDir: filepath.Dir(socket), StateDir: cfg.Hub.StateDir, Program: runningImage, Log: log,
		Stat: from.stat, Feeds: from.feeds, NoRealtime: !cfg.Agent.Realtime, UST: ustsource.DefaultOptions(),
	})
	if err != nil {
		return err
	}
	return a.Run(ctx, func(socket string) {
		if cfg.Agent.Session && len(at.Control) > 0 && len(at.Data) > 0 {
			if err := a.Begin(ctx, at.Control[0], at.Data[0]); err != nil {
				log.Warn("no session was started", "err", err)
			}
		}
		ready(socket)
	})
}

// runWithFeeds runs the hub, the session daemon and the feeds of this host.
func runWithFeeds(ctx context.Context, h *hub.Hub, stat *hoststat.Engine, cfg *config.Config, log *slog.Logger, ready func(hub.Addresses, string)) error {
	set := feedSettings{
		scrub: cfg.Agent.FeedsScrub, mtimeInterval: cfg.Agent.FeedsMtimeInterval,
		job:      capture.JobID(cfg.Agent.FeedsJob), // the configuration was checked
		patience: lockPatience,
	}
	feeds, err := openFeeds(ctx, agentSocket(cfg), cfg.Hub.StateDir, set, log)
	if err != nil {
		return err
	}
	if feeds != nil {
		h.UseFeeds(api.FeedsOf(feeds.door()), feeds.caller)
	}
	// They outlive the hub, which serves them, and the sessions, which may record them.
	_, stop := feeds.start(context.WithoutCancel(ctx), true)
	defer stop()
	return runBoth(ctx, h, hostSources{stat, feeds.door()}, cfg, log, ready)
}
