// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/server"
	"github.com/weir-io/weir/internal/version"
	"github.com/weir-io/weir/xmlsysd"
)

// xmlsysdFlags are the flags of "weir xmlsysd".
type xmlsysdFlags struct {
	port, inetd         int
	sessions, verbose   int
	listen              []string
	unix, allow, expose string
	metrics             string
	cert, key, clientCA string
	rawAllow, rawDeny   []string
	fsSkip, fsShow      string
	idle, write         time.Duration
	maxLine             int
	maxMessage          string
	interval, section   time.Duration
	procRoot, sysRoot   string
	root, user          string
	budget              float64
	announce            announceFlags
}

func (x *xmlsysdFlags) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.IntVarP(&x.port, "port", "d", server.DefaultPort, "listen on `PORT`")
	f.IntVarP(&x.inetd, "inetd", "i", 0, "serve one client on standard input and output, as inetd starts it for `PORT`")
	f.IntVarP(&x.sessions, "max-sessions", "n", server.DefaultSessions, "serve at most `N` clients at once; more are closed")
	f.IntVarP(&x.verbose, "verbose", "v", 0, "log more on standard error: 1 states, 2 sessions, 3 commands; `N`")
	f.StringArrayVar(&x.listen, "listen", nil, "listen at `HOST[:PORT]`; may be repeated; default: loopback")
	f.StringVar(&x.unix, "unix", "", "listen on the Unix socket `PATH`; without -d and --listen on nothing else")
	f.StringVar(&x.allow, "allow", "", "let clients of these `NETWORKS` connect, separated by commas, or any; default: this host's")
	f.StringVar(&x.metrics, "metrics", "", "serve /metrics and /metrics/node for Prometheus at `[HOST:]PORT` by HTTP; without HOST at loopback")
	f.StringVar(&x.cert, "tls-cert", "", "take TLS connections with the certificate in `FILE`")
	f.StringVar(&x.key, "tls-key", "", "the certificate's key is in `FILE`")
	f.StringVar(&x.clientCA, "tls-client-ca", "", "clients need a certificate of an authority in `FILE`")
	f.StringVar(&x.expose, "expose", "", "show more of what people do: `LIST` of cmdline, sessions, raw, cgroups")
	f.StringArrayVar(&x.rawAllow, "raw-allow", nil, "with raw: show files like `PATTERN`, too; may be repeated")
	f.StringArrayVar(&x.rawDeny, "raw-deny", nil, "with raw: do not show files like `PATTERN`; may be repeated")
	f.DurationVar(&x.idle, "idle-timeout", server.DefaultIdleTimeout, "end a session without commands after this `TIME`")
	f.DurationVar(&x.write, "write-timeout", server.DefaultWriteTimeout, "end the session of a client that does not read for this `TIME`")
	f.IntVar(&x.maxLine, "max-line", xmlsysd.MaxLine, fmt.Sprintf("take lines of at most `N` bytes, up to %d", xmlsysd.MaxLine))
	f.StringVar(&x.maxMessage, "max-message", config.Bytes(xmlsysd.MaxMessage).String(), "send messages of at most this `SIZE`; sections that are too much are left out")
	f.DurationVar(&x.interval, "min-interval", 100*time.Millisecond, "read nothing more often than in this `TIME`, however many ask")
	f.DurationVar(&x.section, "section-timeout", time.Second, "go without a section that takes this `TIME`")
	f.StringVar(&x.procRoot, "proc-root", "/proc", "`DIR` where /proc is")
	f.StringVar(&x.sysRoot, "sys-root", "/sys", "`DIR` where /sys is")
	f.StringVar(&x.root, "root", "/", "`DIR` where the other files are")
	f.StringVar(&x.fsSkip, "fs-skip", "", "do not show file systems of these `TYPES`, separated by commas, besides those that store nothing")
	f.StringVar(&x.fsShow, "fs-show", "", "show file systems of these `TYPES` that are left out otherwise, such as overlay")
	f.StringVar(&x.user, "user", "", "started as root, become this `USER` once all sockets are open")
	f.Float64Var(&x.budget, "budget", 1, "read costly sections less often above this `PERCENT` of a CPU; below 0: never")
	x.announce.add(c)
}

// hostStat makes the daemon that the flags describe.
func (x *xmlsysdFlags) hostStat(log *slog.Logger) (*hostStat, error) {
	o, err := x.options(log)
	if err != nil {
		return nil, err
	}
	for _, limit := range []struct {
		name string
		ok   bool
	}{
		{"--port", x.port >= 0 && x.port < 1<<16},
		{"--inetd", x.inetd >= 0 && x.inetd < 1<<16},
		{"--max-sessions", x.sessions > 0},
		{"--verbose", x.verbose >= 0},
		{"--max-line", x.maxLine >= 16 && x.maxLine <= xmlsysd.MaxLine},
		{"--max-message", o.MaxMessage > 0},
		{"--idle-timeout", x.idle > 0},
		{"--write-timeout", x.write > 0},
		{"--min-interval", x.interval >= 0},
		{"--section-timeout", x.section > 0},
	} {
		if !limit.ok {
			return nil, fmt.Errorf("%s: out of range", limit.name)
		}
	}
	if x.interval == 0 {
		x.interval = -1 // the engine's word for it
	}
	return newHostStat(hoststat.Options{
		ProcRoot: x.procRoot, SysRoot: x.sysRoot, Root: x.root, MinInterval: x.interval, SectionTimeout: x.section, Budget: x.budget,
		Expose: o.Expose, RawAllow: x.rawAllow, RawDeny: x.rawDeny, SkipFS: x.skippedFS(), Version: version.Number, Log: log,
	}, o)
}

// skippedFS returns the types of file systems that are not shown.
func (x *xmlsysdFlags) skippedFS() []string {
	skip := append(hoststat.WithoutStorage(), typesOf(x.fsSkip)...)
	show := typesOf(x.fsShow)
	return slices.DeleteFunc(skip, func(kind string) bool { return slices.Contains(show, kind) })
}

// typesOf reads types between commas.
func typesOf(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// options are those of the server.
func (x *xmlsysdFlags) options(log *slog.Logger) (o server.Options, err error) {
	o = server.Options{Log: log, MaxSessions: x.sessions, MaxLine: x.maxLine, IdleTimeout: x.idle, WriteTimeout: x.write, Verbosity: x.verbose}
	if x.allow != "" {
		if o.Access, err = server.ParseAccess(x.allow); err != nil {
			return o, fmt.Errorf("--allow: %w", err)
		}
	}
	if o.Expose, err = parseExpose(x.expose); err != nil {
		return o, fmt.Errorf("--expose: %w", err)
	}
	size, err := config.ParseBytes(x.maxMessage)
	if err != nil {
		return o, fmt.Errorf("--max-message: %w", err)
	}
	o.MaxMessage = int(size)
	if o.TLS, err = server.LoadTLS(x.cert, x.key, x.clientCA); err == nil && o.TLS == nil {
		if own := x.announce.member(); own != nil {
			o.Door = doorOf(own, o.Access)
		}
	}
	return o, err
}

// parseExpose reads a list of what may be seen of people.
func parseExpose(list string) (x hoststat.Expose, err error) {
	for word := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(word) {
		case "":
		case "cmdline":
			x.Cmdline = true
		case "sessions":
			x.Sessions = true
		case "raw":
			x.Raw = true
		case "cgroups":
			x.Cgroups = true
		default:
			return x, fmt.Errorf("%q is none of cmdline, sessions, raw and cgroups", word)
		}
	}
	return x, nil
}
