// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/hub"
	"github.com/weir-io/weir/internal/relaydopt"
)

// Names of the listeners, as in port files and socket units.
const (
	listenControl = "control"
	listenData    = "data"
	listenLive    = "live"
	listenHTTP    = "http"
	listenHop     = "hop"
)

// relayHub runs the services until ctx ends and calls ready once all listen.
type relayHub interface {
	Run(ctx context.Context, ready func(hub.Addresses)) error
}

// listenerTaker is a hub that serves on sockets opened by others instead of
// the configured addresses. A nil listener switches the service off.
type listenerTaker interface {
	UseListeners(map[string]net.Listener)
}

// runDirUser is a hub that keeps runtime files.
type runDirUser interface {
	UseRunDir(string)
}

// healthReporter is a hub that knows which of its parts are stuck
// (daemon.HealthWorker and so on).
type healthReporter interface {
	Health() uint64
}

// relaydProcess is the relay in the process that does the work. It lives from
// the end of the option parsing to the exit.
type relaydProcess struct {
	// Immutable after creation.
	opts   relaydopt.Options
	cfg    *config.Config
	log    *slog.Logger
	ready  daemon.Readiness
	newHub func(*config.Config, *slog.Logger) (relayHub, error)

	// Set by prepare.
	runDir daemon.RunDir
	gid    int // tracing group, -1 when not root

	files []*daemon.StateFile // written by announce, removed when run ends
}

// runRelayd serves until SIGINT or SIGTERM.
func runRelayd(opts relaydopt.Options, env []string, ready daemon.Readiness, stderr io.Writer) error {
	// A lost terminal or a closed log pipe must not stop a relay, and SIGUSR1
	// is what LTTng's daemons use among themselves.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGUSR1)
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	// The second signal ends the process at once. AfterFunc's goroutine ends
	// by itself.
	context.AfterFunc(ctx, restore)
	cfg, err := relaydConfig(opts, env)
	if err != nil {
		return err
	}
	log, err := newLogger(stderr, cfg.Hub.LogLevel, cfg.Hub.LogFormat)
	if err != nil {
		return err
	}
	if cfg.Hub.LogEvents {
		log = withEvents(log)
	}
	p := &relaydProcess{opts: opts, cfg: cfg, log: log, ready: ready, newHub: newRelayHub}
	return p.run(ctx)
}

func newRelayHub(cfg *config.Config, log *slog.Logger) (relayHub, error) {
	cfg.Hosts.Poll = 0 // a relay alone asks nobody
	h, err := hub.New(cfg, log)
	if err != nil {
		return nil, err
	}
	h.UseGuard(ownProgram())
	return h, nil
}

// run prepares the surroundings, serves until ctx ends and cleans up.
func (p *relaydProcess) run(ctx context.Context) error {
	if err := p.prepare(); err != nil {
		return err
	}
	h, err := p.newHub(p.cfg, p.log)
	if err != nil {
		return err
	}
	if u, ok := h.(runDirUser); ok {
		u.UseRunDir(p.runDir.Path())
	}
	if err := p.giveListeners(ctx, h); err != nil {
		return err
	}
	health, err := p.listenHealth(ctx, h)
	if err != nil {
		return err
	}
	// Ends at Close below, which also waits for it.
	served := make(chan error, 1)
	go func() { served <- health.Serve() }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopping := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopping <- p.ready.Stopping() })
	var readyErr error
	err = h.Run(ctx, func(at hub.Addresses) {
		if readyErr = p.announce(at); readyErr != nil {
			cancel()
		}
	})
	cancel()
	// What only fails while stopping is logged: the status tells of the work.
	p.logErr("notify", <-stopping)
	p.logErr("close health socket", health.Close())
	p.logErr("serve health socket", <-served)
	p.removeFiles()
	return errors.Join(readyErr, err)
}

func (p *relaydProcess) logErr(message string, err error) {
	if err != nil {
		p.log.Warn(message, "error", err)
	}
}

// prepare does what comes before any socket: directories and the group.
func (p *relaydProcess) prepare() error {
	if p.opts.Start != relaydopt.Foreground {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	if p.opts.WorkingDir != "" {
		if err := os.Chdir(p.opts.WorkingDir); err != nil {
			return fmt.Errorf("working directory: %w", err)
		}
	}
	if p.opts.Given["output"] {
		if err := os.MkdirAll(p.cfg.Hub.OutputDir, 0o770); err != nil {
			return fmt.Errorf("output directory: %w", err)
		}
	}
	p.gid = -1
	if os.Geteuid() == 0 {
		gid, err := daemon.GroupID(p.opts.TracingGroup)
		if err != nil {
			p.log.Warn("no tracing group, only root can check the health", "error", err)
			gid = 0
		}
		p.gid = gid
	}
	var err error
	p.runDir, err = daemon.OpenRunDir(p.opts.RunDir, p.gid)
	return err
}

// giveListeners hands the sockets of the service manager and the HTTP socket to
// the hub. HTTP is an addition to lttng-relayd, so a port that cannot be had
// costs the service only.
func (p *relaydProcess) giveListeners(ctx context.Context, h relayHub) error {
	listeners, err := daemon.ActivatedListeners(listenControl, listenData, listenLive)
	if err != nil {
		return err
	}
	taker, ok := h.(listenerTaker)
	if !ok {
		for _, l := range listeners {
			l.Close()
		}
		if len(listeners) > 0 {
			return errors.New("socket activation: this hub opens its own sockets")
		}
		return nil
	}
	listeners[listenHTTP] = nil
	if p.opts.HTTP != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.cfg.HTTP.Listen)
		if err != nil {
			p.log.Warn("no HTTP", "error", err)
		} else {
			listeners[listenHTTP] = l
		}
	}
	taker.UseListeners(listeners)
	return nil
}

func (p *relaydProcess) listenHealth(ctx context.Context, h relayHub) (*daemon.HealthServer, error) {
	c := daemon.HealthConfig{
		Path: p.opts.HealthSocket, GID: p.gid, Log: p.log,
		Status: func() uint64 { return 0 },
	}
	if c.Path == "" {
		c.Path = p.runDir.HealthSocket(os.Getpid())
	}
	if r, ok := h.(healthReporter); ok {
		c.Status = r.Health
	}
	return daemon.ListenHealth(ctx, c)
}

// announce writes port files and pid file and then tells those who wait.
func (p *relaydProcess) announce(at hub.Addresses) error {
	for _, l := range []struct {
		name      string
		addresses []string
	}{{listenControl, at.Control}, {listenData, at.Data}, {listenLive, at.Live}, {listenHop, at.Hop}} {
		if len(l.addresses) == 0 {
			continue
		}
		_, text, err := net.SplitHostPort(l.addresses[0])
		if err != nil {
			return fmt.Errorf("port of %s listener: %w", l.name, err)
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("port of %s listener: %w", l.name, err)
		}
		if err := p.write(p.runDir.PortFile(l.name), port); err != nil {
			return err
		}
	}
	if p.opts.PIDFile != "" {
		if err := p.write(p.opts.PIDFile, os.Getpid()); err != nil {
			return fmt.Errorf("pid file: %w", err)
		}
	}
	return p.ready.Ready()
}

func (p *relaydProcess) write(path string, number int) error {
	f, err := daemon.WriteNumber(path, number)
	if err != nil {
		return err
	}
	p.files = append(p.files, f)
	return nil
}

func (p *relaydProcess) removeFiles() {
	for _, f := range p.files {
		p.logErr("remove file", f.Remove())
	}
}
