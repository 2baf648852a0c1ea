// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"time"

	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/tracestore"
)

// snapshot is what all services say at one time.
type snapshot struct {
	counters  *tracestore.Counters
	retention tracestore.RetentionStats
	files     fdpool.Stats
	relay     RelayStats
	live      LiveStats
	metadata  MetadataStats
	hop       HopStats
	ships     []ShipStats

	sessions   int
	streams    int
	producers  int           // parts of sessions
	discarded  uint64        // events, of the open streams
	lag        time.Duration // longest silence of a session that has sent something
	heard      bool          // there is such a session
	short      bool
	space      tracestore.Space
	spaceKnown bool
	archives   int

	feedsServed bool // their store is open
	feeds       []feedclient.Info
	watched     []capture.Status
	consumers   int // of feeds, that speak HTTP
	feedStreams int64
	now         time.Time
}

func (a *API) snapshot() *snapshot {
	s := &snapshot{}
	if a.opts.Store != nil {
		s = a.storeSnapshot()
	}
	if a.opts.Feeds != nil {
		all := feed.Caller{Admin: true}
		var err error
		s.feeds, err = a.opts.Feeds.List(all)
		s.feedsServed = err == nil
		s.watched, _ = a.opts.Feeds.Sources(all) // who may see all is not refused for another reason
		s.now = a.opts.Now()
		s.consumers, s.feedStreams = a.leases.count(), a.streams.Load()
	}
	return s
}

// storeSnapshot is what a hub's services say.
func (a *API) storeSnapshot() *snapshot {
	s := &snapshot{
		counters: a.opts.Store.Counters(), retention: a.opts.Retention.Stats(),
		streams: a.opts.Store.StreamCount(), short: a.opts.Store.ShortOfSpace(), archives: len(a.archives),
	}
	if a.opts.Files != nil {
		s.files = a.opts.Files()
	}
	s.relay, _ = a.opts.relay()
	s.live, _ = a.opts.live()
	if a.opts.Hop != nil {
		s.hop = a.opts.Hop()
	}
	if a.opts.Ships != nil {
		s.ships = a.opts.Ships()
	}
	if a.opts.Metadata != nil {
		s.metadata = a.opts.Metadata()
	}
	if space, err := a.opts.Catalog.Space(); err == nil {
		s.space, s.spaceKnown = space, true
	}
	s.addSessions(a.opts.Store.Sessions(), a.opts.Now())
	return s
}

// addSessions adds up the open sessions: labels for each would be without
// bound.
func (s *snapshot) addSessions(open []*tracestore.Session, now time.Time) {
	dirs := make(map[string]bool, len(open))
	for _, ss := range open {
		s.producers++
		if dir := ss.Dir(); dir == "" || !dirs[dir] {
			dirs[dir] = true
			s.sessions++
		}
		var newest time.Time
		for _, st := range ss.Streams() {
			stats := st.Stats()
			s.discarded += stats.EventsDiscarded.Load()
			if at := arrival(stats); at.After(newest) {
				newest = at
			}
		}
		if !newest.IsZero() {
			s.heard = true
			s.lag = max(s.lag, now.Sub(newest))
		}
	}
}
