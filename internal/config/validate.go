// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// check is the verdict on one key.
type check struct {
	key string
	err error
}

// Validate returns an *Error for the first key, in the order of the reference,
// whose value is not allowed.
func (c *Config) Validate() error {
	for _, checks := range [][]check{c.hubChecks(), c.relayChecks(), c.timeChecks(), c.liveChecks(), c.otherChecks(), c.shipChecks()} {
		for _, v := range checks {
			if v.err != nil {
				return &Error{Origin: c.origins[v.key], Key: v.key, Err: v.err}
			}
		}
	}
	return nil
}

func (c *Config) hubChecks() []check {
	h := &c.Hub
	return []check{
		{"hub.state_dir", absolute(h.StateDir)},
		{"hub.output_dir", absolute(h.OutputDir)},
		{"hub.log_level", oneOf(h.LogLevel, "debug", "info", "warn", "error")},
		{"hub.log_format", oneOf(h.LogFormat, "text", "json")},
	}
}

func (c *Config) relayChecks() []check {
	r := &c.Relay
	return []check{
		{"relay.control_url", urls(r.ControlURL, 1)},
		{"relay.data_url", urls(r.DataURL, 1)},
		{"relay.live_url", urls(r.LiveURL, 0)},
		{"relay.group_output_by", oneOf(r.GroupOutputBy, "host", "session")},
		{"relay.workers", between(r.Workers, 0, 1024)},
		{"relay.max_connections", between(r.MaxConnections, 2, maxCount)},
		{"relay.max_connections_per_peer", between(r.MaxConnectionsPerPeer, 2, maxCount)},
		{"relay.max_sessions", between(r.MaxSessions, 1, maxCount)},
		{"relay.max_streams_per_session", between(r.MaxStreamsPerSession, 1, maxCount)},
		{"relay.max_pending_per_session", between(r.MaxPendingPerSession, 1, maxCount)},
		{"relay.max_packet_size", sizeBetween(r.MaxPacketSize, 4*KiB, 4*GiB-1)},
		{"relay.max_metadata_payload", sizeBetween(r.MaxMetadataPayload, 4*KiB, 128*MiB)},
		{"relay.max_metadata_checked", sizeBetween(r.MaxMetadataChecked, 0, 256*MiB)},
		{"relay.max_memory", sizeBetween(r.MaxMemory, MiB, TiB)},
		{"relay.fd_pool_size", fdPool(r.FDPoolSize)},
	}
}

func (c *Config) timeChecks() []check {
	r := &c.Relay
	return []check{
		{"relay.handshake_timeout", notNegative(r.HandshakeTimeout)},
		{"relay.idle_timeout", notNegative(r.IdleTimeout)},
		{"relay.tcp_keep_alive_idle", wholeSeconds(r.TCPKeepAliveIdle)},
		{"relay.tcp_keep_alive_interval", wholeSeconds(r.TCPKeepAliveInterval)},
		{"relay.tcp_keep_alive_probes", between(r.TCPKeepAliveProbes, 0, 127)},
		{"relay.fsync", oneOf(r.Fsync, "never", "chunk", "interval")},
		{"relay.fsync_interval", atLeast(r.FsyncInterval, 10*time.Millisecond)},
		{"relay.reserve", sizeBetween(r.Reserve, 0, TiB)},
		{"relay.drain_timeout", notNegative(r.DrainTimeout)},
	}
}

func (c *Config) liveChecks() []check {
	l := &c.Live
	return []check{
		{"live.max_viewers", between(l.MaxViewers, 1, maxCount)},
		{"live.max_viewers_per_peer", between(l.MaxViewersPerPeer, 1, maxCount)},
		{"live.stall_timeout", notNegative(l.StallTimeout)},
		{"live.inactive_pace", notNegative(l.InactivePace)},
		{"live.retain_closed", notNegative(l.RetainClosed)},
	}
}

func (c *Config) otherChecks() []check {
	return []check{
		{"retention.max_age", notNegative(c.Retention.MaxAge)},
		{"retention.max_bytes", sizeBetween(c.Retention.MaxBytes, 0, 1<<62)},
		{"retention.min_free", sizeBetween(c.Retention.MinFree, 0, 1<<62)},
		{"hop.listen", optionalAddress(c.Hop.Listen)},
		{"hop.allow", places(c.Hop.Allow)},
		{"hop.max_connections", between(c.Hop.MaxConnections, 1, maxCount)},
		{"hop.max_connections_per_peer", between(c.Hop.MaxConnectionsPerPeer, 1, maxCount)},
		{"hop.idle_timeout", notNegative(c.Hop.IdleTimeout)},
		{"http.listen", listenAddress(c.HTTP.Listen)},
		{"agent.socket", absoluteOrEmpty(c.Agent.Socket)},
		{"agent.feeds_scrub", notNegative(c.Agent.FeedsScrub)},
		{"agent.feeds_job", job(c.Agent.FeedsJob)},
		{"agent.feeds_mtime_interval", notNegative(c.Agent.FeedsMtimeInterval)},
		{"xmlsysd.listen", reachable(c.Xmlsysd.Listen, c.Xmlsysd.Allow)},
		{"xmlsysd.allow", networks(c.Xmlsysd.Allow)},
		{"xmlsysd.expose", someOf(c.Xmlsysd.Expose, "cmdline", "sessions", "raw", "cgroups")},
		{"xmlsysd.max_sessions", between(c.Xmlsysd.MaxSessions, 1, maxCount)},
		{"hosts.listen", optionalAddress(c.Hosts.Listen)},
		{"hosts.tls_cert", absoluteOrEmpty(c.Hosts.TLSCert)},
		{"hosts.tls_key", together(c.Hosts.TLSCert, c.Hosts.TLSKey, "hosts.tls_cert")},
		{"hosts.tls_client_ca", needs(c.Hosts.TLSClientCA, c.Hosts.TLSCert, "hosts.tls_cert")},
		{"hosts.enrol", enrol(&c.Hosts)},
		{"hosts.feeds_ca", absoluteOrEmpty(c.Hosts.FeedsCA)},
		{"hosts.allow", networks(c.Hosts.Allow)},
		{"hosts.watch", hostLists(c.Hosts.Watch)},
		{"hosts.file", absoluteOrEmpty(c.Hosts.File)},
		{"hosts.poll", poll(c.Hosts.Poll)},
		{"hosts.max", between(c.Hosts.Max, 1, maxCount)},
		{"hosts.forget", atLeast(c.Hosts.Forget, time.Second)},
		{"flow.store", flowStore(c.Flow.Store)},
		{"flow.accounts", absoluteOrEmpty(c.Flow.Accounts)},
		{"flow.token_life", atLeast(c.Flow.TokenLife, time.Second)},
		{"flow.trace_age", atLeast(c.Flow.TraceAge, time.Second)},
		{"flow.trace_flows", between(c.Flow.TraceFlows, 1, maxCount)},
		{"flow.trace_events", between(c.Flow.TraceEvents, 1, maxCount)},
		{"flow.trace_bytes", sizeBetween(c.Flow.TraceBytes, 32*MiB, TiB)},
	}
}

// jobs are what records may name as the job of a process.
var jobs = regexp.MustCompile(`^(none|comm_uid|cgroup|env:[A-Za-z_][A-Za-z0-9_]{0,99})$`)

func job(text string) error {
	if !jobs.MatchString(text) {
		return fmt.Errorf("%q: want none, comm_uid, cgroup or env:NAME, a variable of the environment", text)
	}
	return nil
}

// together checks a path that goes with another one.
func together(other, path, key string) error {
	if (other == "") != (path == "") {
		return fmt.Errorf("it goes with %s: neither or both", key)
	}
	return absoluteOrEmpty(path)
}

// enrol checks when the listener for hosts enrols.
func enrol(h *Hosts) error {
	if h.Enrol == EnrolAlways && h.TLSCert != "" {
		return fmt.Errorf("%s goes without hosts.tls_cert: the hub makes its certificate itself", EnrolAlways)
	}
	return oneOf(h.Enrol, EnrolAuto, EnrolAlways, EnrolNever)
}

// needs checks a path that is of use with another one only.
func needs(path, other, key string) error {
	if path != "" && other == "" {
		return fmt.Errorf("it is of use with %s only", key)
	}
	return absoluteOrEmpty(path)
}

// EmbeddedStore is the store of virtual networks that is a file of the hub's own.
const EmbeddedStore = "embedded"

// ZooKeeperServers returns the servers that a store of virtual networks names, none for
// the embedded store.
func (f *Flow) ZooKeeperServers() []string {
	servers, ok := strings.CutPrefix(f.Store, "zookeeper://")
	if !ok {
		return nil
	}
	return strings.Split(servers, ",")
}

func flowStore(store string) error {
	f := Flow{Store: store}
	servers := f.ZooKeeperServers()
	if store != EmbeddedStore && len(servers) == 0 {
		return fmt.Errorf("want %s or zookeeper://HOST:PORT,HOST:PORT, got %q", EmbeddedStore, store)
	}
	for _, s := range servers {
		if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			return fmt.Errorf("want servers as HOST:PORT, got %q", s)
		}
	}
	return nil
}

// hostLists checks the shape only; what a range is, the hub knows.
func hostLists(list []string) error {
	for _, one := range list {
		if strings.TrimSpace(one) == "" || strings.ContainsFunc(one, func(r rune) bool { return r < ' ' }) {
			return fmt.Errorf("want a name, an address or a list such as node[01-16]:7888, got %q", one)
		}
	}
	return nil
}

// poll checks a period of asking hosts.
func poll(got time.Duration) error {
	const least, most = 500 * time.Millisecond, time.Minute
	if got != 0 && (got < least || got > most) {
		return fmt.Errorf("want 0s, or %s to %s, got %s", formatDuration(least), formatDuration(most), formatDuration(got))
	}
	return nil
}

func absolute(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("want an absolute path, got %q", path)
	}
	return nil
}

func absoluteOrEmpty(path string) error {
	if path == "" {
		return nil
	}
	return absolute(path)
}

func oneOf(got string, want ...string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("want %s or %s, got %q", strings.Join(want[:len(want)-1], ", "), want[len(want)-1], got)
}

func someOf(got []string, want ...string) error {
	for _, one := range got {
		if err := oneOf(one, want...); err != nil {
			return err
		}
	}
	return nil
}

// networks checks a list of networks and addresses, or "any".
func networks(list []string) error {
	for _, one := range list {
		_, netErr := netip.ParsePrefix(one)
		_, addrErr := netip.ParseAddr(one)
		if one != "any" && netErr != nil && addrErr != nil {
			return fmt.Errorf("want a network such as 10.0.0.0/8, an address or any, got %q", one)
		}
	}
	return nil
}

// reachable refuses addresses of other networks than loopback where nothing says
// who may connect. Names are taken for others' but localhost.
func reachable(listen, allow []string) error {
	for _, address := range listen {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = strings.Trim(address, "[]")
		}
		ip, err := netip.ParseAddr(host)
		if len(allow) == 0 && host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return fmt.Errorf("%s can be reached from other hosts: say in xmlsysd.allow which may connect", address)
		}
	}
	return nil
}

func between(got, low, high int) error {
	if got < low || got > high {
		return fmt.Errorf("want %d to %d, got %d", low, high, got)
	}
	return nil
}

func sizeBetween(got, low, high Bytes) error {
	if got < low || got > high {
		return fmt.Errorf("want %s to %s, got %s", low, high, got)
	}
	return nil
}

func notNegative(got time.Duration) error { return atLeast(got, 0) }

func atLeast(got, low time.Duration) error {
	if got < low {
		return fmt.Errorf("want %s or more, got %s", formatDuration(low), formatDuration(got))
	}
	return nil
}

func wholeSeconds(got time.Duration) error {
	if got < 0 || got%time.Second != 0 || got > 32767*time.Second {
		return fmt.Errorf("want whole seconds up to 32767s, got %s", formatDuration(got))
	}
	return nil
}

// minFDPool is the least open-file budget that lttng-relayd accepts too.
const minFDPool = 100

func fdPool(got int) error {
	if got != 0 && (got < minFDPool || got > maxCount) {
		return fmt.Errorf("want 0 or %d and more, got %d", minFDPool, got)
	}
	return nil
}

func urls(list []string, least int) error {
	if len(list) < least {
		return fmt.Errorf("want at least %d URL, got none", least)
	}
	for _, u := range list {
		if _, _, err := SplitURL(u); err != nil {
			return err
		}
	}
	return nil
}

func optionalAddress(address string) error {
	if address == "" {
		return nil
	}
	return listenAddress(address)
}

// places checks the shape only; what a host or range is, the hop knows.
func places(list []string) error {
	for _, p := range list {
		i := strings.LastIndexByte(p, ':')
		if i < 1 || p[i+1:] != "*" && (!isPort(p[i+1:]) || p[i+1:] == "0") {
			return fmt.Errorf("want HOST:PORT, ADDRESS:PORT or CIDR:PORT with a port from 1 to 65535 or *, got %q", p)
		}
	}
	return nil
}

func listenAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) {
		return fmt.Errorf("want HOST:PORT, got %q", address)
	}
	return nil
}
