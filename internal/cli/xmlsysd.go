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
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/hoststat/server"
)

// newXmlsysdCommand returns "weir xmlsysd".
func newXmlsysdCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "xmlsysd",
		Short: "Tell monitors what this host's kernel counts",
		Long: `Answer the commands of xmlsysd: a client sends lines such as init and send, and
gets what the kernel counts as XML. After init the answer has what xmlsysd sent
in 2002; whatever is more has to be asked for, see "help" on the wire.

Without -d, -i and --listen it takes the sockets that systemd has opened, or else
listens on port 7887 of loopback. A socket that other hosts can reach needs
--allow. With -i it serves standard input and output, as inetd starts it. With
--hub the host registers with a hub, where monitors find it.

SIGINT or SIGTERM stops it in order; a second one ends it at once. The exit code
is 0 then, 1 after a failure and 2 when it was called wrongly. The program answers
to the name xmlsysd, too.`,
		Example: `  weir xmlsysd
  weir xmlsysd --listen 0.0.0.0 --allow 10.0.0.0/8
  weir xmlsysd -i 7887
  printf 'init\nsend\nquit\n' | nc 127.0.0.1 7887`,
	}
	x := &xmlsysdFlags{}
	x.addFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return runXmlsysd(c, x) }
	return c
}

// xmlsysdProgram is the whole program when it is called as xmlsysd.
func xmlsysdProgram(args []string, stdout, stderr io.Writer) int {
	return Main(append([]string{"weir", "xmlsysd"}, args...), stdout, stderr)
}

// runXmlsysd serves until a signal asks for its end, or until the one client of
// inetd's is done.
func runXmlsysd(c *cobra.Command, x *xmlsysdFlags) error {
	economize()
	stderr := c.ErrOrStderr()
	inetd := c.Flags().Changed("inetd")
	if inetd && x.metrics != "" {
		return usageErrorf("--metrics: with -i there is one client, and no daemon")
	}
	if inetd && (x.announce.url != "" || x.announce.join.token != "") {
		return usageErrorf("--hub: with -i there is one client, and no daemon")
	}
	if inetd && stderr == io.Writer(os.Stderr) && daemon.SameFile(os.Stderr, os.Stdout) {
		stderr = io.Discard // inetd connects it as well, and the log is no data
	}
	log, err := newLogger(stderr, x.logLevel(), "text")
	if err != nil {
		return err
	}
	ctx, restore := untilSignal(c)
	defer restore()
	if err := x.announce.become(ctx, identityDir(stateDir()), false, log); err != nil {
		return err
	}
	h, err := x.hostStat(log)
	if err != nil {
		return usageErrorf("%w", err)
	}
	defer h.close()
	conns, err := x.open(ctx, c, h, inetd)
	if err != nil {
		return err
	}
	pages, err := x.openMetrics(ctx, h, log)
	if err != nil {
		return err
	}
	a, err := x.announce.announcer(h.listeners, x.cert != "", nil, log)
	if err != nil {
		return err
	}
	if a != nil {
		h.services = append(h.services, a.run)
	}
	if x.user != "" {
		if err := daemon.BecomeUser(x.user); err != nil {
			return err
		}
	}
	var manager daemon.Readiness
	context.AfterFunc(ctx, func() { // as in runUp
		restore()
		warn(log, manager.Stopping())
	})
	if len(h.listeners) > 0 {
		fmt.Fprintf(c.OutOrStdout(), "xmlsysd at %s\n%s", strings.Join(h.addresses(), ", "), pages)
		warn(log, manager.Ready())
		h.services = append(h.services, func(ctx context.Context) error { daemon.Thrift(ctx, log); return nil })
	}
	return h.run(ctx, conns...)
}

// economize makes the run-time one of a program that has little to do, and that
// others should not notice: on one processor no thread wakes another to share the
// work with, which takes longer than the work. Who sets GOMAXPROCS knows better.
func economize() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}

// open gives the daemon its listeners, or returns the connections that a
// super-server has made for it.
func (x *xmlsysdFlags) open(ctx context.Context, c *cobra.Command, h *hostStat, inetd bool) ([]net.Conn, error) {
	if inetd {
		conn, err := daemon.Stream()
		return []net.Conn{conn}, err
	}
	if !c.Flags().Changed("port") && len(x.listen) == 0 {
		listeners, conns, err := daemon.ActivatedSockets()
		if err != nil {
			return nil, err
		}
		if h.listeners = listeners; len(listeners)+len(conns) > 0 {
			return conns, nil
		}
	}
	if x.announce.member() != nil && len(x.listen) == 0 && x.unix == "" {
		x.listen = []string{everywhere}
	}
	if len(x.listen) > 0 || x.unix == "" || c.Flags().Changed("port") {
		if err := h.listen(ctx, x.port, x.listen...); err != nil {
			return nil, err
		}
	}
	if x.unix != "" {
		l, err := daemon.ListenUnix(ctx, x.unix, 0o660, -1)
		if err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
		h.listeners = append(h.listeners, l)
	}
	return nil, nil
}

// openMetrics adds the service of metrics, if it is asked for, and returns what is
// to be said of it.
func (x *xmlsysdFlags) openMetrics(ctx context.Context, h *hostStat, log *slog.Logger) (string, error) {
	if x.metrics == "" {
		return "", nil
	}
	l, run, err := metricsService(ctx, x.metrics, h.engine, x.root, log)
	if err != nil {
		return "", err
	}
	h.services = append(h.services, run)
	return fmt.Sprintf("metrics at http://%[1]s/metrics, http://%[1]s/metrics/node\n", l.Addr()), nil
}

// listen adds listeners at addresses. What the caller has done wrong is a usage
// error.
func (h *hostStat) listen(ctx context.Context, port int, addresses ...string) error {
	listeners, err := server.Listen(ctx, h.access, port, addresses...)
	if e, ok := errors.AsType[*server.ReachError](err); ok {
		return usageErrorf("%w", e)
	}
	if e, ok := errors.AsType[*server.AddressError](err); ok {
		return usageErrorf("%w", e)
	}
	h.listeners = append(h.listeners, listeners...)
	return err
}

func (x *xmlsysdFlags) logLevel() string {
	switch {
	case x.verbose <= 0:
		return slog.LevelWarn.String()
	case x.verbose == 1:
		return slog.LevelInfo.String()
	}
	return slog.LevelDebug.String()
}
