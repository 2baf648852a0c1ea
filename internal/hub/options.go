// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/hop"
	"github.com/weir-io/weir/internal/live"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/tracestore"
)

const (
	maxWorkers   = 8    // more loops than this have nothing to share
	spareFiles   = 64   // descriptors beside files and connections
	fallbackPool = 1000 // when the process's limit is unknown
	maxPool      = 16384
)

func (h *Hub) storeOptions() tracestore.Options {
	r := &h.cfg.Relay
	by := tracestore.ByHost
	if r.GroupOutputBy == "session" {
		by = tracestore.BySession
	}
	o := tracestore.Options{
		Output: h.cfg.Hub.OutputDir, GroupBy: by, AllowClear: r.AllowClear, AcceptUnnamed: r.AcceptUnnamed,
		MaxSessions: r.MaxSessions, MaxStreamsPerSession: r.MaxStreamsPerSession,
		MaxPendingPerSession: r.MaxPendingPerSession,
		Reserve:              int64(r.Reserve),
		RetainClosed:         h.cfg.Live.RetainClosed,
		SyncOnClose:          r.Fsync == "chunk" || r.Fsync == "interval",
		Files:                h.files, Tails: h.tails, Log: h.log,
	}
	if h.check != nil {
		o.Watcher = h.check
	}
	return o
}

func (h *Hub) relayOptions() relay.Options {
	r := &h.cfg.Relay
	return relay.Options{
		Store: h.store, Log: h.log, Workers: workers(r.Workers), AllowClear: r.AllowClear,
		MaxConnections: r.MaxConnections, MaxConnectionsPerPeer: r.MaxConnectionsPerPeer,
		MaxPacketSize: int64(r.MaxPacketSize), MaxMetadataPayload: int64(r.MaxMetadataPayload),
		MaxMemory: int64(r.MaxMemory), UDP: r.DataUDP,
		HandshakeTimeout: r.HandshakeTimeout, IdleTimeout: r.IdleTimeout, DrainTimeout: orTiny(r.DrainTimeout),
		KeepAlive: relay.KeepAlive{
			Enable: r.TCPKeepAlive, Idle: r.TCPKeepAliveIdle,
			Interval: r.TCPKeepAliveInterval, Probes: r.TCPKeepAliveProbes,
		},
	}
}

func (h *Hub) liveOptions() live.Options {
	o := live.Options{
		Store: h.store, Log: h.log,
		MaxViewers: h.cfg.Live.MaxViewers, MaxViewersPerPeer: h.cfg.Live.MaxViewersPerPeer,
		HandshakeTimeout: orNever(h.cfg.Relay.HandshakeTimeout), StallTimeout: orNever(h.cfg.Live.StallTimeout),
		InactivePace: orTiny(h.cfg.Live.InactivePace), NoHistory: !h.cfg.Live.History,
		DrainTimeout: h.cfg.Relay.DrainTimeout,
	}
	if h.check != nil {
		o.Layouts = h.check
	}
	return o
}

func (h *Hub) hopOptions() (hop.Options, error) {
	c := &h.cfg.Hop
	allow, err := hop.ParseRules(c.Allow)
	if err != nil {
		return hop.Options{}, fmt.Errorf("hop.allow: %w", err)
	}
	o := hop.Options{
		Allow: allow, Log: h.log, IdleTimeout: c.IdleTimeout,
		MaxConnections: c.MaxConnections, MaxConnectionsPerPeer: c.MaxConnectionsPerPeer,
	}
	if name, err := os.Hostname(); err == nil {
		o.Names = append(o.Names, name)
	}
	return o, nil
}

func workers(configured int) int {
	if configured > 0 {
		return configured
	}
	return min(runtime.GOMAXPROCS(0), runtime.NumCPU(), maxWorkers)
}

// makeRoom gives Go's scheduler a processor for each event loop, that of the
// viewers too. A loop that waits for its descriptors keeps the one that it has
// until it is taken away; the kernel shares out the real ones, by priority.
func makeRoom(loops int) {
	if os.Getenv("GOMAXPROCS") == "" && loops > runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(loops)
	}
}

// filePool is the budget of open trace files: what is configured, but no more
// than the process may open less one descriptor for each connection allowed.
func (h *Hub) filePool() int {
	most := fallbackPool
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		left := int(min(limit.Cur, math.MaxInt32)) - spareFiles
		connections := h.cfg.Relay.MaxConnections
		if h.hop != nil {
			connections += 2 * h.cfg.Hop.MaxConnections
		}
		most = left - min(connections, left/2)
	}
	if n := h.cfg.Relay.FDPoolSize; n > 0 {
		return min(n, most)
	}
	return min(most, maxPool)
}

// orTiny keeps a configured zero from being taken for "the default".
func orTiny(d time.Duration) time.Duration { return max(d, time.Nanosecond) }

// orNever makes a zero time-out one that does not end.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return math.MaxInt64
	}
	return d
}
