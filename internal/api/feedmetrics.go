// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/capture"
)

// sourceMetrics are the figures of the file systems that are watched.
func sourceMetrics() []metric {
	of := func(kind prometheus.ValueType, name, help string, read func(s *capture.Status) float64) metric {
		return metric{name: name, help: help, kind: kind, labels: []string{"source"}, values: func(s *snapshot, emit emit) {
			for i := range s.watched {
				emit(read(&s.watched[i]), s.watched[i].UUID)
			}
		}}
	}
	by := func(name, help, label string, read func(s *capture.Status) map[string]uint64) metric {
		return metric{name: name, help: help, kind: prometheus.CounterValue, labels: []string{"source", label}, values: func(s *snapshot, emit emit) {
			for i := range s.watched {
				counts := read(&s.watched[i])
				for _, key := range slices.Sorted(maps.Keys(counts)) {
					emit(float64(counts[key]), s.watched[i].UUID, key)
				}
			}
		}}
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return []metric{
		{
			name: "weir_feed_source_info", help: "Always 1; the labels say which file system it is.", labels: []string{"source", "dir", "kind"},
			kind: gauge, values: func(s *snapshot, emit emit) {
				for i := range s.watched {
					emit(1, s.watched[i].UUID, s.watched[i].Dir, s.watched[i].Kind)
				}
			},
		},
		{
			name: "weir_feed_source_state", help: "1 for the state that the source is in: active, absent (not mounted) or stalled (its journal cannot be written).",
			labels: []string{"source", "state"}, kind: gauge, values: sourceStates,
		},
		of(counter, "weir_feed_source_events_total", "Events read from the kernel.", func(s *capture.Status) float64 { return float64(s.Events) }),
		by("weir_feed_source_records_total", "Records by type.", "type", func(s *capture.Status) map[string]uint64 { return s.Records }),
		of(counter, "weir_feed_source_merged_total", "Records of which the kernel had folded several operations into one event.", func(s *capture.Status) float64 { return float64(s.Merged) }),
		of(counter, "weir_feed_source_synthetic_total", "Records made by a look-up or a scan.", func(s *capture.Status) float64 { return float64(s.Synth) }),
		of(counter, "weir_feed_source_known_total", "Events that told nothing new.", func(s *capture.Status) float64 { return float64(s.Seen) }),
		of(counter, "weir_feed_source_dropped_total", "Records of contents that changed again within the interval for those.", func(s *capture.Status) float64 { return float64(s.Dropped) }),
		of(counter, "weir_feed_source_lookups_total", "Names looked up on the disk.", func(s *capture.Status) float64 { return float64(s.Lookups) }),
		by("weir_feed_source_gaps_total", "Gaps by reason.", "reason", func(s *capture.Status) map[string]uint64 { return s.GapReasons }),
		by("weir_feed_source_attributed_total", "Records by how it was found who did it.", "by", func(s *capture.Status) map[string]uint64 { return s.By }),
		of(gauge, "weir_feed_source_unread_events", "Events waiting in the kernel.", func(s *capture.Status) float64 { return float64(s.Unread) }),
		of(counter, "weir_feed_source_commits_total", "Commits to the journal.", func(s *capture.Status) float64 { return float64(s.Commits) }),
		of(counter, "weir_feed_source_commit_seconds_total", "Time that commits took.", func(s *capture.Status) float64 { return s.Commit.Seconds() }),
		of(gauge, "weir_feed_source_scanning", "1 while the file system is compared with what is known of it.", func(s *capture.Status) float64 { return truth(s.Scanning) }),
		of(counter, "weir_feed_source_scans_total", "Scans of the file system that were begun.", func(s *capture.Status) float64 { return float64(s.Scans) }),
		of(counter, "weir_feed_source_scanned_entries_total", "Entries that ended scans have looked at.", func(s *capture.Status) float64 { return float64(s.Scanned) }),
		of(counter, "weir_feed_source_scan_seconds_total", "Time that ended scans took.", func(s *capture.Status) float64 { return s.ScanTime.Seconds() }),
		of(gauge, "weir_feed_source_first_record", "Index of the first record that the journal has.", func(s *capture.Status) float64 { return float64(s.First) }),
		of(gauge, "weir_feed_source_last_record", "Index of the last record.", func(s *capture.Status) float64 { return float64(s.Last) }),
		of(gauge, "weir_feed_source_journal_bytes", "Bytes of the journal's records, about.", func(s *capture.Status) float64 { return float64(s.Bytes) }),
	}
}

// sourceStates emits a value for each state that a source may be in.
func sourceStates(s *snapshot, emit emit) {
	for i := range s.watched {
		for _, state := range []string{capture.StateActive, capture.StateAbsent, capture.StateStalled} {
			emit(truth(s.watched[i].State == state), s.watched[i].UUID, state)
		}
	}
}

// feedMetrics are the figures of feeds.
func feedMetrics() []metric {
	return append([]metric{
		{name: "weir_feed_feeds", help: "Feeds by kind: persistent or transient.", labels: []string{"kind"}, kind: prometheus.GaugeValue, values: feedKinds},
		gaugeOf("weir_feed_store_open", "1 while feeds are served; 0 while their store cannot be opened.", func(s *snapshot) float64 { return truth(s.feedsServed) }),
		gaugeOf("weir_feed_http_consumers", "Consumers of feeds that speak HTTP.", func(s *snapshot) float64 { return float64(s.consumers) }),
		gaugeOf("weir_feed_http_streams", "Feeds being written to clients as streams.", func(s *snapshot) float64 { return float64(s.feedStreams) }),
	}, eachFeedMetrics()...)
}

// eachFeedMetrics are the figures of every persistent feed.
func eachFeedMetrics() []metric {
	of := func(kind prometheus.ValueType, name, help string, read func(i *feedclient.Info) float64) metric {
		return metric{name: name, help: help, kind: kind, labels: []string{"feed", "name"}, values: func(s *snapshot, emit emit) {
			for n := range s.feeds {
				if i := &s.feeds[n]; i.Kind != feedclient.KindTransient {
					emit(read(i), i.ID, i.Name)
				}
			}
		}}
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return []metric{
		of(gauge, "weir_feed_first_record", "Index of the first record that is not cancelled; 0: none.", func(i *feedclient.Info) float64 { return float64(i.First) }),
		of(gauge, "weir_feed_last_record", "Index of the journal's last record.", func(i *feedclient.Info) float64 { return float64(i.Last) }),
		of(gauge, "weir_feed_available_records", "Records that the feed's next read could give, before the filter.", func(i *feedclient.Info) float64 { return float64(i.Available) }),
		of(gauge, "weir_feed_uncancelled_records", "Records that are kept for the feed: those that it has not cancelled.", uncancelled),
		of(gauge, "weir_feed_available_bytes", "Bytes of the journal from the first record that is not cancelled.", func(i *feedclient.Info) float64 { return float64(i.Bytes) }),
		of(gauge, "weir_feed_held_records", "Records that were delivered and are not cancelled.", func(i *feedclient.Info) float64 {
			if i.Consumer == nil {
				return 0
			}
			return float64(i.Consumer.Held)
		}),
		of(gauge, "weir_feed_consumers", "1 while somebody reads the feed.", func(i *feedclient.Info) float64 { return truth(i.Consumer != nil) }),
		of(gauge, "weir_feed_aborted", "1 while the feed is given up.", func(i *feedclient.Info) float64 { return truth(i.Aborted != nil) }),
		{
			name: "weir_feed_uncancelled_seconds", help: "Time since the last cancel, or the creation, of a feed with records that are not cancelled; else 0.",
			labels: []string{"feed", "name"}, kind: gauge, values: uncancelledSeconds,
		},
		of(counter, "weir_feed_batches_total", "Batches delivered since the start.", func(i *feedclient.Info) float64 { return float64(i.Batches) }),
		of(counter, "weir_feed_records_total", "Records delivered since the start, repeated ones included.", func(i *feedclient.Info) float64 { return float64(i.Records) }),
		of(counter, "weir_feed_cancels_total", "Cancels since the start.", func(i *feedclient.Info) float64 { return float64(i.Cancels) }),
		of(counter, "weir_feed_aborts_total", "Times that the feed was given up since the start.", func(i *feedclient.Info) float64 { return float64(i.Aborts) }),
	}
}

// feedKinds emits how many feeds there are of each kind.
func feedKinds(s *snapshot, emit emit) {
	transient := 0
	for i := range s.feeds {
		if s.feeds[i].Kind == feedclient.KindTransient {
			transient++
		}
	}
	emit(float64(len(s.feeds)-transient), "persistent")
	emit(float64(transient), "transient")
}

// uncancelled is how many records are kept for a feed.
func uncancelled(i *feedclient.Info) float64 {
	if i.First == 0 {
		return 0
	}
	return float64(i.Last + 1 - i.First)
}

// uncancelledSeconds emits the age of what feeds have not cancelled. It is known by the last
// cancel: records older than that are no news to the consumer.
func uncancelledSeconds(s *snapshot, emit emit) {
	for n := range s.feeds {
		i := &s.feeds[n]
		if i.Kind == feedclient.KindTransient {
			continue
		}
		since := i.Created
		if i.LastCancel.After(since) {
			since = i.LastCancel
		}
		if i.First == 0 {
			since = s.now
		}
		emit(max(s.now.Sub(since).Seconds(), 0), i.ID, i.Name)
	}
}

// gaugeOf is gauge, whose name a function here has taken.
func gaugeOf(name, help string, read func(s *snapshot) float64) metric {
	return gauge(name, help, read)
}
