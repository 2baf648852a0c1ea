// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-io/weir/internal/version"
	"github.com/weir-io/weir/lttng"
)

// total reads one of the store's counters.
func total(name, help string, of func(s *snapshot) *atomic.Uint64) metric {
	return counter(name, help, func(s *snapshot) float64 { return float64(of(s).Load()) })
}

// storeMetrics are the figures of what is stored and removed.
func storeMetrics() []metric {
	return []metric{
		{
			name: "weir_store_disk_free_bytes", help: "Bytes free on the file system of the traces.",
			kind: prometheus.GaugeValue, values: func(s *snapshot, emit emit) {
				if s.spaceKnown {
					emit(float64(s.space.Free))
				}
			},
		},
		{
			name: "weir_store_disk_size_bytes", help: "Size of the file system of the traces.",
			kind: prometheus.GaugeValue, values: func(s *snapshot, emit emit) {
				if s.spaceKnown {
					emit(float64(s.space.Total))
				}
			},
		},
		gauge("weir_store_short_of_space", "1 while data packets are dropped to keep the reserve.", func(s *snapshot) float64 { return truth(s.short) }),
		gauge("weir_store_backlog", "Files to be forced to disk and cleared chunks to be deleted.", func(s *snapshot) float64 { return float64(s.counters.Backlog.Load()) }),
		total("weir_store_backlog_errors_total", "Files not forced to disk and cleared chunks not deleted.", func(s *snapshot) *atomic.Uint64 { return &s.counters.BacklogErrors }),
		counter("weir_retention_removed_chunks_total", "Chunks removed by age, size or free space.", func(s *snapshot) float64 { return float64(s.retention.Chunks) }),
		counter("weir_retention_removed_sessions_total", "Sessions of which retention left nothing.", func(s *snapshot) float64 { return float64(s.retention.Sessions) }),
		counter("weir_retention_removed_bytes_total", "Bytes removed by retention.", func(s *snapshot) float64 { return float64(s.retention.Bytes) }),
		counter("weir_retention_failures_total", "Removals that failed.", func(s *snapshot) float64 { return float64(s.retention.Failures) }),
		counter("weir_retention_runs_total", "Runs of the retention.", func(s *snapshot) float64 { return float64(s.retention.Runs) }),
		gauge("weir_http_archives", "Archives being written to clients.", func(s *snapshot) float64 { return float64(s.archives) }),
	}
}

// trafficMetrics are the figures of what comes in.
func trafficMetrics() []metric {
	return []metric{
		gauge("weir_relay_sessions", "Tracing sessions being received.", func(s *snapshot) float64 { return float64(s.sessions) }),
		gauge("weir_relay_producers", "Parts of sessions being received: kernel and applications are separate.", func(s *snapshot) float64 { return float64(s.producers) }),
		gauge("weir_relay_streams", "Open streams.", func(s *snapshot) float64 { return float64(s.streams) }),
		total("weir_relay_producers_total", "Parts of sessions since the start.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Sessions }),
		total("weir_relay_streams_total", "Streams since the start.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Streams }),
		total("weir_relay_packets_total", "Data packets stored.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Packets }),
		total("weir_relay_packet_bytes_total", "Bytes of data packets stored, padding included.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Bytes }),
		total("weir_relay_metadata_bytes_total", "Bytes of metadata stored.", func(s *snapshot) *atomic.Uint64 { return &s.counters.MetadataBytes }),
		total("weir_relay_dropped_packets_total", "Data packets received and not stored.", func(s *snapshot) *atomic.Uint64 { return &s.counters.DroppedPackets }),
		total("weir_relay_dropped_bytes_total", "Bytes of data packets received and not stored.", func(s *snapshot) *atomic.Uint64 { return &s.counters.DroppedBytes }),
		total("weir_relay_resumed_streams_total", "Streams that went on in the files of a connection before.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Resumed }),
		total("weir_relay_duplicate_packets_total", "Data packets that were stored already when they came, and dropped: producers that come back send what may have been lost.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Duplicate }),
		total("weir_relay_data_errors_total", "Failed writes of data.", func(s *snapshot) *atomic.Uint64 { return &s.counters.DataErrors }),
		total("weir_relay_index_errors_total", "Failed writes of indexes, tried again later.", func(s *snapshot) *atomic.Uint64 { return &s.counters.IndexErrors }),
		total("weir_relay_beacons_total", "Live beacons: nothing happened on a stream.", func(s *snapshot) *atomic.Uint64 { return &s.counters.Beacons }),
		gauge("weir_relay_discarded_events", "Events discarded by the tracers, as the newest packets of the streams say that are open or kept for viewers.", func(s *snapshot) float64 { return float64(s.discarded) }),
		{
			name: "weir_relay_lag_seconds", help: "Longest time since the newest packet of an open session; absent while none has sent any.",
			kind: prometheus.GaugeValue, values: func(s *snapshot, emit emit) {
				if s.heard {
					emit(s.lag.Seconds())
				}
			},
		},
	}
}

// relayMetrics are the figures of the producers' connections.
func relayMetrics() []metric {
	of := func(name, help string, read func(r *RelayStats) uint64) metric {
		return counter(name, help, func(s *snapshot) float64 { return float64(read(&s.relay)) })
	}
	return []metric{
		{
			name: "weir_relay_connections", help: "Open connections of producers by kind: control or data.", labels: []string{"kind"},
			kind: prometheus.GaugeValue, values: func(s *snapshot, emit emit) {
				emit(float64(s.relay.ControlOpen), "control")
				emit(float64(s.relay.DataOpen), "data")
			},
		},
		{
			name: "weir_relay_connections_total", help: "Connections of producers since the start by kind: control or data.", labels: []string{"kind"},
			kind: prometheus.CounterValue, values: func(s *snapshot, emit emit) {
				emit(float64(s.relay.ControlTotal), "control")
				emit(float64(s.relay.DataTotal), "data")
			},
		},
		of("weir_relay_connections_refused_total", "Connections of producers turned away at a limit.", func(r *RelayStats) uint64 { return r.Refused }),
		of("weir_relay_connections_displaced_total", "Silent connections of producers closed at a limit, to make room for new ones.", func(r *RelayStats) uint64 { return r.Displaced }),
		of("weir_relay_connections_timed_out_total", "Connections of producers closed for their silence.", func(r *RelayStats) uint64 { return r.TimedOut }),
		of("weir_relay_accept_errors_total", "Connections of producers that could not be accepted.", func(r *RelayStats) uint64 { return r.AcceptErrors }),
		of("weir_relay_protocol_errors_total", "Connections of producers closed for what they sent.", func(r *RelayStats) uint64 { return r.ProtocolErrors }),
		of("weir_relay_commands_total", "Commands on control connections.", func(r *RelayStats) uint64 { return r.Commands }),
		of("weir_relay_received_bytes_total", "Bytes received from producers, headers included.", func(r *RelayStats) uint64 { return r.ReceivedBytes }),
		of("weir_relay_memory_waits_total", "Times a connection waited because the receive buffers were used up.", func(r *RelayStats) uint64 { return r.MemoryShort }),
		of("weir_relay_pending_refused_total", "Packets and indexes refused, with their connection, because too many of the session or stream lacked the other half.", func(r *RelayStats) uint64 { return r.PendingRefused }),
		of("weir_relay_datagrams_total", "Datagrams of producers' sessions.", func(r *RelayStats) uint64 { return r.Datagrams }),
		of("weir_relay_datagrams_again_total", "Datagrams that producers had sent before.", func(r *RelayStats) uint64 { return r.DatagramsAgain }),
		{
			name: "weir_relay_datagrams_dropped_total", help: "Datagrams dropped by reason: duplicate, late (or no room), bad (changed on the way) or foreign (of no session, or from elsewhere).", labels: []string{"reason"},
			kind: prometheus.CounterValue, values: func(s *snapshot, emit emit) {
				emit(float64(s.relay.DatagramsDuplicate), "duplicate")
				emit(float64(s.relay.DatagramsDropped), "late")
				emit(float64(s.relay.DatagramsBad), "bad")
				emit(float64(s.relay.DatagramsForeign), "foreign")
			},
		},
		of("weir_relay_packets_abandoned_total", "Packets that producers have given up: what of them was lost did not arrive in time.", func(r *RelayStats) uint64 { return r.PacketsAbandoned }),
		gauge("weir_relay_datagram_bytes", "Memory of packets that have not arrived whole in datagrams.", func(s *snapshot) float64 { return float64(s.relay.DatagramMemoryOpen) }),
		gauge("weir_relay_partial_message_bytes", "Memory of messages that have not arrived whole.", func(s *snapshot) float64 { return float64(s.relay.PartialMemoryOpen) }),
		{
			name: "weir_relay_pending_packets", help: "Packets of which the data or the index has not arrived.",
			kind: prometheus.GaugeValue, values: func(s *snapshot, emit emit) {
				if s.relay.PendingOpen >= 0 {
					emit(float64(s.relay.PendingOpen))
				}
			},
		},
	}
}

// metadataMetrics are the figures of the check of metadata.
func metadataMetrics() []metric {
	of := func(name, help string, read func(m *MetadataStats) uint64) metric {
		return counter(name, help, func(s *snapshot) float64 { return float64(read(&s.metadata)) })
	}
	return []metric{
		gauge("weir_metadata_waiting", "Traces with metadata that was not checked so far.", func(s *snapshot) float64 { return float64(s.metadata.WaitingOpen) }),
		of("weir_metadata_checked_bytes_total", "Bytes of metadata found good.", func(m *MetadataStats) uint64 { return m.Bytes }),
		of("weir_metadata_errors_total", "Traces whose metadata is broken.", func(m *MetadataStats) uint64 { return m.Errors }),
		of("weir_metadata_unchecked_total", "Traces with more metadata than is checked.", func(m *MetadataStats) uint64 { return m.Unchecked }),
	}
}

// hopMetrics are the figures of the passing on of connections.
func hopMetrics() []metric {
	of := func(name, help string, read func(h *HopStats) uint64) metric {
		return counter(name, help, func(s *snapshot) float64 { return float64(read(&s.hop)) })
	}
	return []metric{
		gauge("weir_hop_connections", "Connections to the hop, passed on or not yet.", func(s *snapshot) float64 { return float64(s.hop.Open) }),
		of("weir_hop_connections_total", "Connections to the hop since the start.", func(h *HopStats) uint64 { return h.Total }),
		of("weir_hop_connections_refused_total", "Connections to the hop turned away at a limit.", func(h *HopStats) uint64 { return h.Refused }),
		of("weir_hop_connections_displaced_total", "Connections to the hop that were not through and made room for new ones.", func(h *HopStats) uint64 { return h.Displaced }),
		of("weir_hop_connections_idle_total", "Connections passed on and ended for their silence.", func(h *HopStats) uint64 { return h.IdleClosed }),
		of("weir_hop_accept_errors_total", "Connections to the hop that could not be accepted.", func(h *HopStats) uint64 { return h.AcceptErrors }),
		of("weir_hop_bytes_total", "Bytes passed on, in both directions.", func(h *HopStats) uint64 { return h.Bytes }),
		{
			name: "weir_hop_answers_total", help: "Answers of the hop by their code.", labels: []string{"code"},
			kind: prometheus.CounterValue, values: func(s *snapshot, emit emit) {
				emit(float64(s.hop.Passed), "200")
				emit(float64(s.hop.Denied), "403")
				emit(float64(s.hop.Failed), "502")
				emit(float64(s.hop.TimedOut), "504")
				emit(float64(s.hop.Loops), "508")
			},
		},
	}
}

// liveMetrics are the figures of the viewers.
func liveMetrics() []metric {
	of := func(name, help string, read func(l *LiveStats) uint64) metric {
		return counter(name, help, func(s *snapshot) float64 { return float64(read(&s.live)) })
	}
	return []metric{
		gauge("weir_live_viewers", "Connections of viewers.", func(s *snapshot) float64 { return float64(s.live.ViewersOpen) }),
		gauge("weir_live_attachments", "Sessions being read, one for each viewer of it.", func(s *snapshot) float64 { return float64(s.live.AttachedOpen) }),
		of("weir_live_connections_total", "Connections of viewers since the start.", func(l *LiveStats) uint64 { return l.Total }),
		of("weir_live_connections_refused_total", "Connections of viewers turned away at a limit.", func(l *LiveStats) uint64 { return l.Refused }),
		of("weir_live_connections_displaced_total", "Silent connections of viewers closed at a limit, to make room for new ones.", func(l *LiveStats) uint64 { return l.Displaced }),
		of("weir_live_accept_errors_total", "Connections of viewers that could not be accepted.", func(l *LiveStats) uint64 { return l.AcceptErrors }),
		{
			name: "weir_live_requests_total", help: "Requests of viewers by command.", labels: []string{"command"},
			kind: prometheus.CounterValue, values: liveRequests,
		},
		of("weir_live_packets_total", "Packets sent to viewers.", func(l *LiveStats) uint64 { return l.Packets }),
		of("weir_live_packet_bytes_total", "Bytes of packets sent to viewers.", func(l *LiveStats) uint64 { return l.PacketBytes }),
		of("weir_live_metadata_bytes_total", "Bytes of metadata sent to viewers.", func(l *LiveStats) uint64 { return l.MetadataBytes }),
		of("weir_live_skipped_packets_total", "Packets removed or overwritten before a viewer had read them.", func(l *LiveStats) uint64 { return l.Skipped }),
		of("weir_live_paced_answers_total", "Repeated inactive answers that were delayed.", func(l *LiveStats) uint64 { return l.Paced }),
		of("weir_live_held_answers_total", "Answers withheld for a stream not yet announced.", func(l *LiveStats) uint64 { return l.Held }),
		of("weir_live_empty_packets_total", "Packets without events made to tell old viewers of new streams.", func(l *LiveStats) uint64 { return l.EmptyPackets }),
		of("weir_live_untranslated_total", "Traces and classes of CTF 2 that viewers of CTF 1.8 cannot be told of.", func(l *LiveStats) uint64 { return l.Untranslated }),
		of("weir_live_refused_packets_total", "Packets that a viewer of CTF 1.8 could not have read; each ends its viewer.", func(l *LiveStats) uint64 { return l.RefusedPackets }),
		of("weir_live_protocol_errors_total", "Connections of viewers closed for what they sent.", func(l *LiveStats) uint64 { return l.ProtocolErrors }),
		of("weir_live_read_errors_total", "Stored files that could not be read for a viewer.", func(l *LiveStats) uint64 { return l.ReadErrors }),
	}
}

// liveRequests emits one value for each command of the protocol: what is not
// one of them counts together.
func liveRequests(s *snapshot, emit emit) {
	for cmd := lttng.ViewerConnect; cmd <= lttng.ViewerDetachSession; cmd++ {
		emit(float64(s.live.Requests[cmd]), cmd.String())
	}
	emit(float64(s.live.UnknownCommands), "unknown")
}

// fileMetrics are the figures of the open-file budget.
func fileMetrics() []metric {
	return []metric{
		gauge("weir_store_open_files", "Open trace and index files.", func(s *snapshot) float64 { return float64(s.files.Open) }),
		gauge("weir_store_open_files_limit", "Budget of open trace and index files.", func(s *snapshot) float64 { return float64(s.files.Limit) }),
		counter("weir_store_file_opens_total", "Files opened, again included.", func(s *snapshot) float64 { return float64(s.files.Opens) }),
		counter("weir_store_file_evictions_total", "Files closed to keep the budget.", func(s *snapshot) float64 { return float64(s.files.Evictions) }),
	}
}

// buildMetrics say which weir this is.
func buildMetrics(v version.Info) []metric {
	return []metric{{
		name: "weir_build_info", help: "Always 1; the labels say which weir this is.", labels: []string{"version", "revision", "go"},
		kind: prometheus.GaugeValue, values: func(_ *snapshot, emit emit) { emit(1, v.Version, v.Revision, v.Go) },
	}}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
