// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/api"
	"github.com/weir-io/weir/internal/console"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/version"
	"github.com/weir-io/weir/lttng"
)

// newAPI makes the HTTP interface over the services.
func (h *Hub) newAPI(l *listeners) (*api.API, error) {
	var hosts []string
	own, err := os.Hostname()
	if err == nil {
		hosts = append(hosts, own)
	}
	trust, err := feedsTrust(h.cfg.Hosts.FeedsCA)
	if err != nil {
		return nil, fmt.Errorf("hosts.feeds_ca: %w", err)
	}
	o := api.Options{
		OwnHost: own, FeedsTrust: trust,
		Hosts: hosts,
		Store: h.store, Catalog: h.catalog, Retention: h.retention,
		Relay: h.relayStats, Live: h.liveStats, Files: h.files.Stats,
		NotReady: h.notReady, Version: version.Get(), Log: h.log,
		Host: h.host, Registry: h.registry, Feeds: h.feeds, Caller: h.caller,
		Listens: h.listens, Output: h.cfg.Hub.OutputDir, Poll: h.cfg.Hosts.Poll,
	}
	if h.fleet != nil {
		o.Statistics = h.fleet
	}
	if h.cfg.HTTP.Console {
		if o.Console, err = console.New(); err != nil {
			return nil, err
		}
	}
	if h.flows != nil {
		o.Networks = h.flows
		if h.flows.ships != nil {
			o.Ships = h.flows.ships.stats
		}
	}
	if h.authority != nil {
		o.Enrol, o.EnrolAt, o.AsHub = h.authority, h.enrolAt(l.hosts), h.asHub
	}
	if h.hop != nil {
		o.Hop = h.hopStats
	}
	if h.check != nil {
		o.Metadata, o.MetadataErrors = h.metadataStats, h.metadataErrors
	}
	return api.New(o)
}

// feedsTrust is whom the hub trusts that serves feeds of another host by TLS.
func feedsTrust(path string) (*tls.Config, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS13}
	if path == "" {
		return trust, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	trust.RootCAs = x509.NewCertPool()
	if !trust.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", path)
	}
	return trust, nil
}

// listens tells where the hub listens.
func (h *Hub) listens() client.HubListeners {
	at := h.open.addresses("")
	return client.HubListeners{Control: at.Control, Data: at.Data, Live: at.Live, HTTP: at.HTTP, Hop: at.Hop, Hosts: at.Hosts}
}

func (h *Hub) hopStats() api.HopStats {
	c := h.hop.Counters()
	return api.HopStats{
		Open: c.Open.Load(), Total: c.Total.Load(), Refused: c.Refused.Load(), Displaced: c.Displaced.Load(),
		Passed: c.Passed.Load(), Denied: c.Denied.Load(), Failed: c.Failed.Load(), TimedOut: c.TimedOut.Load(), Loops: c.Loops.Load(),
		IdleClosed: c.IdleClosed.Load(), AcceptErrors: c.AcceptErrors.Load(), Bytes: c.Bytes.Load(),
	}
}

func (h *Hub) metadataStats() api.MetadataStats {
	c := h.check.Counters()
	return api.MetadataStats{
		WaitingOpen: c.Waiting.Load(), Bytes: c.Bytes.Load(), Errors: c.Errors.Load(), Unchecked: c.Unchecked.Load(),
	}
}

func (h *Hub) metadataErrors(ss *tracestore.Session) []client.MetadataError {
	var all []client.MetadataError
	for _, f := range h.check.Faults(ss) {
		all = append(all, client.MetadataError{
			Producer: strconv.FormatUint(uint64(ss.ID()), 10), Trace: f.Trace,
			Message: f.Message, Unchecked: f.Unchecked, Offset: f.Offset, Line: f.Line, Column: f.Column,
			Path: f.Path, Got: f.Got, Want: f.Want,
		})
	}
	return all
}

// notReady returns why the hub does not do its work.
func (h *Hub) notReady() []string {
	if h.ready.Load() {
		return nil
	}
	return []string{"starting or stopping"}
}

func (h *Hub) relayStats() api.RelayStats {
	c := h.relay.Counters()
	return api.RelayStats{
		ControlOpen: c.ControlOpen.Load(), DataOpen: c.DataOpen.Load(),
		ControlTotal: c.ControlTotal.Load(), DataTotal: c.DataTotal.Load(),
		Refused: c.Refused.Load(), Displaced: c.Displaced.Load(), TimedOut: c.TimedOut.Load(),
		ProtocolErrors: c.ProtocolErrors.Load(), AcceptErrors: c.AcceptErrors.Load(),
		Commands: c.Commands.Load(), ReceivedBytes: c.ReceivedBytes.Load(),
		PartialMemoryOpen: c.PartialMemory.Load(), MemoryShort: c.MemoryShort.Load(),
		Datagrams: c.Datagrams.Load(), DatagramsAgain: c.DatagramsAgain.Load(), DatagramsDuplicate: c.DatagramsDuplicate.Load(),
		DatagramsDropped: c.DatagramsDropped.Load(), DatagramsBad: c.DatagramsBad.Load(), DatagramsForeign: c.DatagramsForeign.Load(),
		DatagramMemoryOpen: c.DatagramMemory.Load(), PacketsAbandoned: c.PacketsAbandoned.Load(),
		PendingOpen: h.store.Counters().Pending.Load(), PendingRefused: h.store.Counters().PendingRefused.Load(),
	}
}

func (h *Hub) liveStats() api.LiveStats {
	s := h.live.Stats()
	viewers := make(map[lttng.SessionID]int)
	for _, ss := range h.store.Sessions() {
		if n := h.live.Viewers(ss.ID()); n > 0 {
			viewers[ss.ID()] = n
		}
	}
	return api.LiveStats{
		ViewersOpen: s.Connected, AttachedOpen: s.Attached,
		Total: s.Total, Refused: s.Refused, Displaced: s.Displaced, AcceptErrors: s.AcceptErrors,
		Requests: s.Requests, UnknownCommands: s.UnknownCommands,
		Packets: s.Packets, PacketBytes: s.PacketBytes, MetadataBytes: s.MetadataBytes,
		Skipped: s.Skipped, Paced: s.Paced, Held: s.Held,
		EmptyPackets: s.EmptyPackets, Untranslated: s.Untranslated, RefusedPackets: s.RefusedPackets,
		ProtocolErrors: s.ProtocolErrors, ReadErrors: s.Errors,
		Viewers: viewers,
	}
}

func (h *Hub) retentionOptions() tracestore.RetentionOptions {
	r := &h.cfg.Retention
	return tracestore.RetentionOptions{
		Limits: tracestore.RetentionLimits{MaxAge: r.MaxAge, MaxBytes: int64(r.MaxBytes), MinFree: int64(r.MinFree)},
		Log:    h.log,
	}
}
