// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// leaseTime is how long a feed stays with a consumer that makes no request.
const leaseTime = 60 * time.Second

// lease is a consumer between two requests. Who has it shows its token.
type lease struct {
	// Immutable.
	token string
	feed  string // id
	name  string
	uid   uint32
	FeedConsumer

	batches uint64 // that were answered; owned by the request that is busy

	// Guarded by leases.mu.
	busy  bool // a request uses the consumer
	until time.Time
	timer *time.Timer
}

// leases are the feeds that consumers have who speak HTTP.
type leases struct {
	feeds Feeds
	log   *slog.Logger

	mu     sync.Mutex
	by     map[string]*lease // token → lease; guarded by mu
	closed bool              // guarded by mu
}

func newLeases(f Feeds, log *slog.Logger) *leases {
	return &leases{feeds: f, log: log, by: make(map[string]*lease)}
}

// take begins a request of a consumer: with a token one of the consumer that has it,
// without one the first of a new consumer. The lease is the request's until release.
func (s *leases) take(c feed.Caller, ref, token string, steal bool) (*lease, error) {
	if token == "" {
		n, err := s.feeds.Attach(c, ref, steal)
		if err != nil {
			return nil, feedProblem(err)
		}
		return s.add(c, n)
	}
	l, err := s.find(c, ref, token)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.Done(): // destroyed, reset or stolen
		err := l.Err()
		s.drop(l)
		return nil, feedProblem(err)
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.by[token] != l:
		return nil, lostLease(l.feed)
	case l.busy:
		return nil, problemf(codeFeedBusy, "feed %s: another request of this consumer is being answered", l.feed)
	}
	l.busy = true
	return l, nil
}

// find returns the lease of a token, if it is for this feed and this caller.
func (s *leases) find(c feed.Caller, ref, token string) (*lease, error) {
	info, err := s.feeds.Info(c, ref)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.by[token]
	switch {
	case err != nil && l != nil && l.uid == c.UID && (ref == l.feed || ref == l.name):
		return l, nil // a feed that is destroyed: its consumer tells so
	case err != nil:
		return nil, feedProblem(err)
	case l == nil || l.feed != info.ID || l.uid != c.UID:
		return nil, lostLease(info.ID)
	}
	return l, nil
}

// lostLease tells a consumer that it is none any more.
func lostLease(id string) error {
	return problemf(codeFeedBusy, "feed %s: no consumer has this token: its lease has ended, or the feed was taken; "+
		"what was not cancelled is given again to who reads without a token", id)
}

// add makes a lease of a new consumer, with the request under way.
func (s *leases) add(c feed.Caller, n FeedConsumer) (*lease, error) {
	info := n.Info()
	l := &lease{token: rand.Text(), feed: info.ID, name: info.Name, uid: c.UID, FeedConsumer: n, busy: true}
	l.timer = time.AfterFunc(leaseTime, func() { s.expire(l) })
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.by[l.token] = l
	}
	s.mu.Unlock()
	if closed {
		l.timer.Stop()
		_ = s.end(l, false) // it has logged it
		return nil, problemf(codeFeedStore, "the agent ends")
	}
	return l, nil
}

// release ends a request of a consumer, which keeps the feed for leaseTime.
func (s *leases) release(l *lease) {
	s.mu.Lock()
	l.busy, l.until = false, time.Now().Add(leaseTime)
	l.timer.Reset(leaseTime)
	closed := s.closed
	s.mu.Unlock()
	if closed {
		s.drop(l)
	}
}

// renew has a consumer keep the feed for leaseTime from now on. Who asks with a token
// that is none is told so.
func (s *leases) renew(c feed.Caller, ref, token string) error {
	l, err := s.find(c, ref, token)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[token] != l {
		return lostLease(l.feed)
	}
	if !l.busy {
		l.until = time.Now().Add(leaseTime)
		l.timer.Reset(leaseTime)
	}
	return nil
}

// expire takes the feed from a consumer that has made no request for leaseTime.
func (s *leases) expire(l *lease) {
	s.mu.Lock()
	late := s.by[l.token] != l || l.busy || time.Now().Before(l.until) // a request came just now
	if !late {
		delete(s.by, l.token)
	}
	s.mu.Unlock()
	if late {
		return
	}
	s.log.Info("feeds: lease has ended", "feed", l.feed, "uid", l.uid)
	_ = s.end(l, false) // it has logged it
}

// drop takes the feed from a consumer without cancelling anything.
func (s *leases) drop(l *lease) { _ = s.finish(l, false) } // end has logged it

// finish takes the feed from a consumer, whose request the caller is.
func (s *leases) finish(l *lease, commit bool) error {
	s.mu.Lock()
	mine := s.by[l.token] == l
	delete(s.by, l.token)
	s.mu.Unlock()
	l.timer.Stop()
	if !mine {
		return nil
	}
	return s.end(l, commit)
}

func (s *leases) end(l *lease, commit bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaseTime)
	defer cancel()
	err := l.Close(ctx, commit)
	if err != nil && !commit {
		s.log.Warn("feeds: consumer's end", "feed", l.feed, "err", err)
	}
	return err
}

// close takes all feeds back, those with a request under way at its end.
func (s *leases) close() {
	s.mu.Lock()
	s.closed = true
	var idle []*lease
	for token, l := range s.by {
		if !l.busy {
			delete(s.by, token)
			idle = append(idle, l)
		}
	}
	s.mu.Unlock()
	for _, l := range idle {
		l.timer.Stop()
		_ = s.end(l, false) // it has logged it
	}
}

// count is how many consumers speak HTTP.
func (s *leases) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.by)
}

// cancel cancels records for a consumer, or for its owner where there is none. It does
// not wait for a request that reads.
func (s *leases) cancel(ctx context.Context, c feed.Caller, ref, token string, through uint64) (uint64, error) {
	if token != "" {
		if err := s.renew(c, ref, token); err != nil {
			return 0, err
		}
		l, err := s.find(c, ref, token)
		if err != nil {
			return 0, err
		}
		n, err := l.Cancel(ctx, through)
		return n, feedProblem(err)
	}
	n, err := s.feeds.Attach(c, ref, false)
	if err != nil {
		return 0, feedProblem(err)
	}
	cancelled, err := n.Cancel(ctx, through)
	if cerr := n.Close(ctx, false); err == nil {
		err = cerr
	}
	return cancelled, feedProblem(err)
}

var _ FeedConsumer = (*feed.Consumer)(nil)

// readForm is the form of records in an answer.
func readForm(text string) (feedclient.Format, error) {
	f, err := feedclient.ParseFormat(text)
	if err != nil {
		return 0, problemf(codeFeedArgument, "%v", err)
	}
	return f, nil
}
