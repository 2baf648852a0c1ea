// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Options are what a manager needs.
type Options struct {
	Store  journal.Store
	Holder capture.Holder // nil: events are lost while no agent runs
	Log    *slog.Logger
	Now    func() time.Time // default: time.Now
	// Job says what records name as the job of a process.
	Job           capture.JobID
	MtimeInterval time.Duration
	Access        Access // nil: restricted feeds are refused
	// NID is the client that all changes of local file systems come from: this host; zero:
	// none is told.
	NID      changelog.NID
	StoreDir string // of the store, of which nothing is told; empty: it is in memory
	Space    Space  // nil: the disk is not looked at
	// Scrub is how often a source is compared with its disk though nothing was missed; 0:
	// never.
	Scrub time.Duration
}

// Limits of an agent.
const (
	maxSources          = 32
	maxFeeds            = 256 // persistent, of a source
	maxTransient        = 64
	maxTransientPerUser = 4
)

// Manager owns sources and feeds. Its methods may be called from several goroutines.
type Manager struct {
	// Static after New.
	store journal.Store
	opts  Options
	log   *slog.Logger
	now   func() time.Time
	// started is closed by Run.
	started chan struct{}

	mu      sync.Mutex
	sources map[journal.UUID]*source // guarded by mu
	feeds   map[uint32]*feed         // guarded by mu
	ctx     context.Context          // of Run; nil before; guarded by mu
	running sync.WaitGroup           // sources
	crowded float64                  // of what the store may take of the disk, as of the last look; guarded by mu

	// opening is held while a file system comes to be watched, which is when its index is
	// read or made. It is taken before the other locks.
	opening sync.Mutex
}

// New returns a manager of what a store has.
func New(o Options) (*Manager, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Manager{
		store: o.Store, opts: o, log: o.Log, now: o.Now,
		sources: map[journal.UUID]*source{}, feeds: map[uint32]*feed{}, started: make(chan struct{}),
	}
	stored, err := o.Store.Feeds()
	if err != nil {
		return nil, err
	}
	for _, s := range stored {
		f, err := m.restore(s)
		if err != nil {
			return nil, fmt.Errorf("feed cl%d: %w", s.ID, err)
		}
		m.feeds[s.ID] = f
	}
	return m, nil
}

// Run watches the sources of all feeds and keeps the feeds within their limits, until
// the end of ctx, whose cause consumers are told.
func (m *Manager) Run(ctx context.Context) error {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.mu.Lock()
	m.ctx = ctx
	close(m.started)
	var ids []journal.UUID
	for _, f := range m.feeds {
		if !slices.Contains(ids, f.source) {
			ids = append(ids, f.source)
		}
	}
	m.mu.Unlock()
	for _, id := range ids {
		if err := m.revive(ctx, id); err != nil {
			m.log.Error("source is not watched", "source", id.String(), "error", err)
		}
	}
	m.upkeep(ctx)
	m.detachAll(context.Cause(outer))
	m.running.Wait()
	return nil
}

// Caller is who asks.
type Caller struct {
	UID, GID uint32
	Groups   []uint32
	PID      int
	Admin    bool // root, or of the group that may do everything
	// Feeds are those that it may read and cancel beside its own, by id or name.
	Feeds []string
}

// owns reports whether a caller may read and cancel a feed.
func (c *Caller) owns(f *feed) bool {
	return c.Admin || c.UID == f.owner() || slices.ContainsFunc(c.Feeds, f.is)
}

// find returns a feed by its id, its name, or both as in "cl1-audit".
func (m *Manager) find(ref string) (*feed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		if f.is(ref) {
			return f, nil
		}
	}
	return nil, client.Errorf(client.CodeNotFound, "feed %q: there is none", ref)
}

// is reports whether a text names the feed.
func (f *feed) is(ref string) bool {
	id := feedID(f.id)
	return ref == id || f.name != "" && (ref == f.name || ref == id+"-"+f.name)
}

func feedID(id uint32) string { return "cl" + strconv.FormatUint(uint64(id), 10) }

// List tells of the feeds that a caller may see.
func (m *Manager) List(c Caller) []client.Info {
	m.mu.Lock()
	feeds := make([]*feed, 0, len(m.feeds))
	for _, f := range m.feeds {
		if c.owns(f) {
			feeds = append(feeds, f)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(feeds, func(a, b *feed) int { return int(a.id) - int(b.id) })
	infos := make([]client.Info, len(feeds))
	for i, f := range feeds {
		infos[i] = m.info(f)
	}
	return infos
}

// Info tells of one feed.
func (m *Manager) Info(c Caller, ref string) (client.Info, error) {
	f, err := m.owned(c, ref)
	if err != nil {
		return client.Info{}, err
	}
	return m.info(f), nil
}

// FIFOs are the named pipes that feeds are written to.
func (m *Manager) FIFOs() (all []client.FIFORequest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		f.mu.Lock()
		if r := f.doc.FIFO; r != nil {
			all = append(all, client.FIFORequest{Feed: feedID(f.id), Path: r.Path, Format: r.Format})
		}
		f.mu.Unlock()
	}
	return all
}

// KeepFIFO stores which named pipe a feed is written to, nil for none, so that the next
// agent makes it, too.
func (n *Consumer) KeepFIFO(ctx context.Context, r *client.FIFORequest) error {
	return n.m.change(ctx, n.f, func(s *state) error {
		s.doc.FIFO = r
		return nil
	})
}

// owned finds a feed for someone who may read and cancel it.
func (m *Manager) owned(c Caller, ref string) (*feed, error) {
	f, err := m.find(ref)
	if err != nil {
		return nil, err
	}
	if !c.owns(f) {
		return nil, client.Errorf(client.CodeDenied, "feed %q: it is user %d's, and you are user %d", ref, f.owner(), c.UID)
	}
	return f, nil
}

// admin refuses those who may not do everything.
func admin(c Caller, does string) error {
	if c.Admin {
		return nil
	}
	return client.Errorf(client.CodeDenied, "user %d: only root, or a member of the group weir, %s", c.UID, does)
}

// storeError tells a caller that the store failed.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	var known *client.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return client.Errorf(client.CodeStore, "%s", strings.TrimSpace(err.Error()))
}
