// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/fssource"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/kernelsource"
	"github.com/weir-io/weir/internal/kerneltrace"
	"github.com/weir-io/weir/internal/loggers"
	"github.com/weir-io/weir/internal/selfsource"
	"github.com/weir-io/weir/internal/session"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/statsource"
	"github.com/weir-io/weir/internal/ustsource"
)

const (
	// stopTimeout is how long the end of all sessions may take, so that the daemon
	// ends within 10 s.
	stopTimeout = 9 * time.Second
	// sweepTimeout bounds the removal of what a killed daemon has left.
	sweepTimeout = 5 * time.Second
	// tracingGroup is the group whose members may trace the kernel.
	tracingGroup = "tracing"
	// nobody is whom consumer processes run as where nothing else is said.
	nobody = 65534
)

// Options configure an agent. Socket, RunDir, StateDir, Program, Stat and Log are
// required.
type Options struct {
	Socket   string // of clients
	RunDir   string // runtime files
	StateDir string // spools
	Program  string // of weir, which understands "consumer"
	Log      *slog.Logger

	// Stat reads the host for the domain of statistics, and for others. It is closed
	// by whoever made it, after the agent.
	Stat *hoststat.Engine

	// Feeds tells of file-system changes, for the domain of those; nil: there is none.
	// It outlives the agent.
	Feeds feed.Door

	ConsumerUID, ConsumerGID uint32 // 0: nobody, if this process is root's
	NoRealtime               bool   // consumers drain rings as ordinary threads do
	Hostname                 string // of traces; "": the kernel's
	// ConsumerTimeout is how long a consumer process may give no answer before
	// another one takes its place; 0: 15 s.
	ConsumerTimeout time.Duration

	// UST says where applications register. Its log is this one's.
	UST ustsource.Options
	// AgentPort is where agents of Python and Java programs register, on the loopback
	// interface; 0: at the first free one of LTTng's.
	AgentPort uint16
}

// Agent is the session daemon of this host.
type Agent struct {
	// Immutable.
	opts   Options
	kernel *kernelsource.Source
	self   *selfsource.Source
	stat   *statsource.Source
	fs     *fssource.Source
	ust    *ustsource.Source
	logs   *loggers.Source

	*session.Daemon
}

// New makes an agent. It opens and starts nothing.
func New(o Options) (*Agent, error) {
	o.UST.Log = o.Log
	a := &Agent{
		opts: o, kernel: kernelsource.New(instances(o.RunDir), o.Log), self: selfsource.New(o.Log),
		stat: statsource.New(statHost{o.Stat}, o.Log),
		fs:   fssource.New(newFeedHost(o.Feeds), o.Log),
		ust:  ustsource.New(o.UST),
		logs: loggers.New(loggers.Options{Log: o.Log, Dir: o.UST.Dir, Port: o.AgentPort}),
	}
	root := os.Geteuid() == 0
	if root && o.ConsumerUID == 0 {
		o.ConsumerUID, o.ConsumerGID = nobody, nobody
	}
	var err error
	a.Daemon, err = session.New(session.Options{
		Log: o.Log, Sources: []source.Source{a.kernel, a.self, a.stat, a.fs, a.ust}, Loggers: a.logs.Domains(), Consumer: []string{o.Program, "consumer"},
		ConsumerUID: o.ConsumerUID, ConsumerGID: o.ConsumerGID, Realtime: root && !o.NoRealtime,
		Hostname: o.Hostname, SpoolDir: filepath.Join(o.StateDir, "spool"), Observe: a.self.Emit,
		PingTimeout: o.ConsumerTimeout,
	})
	return a, err
}

// Run sweeps up what a killed predecessor has left, listens, calls ready once, and
// serves until ctx ends; then it ends all sessions and returns nil.
func (a *Agent) Run(ctx context.Context, ready func(socket string)) error {
	gid := socketGroup()
	socket, err := OpenSocket(ctx, a.opts.Socket, gid)
	if err != nil {
		return err
	}
	sweep, cancel := context.WithTimeout(ctx, sweepTimeout)
	if err := a.kernel.Sweep(sweep); err != nil {
		a.opts.Log.Warn("instances of a killed daemon are left", "err", err)
	}
	cancel()
	if err := a.AdoptKept(); err != nil {
		a.opts.Log.Warn("packets kept by a killed daemon's consumers are not in their place", "err", err)
	}
	server := NewServer(a, a.opts.Log)
	group, ctx := errgroup.WithContext(ctx)
	// Applications go when sessions have ended: these stop them, and wait for them.
	apps, letGo := context.WithCancel(context.WithoutCancel(ctx))
	if err := a.ust.Listen(); err != nil {
		a.opts.Log.Warn("applications are not traced", "err", err)
	} else if err := a.logs.Listen(); err != nil {
		a.opts.Log.Warn("agents of Python and Java programs are not served", "err", err)
	}
	group.Go(func() error { return server.Serve(socket.Listener(), gid) })
	group.Go(func() error { return a.ust.Serve(apps) })
	group.Go(func() error { return a.logs.Serve(apps) })
	group.Go(func() error {
		<-ctx.Done()
		defer letGo()
		end, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return errors.Join(a.Daemon.Close(end), server.Shutdown(end))
	})
	ready(a.opts.Socket)
	err = group.Wait()
	return errors.Join(err, socket.Close(), a.kernel.Close())
}

// instances is the directory in which daemons write down what they make in the
// kernel.
func instances(runDir string) string { return filepath.Join(runDir, "instances") }

// Leftover is what a daemon that was killed has left in the kernel.
type Leftover = kernelsource.Leftover

// Cleanup removes from the kernel what daemons that are gone have left, as the next
// one does when it starts, and returns that and what could not be removed; with
// keep it removes nothing.
func Cleanup(ctx context.Context, runDir string, keep bool, log *slog.Logger) (removed, left []Leftover, err error) {
	kernel := kernelsource.New(instances(runDir), log)
	before, err := kernel.Leftovers()
	if err != nil || keep || len(before) == 0 {
		return nil, before, err
	}
	defer kernel.Close()
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	err = kernel.Sweep(ctx)
	left, lerr := kernel.Leftovers()
	for _, l := range before {
		if !slices.ContainsFunc(left, func(o Leftover) bool { return o.Name == l.Name }) {
			removed = append(removed, l)
		}
	}
	return removed, left, errors.Join(err, lerr)
}

// socketGroup is the group that the socket belongs to; -1 where it is the user's
// alone.
func socketGroup() int {
	if os.Geteuid() != 0 {
		return -1
	}
	g, err := user.LookupGroup(tracingGroup)
	if err != nil {
		return 0 // root's: there is no such group
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0
	}
	return gid
}

// KernelEvents lists what the kernel offers.
func (a *Agent) KernelEvents(_ context.Context, pattern string, kind agent.EventType, fields bool) ([]agent.KernelEvent, error) {
	return a.kernel.KernelEvents(pattern, kind, fields)
}

// StatEvents lists the events of the host's statistics.
func (a *Agent) StatEvents(ctx context.Context, pattern string, fields bool) []agent.StatEvent {
	return a.stat.Events(ctx, pattern, fields)
}

// UserEvents lists the events of applications.
func (a *Agent) UserEvents(ctx context.Context, by Caller, pattern string, fields bool) ([]agent.UserEvent, error) {
	if err := a.ust.Check(by.Tracing); err != nil {
		return nil, err
	}
	return a.ust.Events(ctx, by.UID, pattern, fields), nil
}

// Loggers lists the loggers of programs.
func (a *Agent) Loggers(ctx context.Context, by Caller, domain string) ([]agent.Logger, error) {
	return a.logs.List(ctx, by.UID, domain)
}

// KernelContexts lists the contexts of the kernel's domain.
func (a *Agent) KernelContexts() []string {
	var all []string
	for c := kerneltrace.Context(0); ; c++ {
		name := c.String()
		if _, err := kerneltrace.ParseContext(name); err != nil {
			return all
		}
		all = append(all, name)
	}
}

// UserContexts lists the contexts of the applications' domain.
func (a *Agent) UserContexts() []string { return ustsource.Contexts() }

// Capabilities tells what this host can do.
func (a *Agent) Capabilities() map[string]string {
	c := a.kernel.Capabilities()
	c["domains"] = strings.Join([]string{kernelsource.Domain, selfsource.Domain, statsource.Domain, fssource.Domain, ustsource.Domain}, ", ")
	for _, l := range a.logs.Domains() {
		c["domains"] += ", " + l.Domain()
	}
	return c
}
