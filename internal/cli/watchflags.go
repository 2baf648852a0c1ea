// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/enrol"
	"github.com/weir-io/weir/internal/hoststat/monitor"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/roster"
	hosttable "github.com/weir-io/weir/internal/hoststat/table"
	"github.com/weir-io/weir/internal/identity"
)

// watchFlags are the flags that "weir top" and "weir stat" have in common. The
// short ones are those of wulfstat and wulflogger.
type watchFlags struct {
	flags   *pflag.FlagSet
	view    string
	delay   float64
	count   int
	file    string
	local   bool
	verbose int

	sync             bool
	filter           string
	sort             string
	reverse          bool
	onAlarm          string
	ca, cert, key    string
	hub, compress    string
	hubTLS           hubTLS
	join             joinFlags
	keeper           *enrol.Keeper // of one that has joined the hub; nil: it has not
	absolute, expand bool
}

func (f *watchFlags) add(c *cobra.Command) {
	fs := c.Flags()
	f.flags = fs
	fs.SortFlags = false
	fs.StringVarP(&f.view, "type", "t", "", "`VIEW` to begin with, by name or number: vm, load, memory, net, system, jobs, commands, disks, filesystems, pressure, sensors, users, alarms (default load)")
	fs.Float64VarP(&f.delay, "delay", "d", 0, "poll each host every `SECONDS`, 0.5 to 60 (default 5)")
	fs.IntVarP(&f.count, "count", "c", 0, "end after `N` periods; 0: go on")
	fs.StringVarP(&f.file, "file", "f", "", "read hosts and alarms from `FILE` (default $WULFHOSTS, ./wulfhosts, ~/.wulfhosts, ~/.config/weir/wulfhosts, /etc/wulfhosts)")
	fs.BoolVarP(&f.local, "local", "l", false, "watch this host alone")
	fs.CountVarP(&f.verbose, "verbose", "v", "tell alarms on standard error, and twice: states of hosts")
	fs.BoolVar(&f.sync, "sync", false, "poll all hosts at once instead of spreading them over the period")
	fs.StringVar(&f.filter, "filter", "", "show only hosts whose names match `REGEXP`")
	fs.StringVar(&f.sort, "sort", "", "sort by `COLUMN`")
	fs.BoolVar(&f.reverse, "reverse", false, "sort the other way round: numbers from the least")
	fs.BoolVar(&f.absolute, "absolute", false, "show what was counted since the hosts booted instead of rates")
	fs.BoolVar(&f.expand, "expand", false, "show interfaces and sensors each in a row")
	fs.StringVar(&f.onAlarm, "on-alarm", "", "run `COMMAND` when an alarm begins or ends: words between blanks, no shell; WEIR_ALARM, WEIR_HOST, WEIR_STATE, WEIR_LEVEL and WEIR_VALUE tell which")
	fs.StringVar(&f.hub, "hub", "", "watch the hosts that the hub at `URL` knows; where no host is named and there is no hosts file, a hub on this machine is asked")
	fs.StringVar(&f.hubTLS.ca, "hub-ca", "", "trust the hub if `FILE` has signed its certificate")
	fs.StringVar(&f.hubTLS.cert, "hub-cert", "", "own certificate for the hub: `FILE`")
	fs.StringVar(&f.hubTLS.key, "hub-key", "", "its key: `FILE`")
	f.join.add(fs)
	fs.StringVar(&f.compress, "compress", string(poll.CompressAuto), "have hosts compress what they send: `HOW` is none, gzip, zstd, or auto, which is zstd from a round trip of 20 ms on")
	fs.StringVar(&f.ca, "tls-ca", "", "trust hosts by TLS whose certificates `FILE` has signed")
	fs.StringVar(&f.cert, "tls-cert", "", "own certificate for hosts by TLS: `FILE`")
	fs.StringVar(&f.key, "tls-key", "", "its key: `FILE`")
	mustComplete(c, "type", words(viewNames()))
	mustComplete(c, "compress", words(poll.Compressions()))
}

// viewNames are the names of views for completion.
func viewNames() []string {
	var names []string
	for _, v := range hosttable.Views() {
		names = append(names, v.Name+"\t"+v.Title)
	}
	return names
}

// words completes one of several words.
func words(all []string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// table returns the view and its options. The file's view counts where no other
// one is named.
func (f *watchFlags) table(fallback string) (*hosttable.View, hosttable.Options, error) {
	var o hosttable.Options
	name := f.view
	if name == "" {
		name = fallback
	}
	if name == "" {
		name = "load"
	}
	v, ok := hosttable.ViewByName(name)
	if !ok {
		return nil, o, usageErrorf("no view %q", name)
	}
	o = hosttable.Options{Sort: v.Sorted, Reverse: v.Reverse, Absolute: f.absolute, All: f.expand}
	if f.sort != "" {
		if v.Column(f.sort) < 0 {
			return nil, o, usageErrorf("the view %s has no column %q", v.Name, f.sort)
		}
		o.Sort, o.Reverse = f.sort, !f.reverse
	}
	if f.filter != "" {
		re, err := regexp.Compile(f.filter)
		if err != nil {
			return nil, o, usageErrorf("filter: %w", err)
		}
		o.Filter = re
	}
	return v, o, nil
}

// open finds out what to watch.
func (f *watchFlags) open(hosts []string, logs io.Writer, change func(*monitor.Options)) (*monitor.Monitor, error) {
	if f.flags.Changed("delay") && !(f.delay >= poll.MinDelay.Seconds() && f.delay <= poll.MaxDelay.Seconds()) {
		return nil, usageErrorf("delay %v: want 0.5 to 60 seconds", f.delay)
	}
	if f.count < 0 {
		return nil, usageErrorf("count %d: want 0 or more", f.count)
	}
	if !slices.Contains(poll.Compressions(), f.compress) {
		return nil, usageErrorf("compress %q: want %s", f.compress, strings.Join(poll.Compressions(), ", "))
	}
	secure, err := f.tls()
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	level := slog.LevelWarn - slog.Level(4*min(f.verbose, 2))
	o := monitor.Options{
		Hosts: hosts, File: f.file, Local: f.local, Delay: time.Duration(f.delay * float64(time.Second)), Sync: f.sync,
		TLS: secure, Compress: poll.Compression(f.compress), Command: strings.Fields(f.onAlarm),
		Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level})),
	}
	if o.Hub, err = f.hubHosts(len(hosts) > 0, o.Logger); err != nil {
		return nil, err
	}
	if f.keeper != nil {
		m := f.keeper.Member()
		o.Enrolled = func(name string) *tls.Config { return m.Client(identity.Expect(identity.Host, name)) }
	}
	change(&o)
	m, err := monitor.Open(o)
	if _, away := errors.AsType[*monitor.HubError](err); away {
		return nil, err
	}
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	return m, nil
}

// hubHosts returns the hub whose hosts are watched where there is one.
func (f *watchFlags) hubHosts(named bool, log *slog.Logger) (*monitor.Hub, error) {
	if f.hub != "" && (named || f.local) {
		return nil, usageErrorf("--hub: hosts are named, too")
	}
	if f.hub == "" && f.join.token != "" {
		return nil, usageErrorf("--join: want --hub https://HOST:PORT, too")
	}
	if err := f.become(log); err != nil {
		return nil, err
	}
	if k := f.keeper; k != nil {
		var again time.Time
		return &monitor.Hub{Named: true, Hosts: func(ctx context.Context) ([]roster.Host, error) {
			if now := time.Now(); !now.Before(again) {
				again = now.Add(k.Look(ctx))
			}
			return hostsOf(ctx, k.Client(), k.Hub())
		}}, nil
	}
	cfg, err := f.hubTLS.config()
	if err != nil {
		return nil, usageErrorf("--hub: %w", err)
	}
	at := f.hub
	if at == "" {
		at = client.DefaultURL
	}
	api, err := client.NewTLS(at, cfg)
	if err != nil {
		return nil, usageErrorf("--hub: %w", err)
	}
	return &monitor.Hub{Named: f.hub != "", Hosts: func(ctx context.Context) ([]roster.Host, error) {
		defer api.Close() // it is asked again in seconds: a connection is not worth keeping
		return hostsOf(ctx, api, at)
	}}, nil
}

// become joins the hub that is named as a monitor, or takes up what was kept of it.
func (f *watchFlags) become(log *slog.Logger) error {
	if f.hub == "" {
		return nil
	}
	name := monitorName()
	m := &member{
		joinFlags: f.join, fallback: filepath.Join(stateDir(), "monitor"), url: f.hub, host: name, role: identity.Monitor,
		files: f.hubTLS != hubTLS{},
	}
	var err error
	f.keeper, err = m.keeper(context.Background(), log)
	return err
}

// hostsOf asks a hub for its hosts. An address of loopback is the hub's own.
func hostsOf(ctx context.Context, api *client.Client, at string) ([]roster.Host, error) {
	var list []roster.Host
	for h, err := range api.Hosts(ctx) {
		if err != nil {
			return nil, err
		}
		list = append(list, roster.Host{Name: h.ID, Address: seenFrom(at, h.Address), Group: h.Group, TLS: h.TLS, Enrolled: h.Enrolled, Problem: h.Problem})
	}
	return list, nil
}

// seenFrom replaces a host of loopback by that of the hub's URL.
func seenFrom(hubURL, address string) string {
	hub, err := url.Parse(hubURL)
	host, port, splitErr := net.SplitHostPort(address)
	if err != nil || splitErr != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() || host == "localhost" {
		return net.JoinHostPort(hub.Hostname(), port)
	}
	return address
}

// tls makes the configuration for hosts by TLS.
func (f *watchFlags) tls() (*tls.Config, error) {
	cfg, err := clientTLS(f.ca, f.cert, f.key, tls.VersionTLS12)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	return cfg, nil
}
