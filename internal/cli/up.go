// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/hoststat/metrics"
	"github.com/weir-io/weir/internal/hub"
)

// newUpCommand returns "weir up".
func newUpCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "up",
		Short: "Start weir and say what to type next",
		Long: `Start everything in this process: the relay for LTTng producers, the live
server for viewers, the HTTP interface with the console for browsers at /, host
statistics for monitors ("weir xmlsysd"), and the session daemon that records this host ("weir agent"), with a
small live session to look at. Without a configuration it listens on loopback only
and keeps its state in /var/lib/weir (root) or in ~/.local/state/weir. Sockets that systemd has opened, named control, data, live
and http, take the place of the configured addresses.

When all ports listen, the addresses are printed to standard output; the log
goes to standard error. SIGINT or SIGTERM stops it in order, which stores what
was received before; a second one ends it at once.`,
		Example: `  weir up
  weir up --state-dir /srv/weir --control tcp://0.0.0.0:5342 --data tcp://0.0.0.0:5343`,
	}
	s := addSettings(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load()
		if err != nil {
			return err
		}
		return runUp(c, cfg)
	}
	return c
}

// runUp runs the hub, and what of this host the configuration wants, until a signal
// asks for its end.
func runUp(c *cobra.Command, cfg *config.Config) error {
	log, err := newLogger(c.ErrOrStderr(), cfg.Hub.LogLevel, cfg.Hub.LogFormat)
	if err != nil {
		return err
	}
	if cfg.Hub.LogEvents {
		log = withEvents(log)
	}
	h, err := newHub(cfg, log)
	if err != nil {
		return err
	}
	var manager daemon.Readiness
	ctx, restore := untilSignal(c)
	defer restore()
	// The first signal cancels ctx; giving the signals back their default
	// effect lets the second one end the process at once. The function's
	// goroutine ends by itself.
	context.AfterFunc(ctx, func() {
		restore()
		warn(log, manager.Stopping())
	})
	stat, err := besideHub(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer stat.start(ctx, log)()
	var others func(func(string, []byte) bool)
	if cfg.Hosts.Metrics && cfg.Hosts.Poll > 0 {
		others = h.HostMessages
	}
	show, endShow := hubMetrics(stat.engine, "/", others)
	defer endShow() // before the engine is closed
	h.UseHost(show, metrics.Selectors())
	if own, ok := stat.registration(); ok {
		h.UseOwnHost(own)
	}
	var printErr error
	ready := func(at hub.Addresses, agent string) {
		printErr = printReady(c.OutOrStdout(), at, agent, stat.addresses())
		warn(log, manager.Ready())
	}
	if cfg.Agent.Enable {
		err = runWithFeeds(ctx, h, stat.engine, cfg, log, ready)
	} else {
		err = h.Run(ctx, func(at hub.Addresses) { ready(at, "") })
	}
	if err != nil {
		return err
	}
	return printErr
}

// newHub constructs the hub of a configuration, on the service manager's sockets where
// there are some.
func newHub(cfg *config.Config, log *slog.Logger) (*hub.Hub, error) {
	h, err := hub.New(cfg, log)
	if err != nil {
		return nil, err
	}
	h.UseGuard(ownProgram())
	h.UseNetworks()
	given, err := daemon.ActivatedListeners(listenControl, listenData, listenLive, listenHTTP)
	if err != nil {
		return nil, err
	}
	h.UseListeners(given)
	return h, nil
}

// warn logs that the service manager could not be told. That is no reason to
// stop: the manager finds out by itself.
func warn(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("service manager not told", "err", err)
	}
}

// printReady prints what listens where and the first steps of a newcomer.
func printReady(w io.Writer, at hub.Addresses, agent string, stat []string) error {
	_, err := io.WriteString(w, welcome(at, agent, stat))
	return err
}
