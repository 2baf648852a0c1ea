// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
	"github.com/weir-io/weir/internal/consumer"
	service "github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/ustsource"
	"github.com/weir-io/weir/internal/version"
)

// newAgentCommand returns "weir agent".
func newAgentCommand() *cobra.Command {
	o := daemon.Options{UST: ustsource.DefaultOptions()}
	var level, format string
	var events bool
	var stat agentStat
	c := &cobra.Command{
		Use:   "agent",
		Short: "Record trace sessions of this host",
		Long: `Run the session daemon of this host: it takes the commands create,
enable-event, start and the others of "weir help", records the kernel, applications,
the host's statistics, changes of file systems and weir itself, and brings what is
recorded to files or to a relay. It needs no hub and no kernel module; without root it
records neither the kernel nor file systems, and its user's applications only.

With --hub it registers this host with a hub, so that monitors find it there, and
with --xmlsysd it serves them. With --feeds-listen it serves feeds of this host's file
systems to whoever shows a token, through the hub, too.

Each session's packets are moved by a process of its own, which has no privilege.
SIGINT or SIGTERM ends all sessions in order within 10 s; a second one ends it at
once. Packets that no relay has got by then are kept as traces below spool/kept in
the state directory; those that cannot be are counted as lost, and the exit code
is 1.`,
		Example: `  weir agent
  weir agent --socket /run/weir/agent.sock --state-dir /var/lib/weir`,
	}
	f := c.Flags()
	f.StringVar(&o.Socket, "socket", agent.OwnSocket(), "listen on the Unix socket `PATH`")
	f.StringVar(&o.StateDir, "state-dir", stateDir(), "keep packets for lost relays below `DIR`")
	f.StringVar(&o.Hostname, "hostname", "", "`NAME` of this host in traces; default: the kernel's")
	f.BoolVar(&o.NoRealtime, "no-realtime", false, "read rings without priority")
	f.DurationVar(&o.ConsumerTimeout, "consumer-timeout", 15*time.Second, "replace a consumer process that gives no answer for `TIME`")
	f.StringVar(&o.UST.Dir, "ust-dir", o.UST.Dir, "applications register at the socket lttng-ust-sock-8 of `DIR`")
	f.BoolVar(&o.UST.Take, "take-ust-socket", false, "take that socket over from another session daemon")
	f.Uint16Var(&o.AgentPort, "agent-tcp-port", 0, "agents of Python and Java programs register at this `PORT` of the loopback\ninterface, which agent.port of --ust-dir tells them; default: the first free one of 5345 to 5354")
	f.StringVar(&level, "log-level", "info", "log from `LEVEL` on: debug, info, warn or error")
	f.StringVar(&format, "log-format", "text", "`FORM` of the log: text or json")
	f.BoolVar(&events, "log-events", false, "make log lines events too, weir:log_info and its like, which this\nagent records at the default --ust-dir, as LTTng's session daemon does")
	stat.addFlags(c)
	stat.feeds.addFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := newLogger(c.ErrOrStderr(), level, format)
		if err != nil {
			return usageErrorf("%w", err)
		}
		if o.ConsumerTimeout < time.Second {
			return usageErrorf("--consumer-timeout=%v: want 1s at least", o.ConsumerTimeout)
		}
		if events {
			log = withEvents(log)
		}
		o.Log, o.RunDir = log, filepath.Dir(o.Socket)
		if ownProgram() == "" {
			return errNotWeir
		}
		o.Program = runningImage
		return runAgent(c, o, &stat)
	}
	return c
}

// agentStat are the flags of "weir agent" for host statistics.
type agentStat struct {
	enable        bool
	listen        []string
	allow, expose string
	sessions      int
	announce      announceFlags
	feeds         remoteFeeds
}

func (s *agentStat) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&s.enable, "xmlsysd", false, "serve host statistics, too, as \"weir xmlsysd\" does")
	f.StringArrayVar(&s.listen, "xmlsysd-listen", nil, "listen for monitors at `HOST[:PORT]`; may be repeated; default: loopback")
	f.StringVar(&s.allow, "xmlsysd-allow", "", "let monitors of these `NETWORKS` connect, separated by commas, or any; default: this host's")
	f.StringVar(&s.expose, "xmlsysd-expose", "", "show more of what people do, also in traces of --stat: `LIST` of cmdline, sessions, raw, cgroups")
	f.IntVar(&s.sessions, "xmlsysd-sessions", 0, "serve at most `N` monitors at once; default: 10")
	s.announce.add(c)
}

// begin starts host statistics, and registers the host with a hub, where that is
// asked for. It returns what reads the host in any case, and what ends all of it.
func (s *agentStat) begin(ctx context.Context, log *slog.Logger) (engine *hoststat.Engine, stop func(), err error) {
	engine, listeners, stopStat, err := s.serve(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.announce.announcer(listeners, false, &s.feeds, log)
	if err != nil {
		stopStat()
		return nil, nil, err
	}
	if a == nil {
		return engine, stopStat, nil
	}
	stopAnnouncing := a.start(ctx)
	return engine, func() { stopAnnouncing(); stopStat() }, nil
}

// serve serves monitors if that is asked for.
func (s *agentStat) serve(ctx context.Context, log *slog.Logger) (*hoststat.Engine, []net.Listener, func(), error) {
	if s.enable {
		h, err := beside(ctx, log, s.announce.member(), s.listen, s.allow, s.expose, s.sessions)
		if err != nil {
			return nil, nil, nil, err
		}
		return h.engine, h.listeners, h.start(ctx, log), nil
	}
	x, err := parseExpose(s.expose)
	if err != nil {
		return nil, nil, nil, usageErrorf("--xmlsysd-expose: %w", err)
	}
	engine, err := hoststat.New(hoststat.Options{Expose: x, Version: version.Number, Log: log})
	if err != nil {
		return nil, nil, nil, err
	}
	return engine, nil, engine.Close, nil
}

// runningImage is the executable of this process, wherever it lies: consumer
// processes run as another user, who may not be let into its directory, and an
// update may have replaced it.
const runningImage = "/proc/self/exe"

// stateDir is the directory of what outlives the daemon.
func stateDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/weir"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "weir")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "weir")
	}
	return filepath.Join(home, ".local", "state", "weir")
}

// runAgent runs the daemon until a signal asks for its end.
func runAgent(c *cobra.Command, o daemon.Options, stat *agentStat) error {
	var manager service.Readiness
	ctx, restore := untilSignal(c)
	defer restore()
	context.AfterFunc(ctx, func() { // as in runUp
		restore()
		warn(o.Log, manager.Stopping())
	})
	if err := stat.announce.become(ctx, identityDir(o.StateDir), true, o.Log); err != nil {
		return err
	}
	if err := stat.feeds.listen(ctx, stat.announce.member()); err != nil {
		return err
	}
	defer stat.feeds.close()
	engine, stopStat, err := stat.begin(ctx, o.Log)
	if err != nil {
		return err
	}
	defer stopStat()
	feeds, err := openFeeds(ctx, o.Socket, o.StateDir, stat.feeds.settings, o.Log)
	if err != nil {
		return err
	}
	if feeds == nil && stat.feeds.listener != nil {
		return errors.New("--feeds-listen: this agent serves no feeds; its log says why")
	}
	if feeds != nil {
		feeds.remote = &stat.feeds
	}
	o.Stat, o.Feeds = engine, feeds.door()
	a, err := daemon.New(o)
	if err != nil {
		return err
	}
	// They outlive the sessions, which may record them.
	at, stopFeeds := feeds.start(context.WithoutCancel(ctx), true)
	defer stopFeeds()
	return a.Run(ctx, func(socket string) {
		fmt.Fprintf(c.OutOrStdout(), "session daemon at %s\n", socket)
		if at != "" {
			fmt.Fprintf(c.OutOrStdout(), "feeds at %s\n", at)
		}
		warn(o.Log, manager.Ready())
	})
}

// consumerSocket is the descriptor that a consumer process is started with.
const consumerSocket = 3

// newConsumerCommand returns the hidden "weir consumer": the process that the
// session daemon starts for what it records.
func newConsumerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "consumer",
		Short:  "Move packets for a session daemon",
		Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := newLogger(c.ErrOrStderr(), "info", "text")
			if err != nil {
				return err
			}
			// The daemon ends the process by its socket; a terminal's signals are
			// meant for the daemon. When that has died nobody reads what is said here,
			// and there is still something to bring away.
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
			// The name would be that of the link that it was started by.
			_ = os.WriteFile("/proc/self/comm", []byte("weir-consumer"), 0)
			conn, err := handover.New(os.NewFile(consumerSocket, "daemon"))
			if err != nil {
				return fmt.Errorf("consumer: it is started by the session daemon only: %w", err)
			}
			return consumer.Run(conn, log)
		},
	}
}
