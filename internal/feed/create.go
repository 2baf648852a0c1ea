// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Create registers a feed.
func (m *Manager) Create(ctx context.Context, c Caller, o client.CreateOptions) (client.Info, error) {
	if err := admin(c, "creates persistent feeds"); err != nil {
		return client.Info{}, err
	}
	if err := checkKind(o.Kind, client.KindPersistent, "what lives as long as its reader is a tail"); err != nil {
		return client.Info{}, err
	}
	f, p, err := m.newFeed(c, o)
	if err != nil {
		return client.Info{}, err
	}
	s, err := m.watch(ctx, p, o.Index == indexDirs)
	if err != nil {
		return client.Info{}, err
	}
	defer m.joined(ctx, s)
	if err := m.register(ctx, f, s, o.Start); err != nil {
		return client.Info{}, err
	}
	return m.info(f), nil
}

// checkKind refuses to make a feed of another kind than is asked for.
func checkKind(got, want client.Kind, why string) error {
	if got == "" || got == want {
		return nil
	}
	return client.Errorf(client.CodeBadArgument, "kind %q: want %s: %s", got, want, why)
}

// newFeed makes a feed of options, which it checks.
func (m *Manager) newFeed(c Caller, o client.CreateOptions) (*feed, place, error) {
	if err := checkOptions(&o); err != nil {
		return nil, place{}, err
	}
	p, err := m.locate(o.Source)
	if err != nil {
		return nil, place{}, err
	}
	if o.Restricted && m.opts.Access == nil {
		return nil, place{}, client.Errorf(client.CodeBadArgument, "restricted: this agent cannot check what users may see")
	}
	f := &feed{source: p.id, name: o.Name, mode: o.Mode}
	f.doc = document{
		Name: o.Name, Dir: p.dir, Part: p.part, Mode: o.Mode, Mask: o.Mask, Filter: o.Filter, Owner: c.UID,
		Restricted: o.Restricted, ExpandMoves: true, Created: m.now(),
		AbortTimeout: client.Seconds(defaultAbortTimeout), AbortSize: defaultAbortSize, AbortBytes: defaultAbortBytes,
	}
	f.doc.take(&o)
	return f, p, f.compile()
}

// take takes over the options that are given.
func (d *document) take(o *client.CreateOptions) {
	if o.Owner != nil {
		d.Owner = *o.Owner
	}
	if o.AbortTimeout != nil {
		d.AbortTimeout = *o.AbortTimeout
	}
	if o.AbortSize != nil {
		d.AbortSize = *o.AbortSize
	}
	if o.AbortBytes != nil {
		d.AbortBytes = *o.AbortBytes
	}
	if o.AbortProduct != nil {
		d.AbortProduct = *o.AbortProduct
	}
	if o.ExpandMoves != nil {
		d.ExpandMoves = *o.ExpandMoves
	}
}

// feedName is what feeds may be called: not as an id is, and nothing that a shell or a
// path would take for something else.
var (
	feedName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	idName   = regexp.MustCompile(`^cl[0-9]+(-.*)?$`)
)

// checkOptions refuses what no feed can be like, and fills in defaults.
func checkOptions(o *client.CreateOptions) error {
	switch {
	case o.Name != "" && !feedName.MatchString(o.Name):
		return client.Errorf(client.CodeBadArgument, "name %q: want a letter, then letters, digits, - or _, 63 at most", o.Name)
	case idName.MatchString(o.Name):
		return client.Errorf(client.CodeBadArgument, "name %q: names of this form are ids", o.Name)
	case o.Mode == "batch":
		return client.Errorf(client.CodeBadArgument, "mode batch: AC_BATCH is not built; oneshot and explicit are")
	case o.Mode == "":
		o.Mode = client.ModeOneshot
	case o.Mode != client.ModeOneshot && o.Mode != client.ModeExplicit:
		return client.Errorf(client.CodeBadArgument, "mode %q: want oneshot or explicit", o.Mode)
	}
	if o.Index != "" && o.Index != indexFull && o.Index != indexDirs {
		return client.Errorf(client.CodeBadArgument, "index %q: want full or dirs", o.Index)
	}
	if o.AbortTimeout != nil && *o.AbortTimeout < 0 {
		return client.Errorf(client.CodeBadArgument, "abort_timeout %v: want 0 or more", time.Duration(*o.AbortTimeout))
	}
	return nil
}

// register gives a feed an id and a place in its journal.
func (m *Manager) register(ctx context.Context, f *feed, s *source, start string) error {
	id, err := m.store.NextFeed()
	if err != nil {
		return storeError(err)
	}
	f.id = id
	m.mu.Lock()
	first, err := m.admit(f)
	if err == nil {
		m.feeds[id] = f
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	if err := m.begin(ctx, f, s, start, first); err != nil {
		m.mu.Lock()
		delete(m.feeds, id)
		m.mu.Unlock()
		return err
	}
	m.log.Info("feed created", "feed", feedID(id), "name", f.name, "source", f.source.String())
	return nil
}

// admit checks what can be checked only among all feeds, and reports whether this is
// the first of its source. Manager.mu is held.
func (m *Manager) admit(f *feed) (first bool, err error) {
	of, byUser, transient := 0, 0, 0
	for _, other := range m.feeds {
		if f.name != "" && other.name == f.name {
			return false, client.Errorf(client.CodeExists, "feed %q exists, as %s", f.name, feedID(other.id))
		}
		if other.transient {
			transient++
			if other.owner() == f.doc.Owner {
				byUser++
			}
		} else if other.source == f.source {
			of++
		}
	}
	switch {
	case !f.transient && of >= maxFeeds:
		return false, client.Errorf(client.CodeLimit, "the source has %d feeds, which is the limit", maxFeeds)
	case f.transient && byUser >= maxTransientPerUser:
		return false, client.Errorf(client.CodeLimit, "user %d has %d transient feeds, which is the limit", f.doc.Owner, maxTransientPerUser)
	case f.transient && transient >= maxTransient:
		return false, client.Errorf(client.CodeLimit, "%d transient feeds are open, which is the limit", maxTransient)
	}
	return of == 0 && !f.transient, nil
}

// begin puts a feed to its place and has the source record what it asks for.
func (m *Manager) begin(ctx context.Context, f *feed, s *source, start string, first bool) error {
	if err := m.adjust(ctx, s); err != nil {
		return storeError(err)
	}
	if first {
		if _, err := s.Mark(ctx, changelog.Marker{Kind: changelog.MarkStart, Mask: f.selects.mask}); err != nil {
			return storeError(err)
		}
	}
	at, err := startAt(s, start)
	if err != nil {
		return err
	}
	return m.settle(ctx, f, func(s *state) { s.cancelled = at })
}

// settle puts a feed to the place that alter says, from where nothing was delivered yet.
func (m *Manager) settle(ctx context.Context, f *feed, alter func(*state)) error {
	err := m.change(ctx, f, func(s *state) error {
		alter(s)
		s.doc.Asked = s.cancelled
		return nil
	})
	f.mu.Lock()
	f.delivered = f.cancelled
	f.mu.Unlock()
	return err
}

// startAt is the last index that a new feed does not get.
func startAt(s *source, start string) (uint64, error) {
	first, last := s.Journal().Bounds()
	switch start {
	case "", "now":
		return last, nil
	case "oldest":
		return first - 1, nil
	}
	n, err := strconv.ParseUint(start, 10, 64)
	if err != nil || n+1 < first || n > last {
		return 0, client.Errorf(client.CodeBadArgument, "start %q: want now, oldest, or an index from %d to %d", start, first-1, last)
	}
	return n, nil
}

// Destroy removes a feed; its consumer is disconnected.
func (m *Manager) Destroy(ctx context.Context, c Caller, ref string) error {
	f, err := m.find(ref)
	if err != nil {
		return err
	}
	if err := admin(c, "destroys persistent feeds"); err != nil {
		return err
	}
	return m.remove(ctx, f)
}

// remove forgets a feed, and stops watching its source if it was the last.
func (m *Manager) remove(ctx context.Context, f *feed) error {
	f.detach(client.Errorf(client.CodeNotFound, "feed %s was destroyed", feedID(f.id)))
	if err := m.forget(ctx, f); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.feeds, f.id)
	s := m.sources[f.source]
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	return m.part(ctx, s)
}

// Reset has a feed begin anew: from now on, or from the oldest record that is kept.
// That it misses records stands before the first.
func (m *Manager) Reset(ctx context.Context, c Caller, ref, from string, rescan bool) (client.Info, error) {
	f, err := m.owned(c, ref)
	if err != nil {
		return client.Info{}, err
	}
	s := m.sourceOf(f)
	if s == nil {
		return client.Info{}, client.Errorf(client.CodeStore, "feed %s: its source is not watched now", feedID(f.id))
	}
	at, err := startAt(s, from)
	if err != nil {
		return client.Info{}, err
	}
	if err := m.restart(ctx, f, at); err != nil {
		return client.Info{}, err
	}
	if rescan {
		if err := s.Rescan(ctx); err != nil {
			return client.Info{}, storeError(err)
		}
	}
	return m.info(f), nil
}

// restart puts a feed to a place, with a gap before it.
func (m *Manager) restart(ctx context.Context, f *feed, at uint64) error {
	f.detach(client.Errorf(client.CodeAborted, "feed %s was reset", feedID(f.id)))
	return m.settle(ctx, f, func(s *state) {
		if at > s.cancelled || s.doc.Aborted != nil {
			s.doc.Skipped = &client.Abort{Reason: changelog.GapReset, First: s.cancelled + 1, Last: at, Since: m.now()}
			f.skipped(at)
			s.doc.Gaps, s.doc.LastGap = f.gaps, f.lastGap
		}
		s.doc.Aborted, s.doc.Told, s.doc.Purged, s.doc.Warned = nil, false, false, ""
		s.cancelled = at
		s.doc.LastCancel = m.now()
	})
}

// Set changes a feed's limits, filter or owner; the filter counts from the next record
// on that is read.
func (m *Manager) Set(ctx context.Context, c Caller, ref string, o client.CreateOptions) (client.Info, error) {
	f, err := m.owned(c, ref)
	if err != nil {
		return client.Info{}, err
	}
	if err := admin(c, "changes persistent feeds"); err != nil {
		return client.Info{}, err
	}
	var selects selection
	err = m.change(ctx, f, func(s *state) error {
		s.doc.take(&o)
		if o.Filter != nil {
			s.doc.Filter = o.Filter
			if string(o.Filter) == "null" {
				s.doc.Filter = nil
			}
		}
		var err error
		selects, err = compile(s.doc.Mask, s.doc.Part, s.doc.Filter)
		return err
	})
	if err != nil {
		return client.Info{}, err
	}
	f.mu.Lock()
	f.selects = selects
	f.mu.Unlock()
	return m.info(f), nil
}

// String tells what a place is called to people.
func (p place) String() string {
	if p.part == "." {
		return p.dir
	}
	return fmt.Sprintf("%s of %s", filepath.Join(p.dir, p.part), p.dir)
}
