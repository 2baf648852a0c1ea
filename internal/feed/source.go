// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// source is a file system that is watched for feeds.
type source struct {
	*capture.Source

	dir     string
	stop    context.CancelFunc
	ended   chan struct{} // closed when it is watched no more
	trimmed uint64        // owned by upkeep
	scrub   time.Time     // when it is compared with its disk; owned by upkeep

	joining int  // calls that are about to give it a feed; guarded by Manager.mu
	leaving bool // nobody may join any more; guarded by Manager.mu
}

// place is what a caller names as a source: a file system, and the part of it that is
// meant, "." for all.
type place struct {
	id   journal.UUID
	dir  string
	part string
}

// locate finds the file system that a directory or a UUID names.
func (m *Manager) locate(text string) (place, error) {
	if id, ok := parseUUID(text); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		if s := m.sources[id]; s != nil {
			return place{id, s.dir, "."}, nil
		}
		return place{}, client.Errorf(client.CodeNotFound, "source %s: no file system with this UUID is watched; name the directory", text)
	}
	if !filepath.IsAbs(text) {
		return place{}, client.Errorf(client.CodeBadArgument, "source %q: want an absolute path or a UUID", text)
	}
	mount, part, err := fanotify.MountOf(text)
	if err != nil {
		return place{}, client.Errorf(client.CodeNotFound, "source: %v", err)
	}
	id, _, err := capture.Identify(mount.Dir)
	if err != nil {
		return place{}, unsupported(err)
	}
	dir := mount.Dir
	if mount.Root != "/" {
		// A directory of the file system is mounted there. What is told of the rest could
		// not be placed: all of it is looked for.
		whole, found := capture.Find(id, dir)
		if !found {
			return place{}, unsupported(&fanotify.UnsupportedError{
				Feature: fmt.Sprintf("%s is %s of a file system that is not mounted as a whole (mount that somewhere, too)", dir, mount.Root),
				Err:     errors.ErrUnsupported,
			})
		}
		dir, part = whole, filepath.Join(strings.TrimPrefix(mount.Root, "/"), part)
	}
	return place{id, dir, part}, nil
}

// unsupported tells a caller what the kernel or the file system lacks.
func unsupported(err error) error {
	var lacks *fanotify.UnsupportedError
	if errors.As(err, &lacks) {
		return client.Errorf(client.CodeUnsupported, "%v", err)
	}
	return storeError(err)
}

// parseUUID parses a UUID with or without its dashes.
func parseUUID(text string) (id journal.UUID, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(id) {
		return id, false
	}
	return journal.UUID(b), true
}

// revive watches a source of which the store has feeds, where it was watched last.
func (m *Manager) revive(ctx context.Context, id journal.UUID) error {
	j, err := m.store.Open(id)
	if err != nil {
		return err
	}
	dir, err := j.Meta(metaDir)
	if err != nil || dir == nil {
		return fmt.Errorf("where it was mounted is not known: %w", err)
	}
	dirs, err := j.Meta(metaIndex)
	if err != nil {
		return err
	}
	at, found := capture.Find(id, string(dir))
	if !found {
		return fmt.Errorf("it is not mounted (last at %s)", dir)
	}
	s, err := m.enter(ctx, place{id: id, dir: at}, string(dirs) == indexDirs)
	if err == nil {
		m.joined(ctx, s)
	}
	return err // its index becomes whole by and by: limits of feeds are kept meanwhile
}

// Values that a journal keeps for the manager.
const (
	metaDir   = "dir"   // where the file system was mounted
	metaIndex = "index" // what the index has
)

// What an index has.
const (
	indexFull = "full"
	indexDirs = "dirs"
)

// watch returns the source of a file system, which is watched from now on at the
// latest. Its index is whole when this returns. It stays until the caller has called
// joined.
func (m *Manager) watch(ctx context.Context, p place, dirs bool) (*source, error) {
	s, err := m.enter(ctx, p, dirs)
	if err != nil {
		return nil, err
	}
	if err := s.Ready(ctx); err != nil {
		m.joined(ctx, s)
		return nil, storeError(err)
	}
	return s, nil
}

// enter is watch that does not wait for the index.
func (m *Manager) enter(ctx context.Context, p place, dirs bool) (*source, error) {
	s, err := m.join(ctx, p)
	if s == nil && err == nil {
		s, err = m.open(ctx, p, dirs)
	}
	return s, err
}

// join returns a source that is watched already, nil if there is none. What is being
// left is waited for.
func (m *Manager) join(ctx context.Context, p place) (*source, error) {
	for {
		m.mu.Lock()
		s, full, run := m.sources[p.id], len(m.sources) >= maxSources, m.ctx
		left := s != nil && s.leaving
		if s != nil && !left {
			s.joining++
		}
		m.mu.Unlock()
		switch {
		case left:
			select {
			case <-s.ended:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		case s != nil:
			return s, nil
		case full:
			return nil, client.Errorf(client.CodeLimit, "source %s: %d are watched, which is the limit", p.dir, maxSources)
		case run == nil: // it is asked while it starts
			select {
			case <-m.started:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		default:
			return nil, nil
		}
	}
}

// open begins to watch a file system.
func (m *Manager) open(ctx context.Context, p place, dirs bool) (*source, error) {
	m.opening.Lock() // two calls would both write the journal
	defer m.opening.Unlock()
	if s, err := m.join(ctx, p); s != nil || err != nil {
		return s, err
	}
	c, err := capture.Open(ctx, capture.Options{
		Dir: p.dir, Store: m.store, Holder: m.opts.Holder, Log: m.log, Dirs: dirs,
		Job: m.opts.Job, MtimeInterval: m.opts.MtimeInterval, Skip: m.opts.StoreDir,
	})
	if err != nil {
		return nil, unsupported(err)
	}
	m.mu.Lock()
	sctx, stop := context.WithCancel(m.ctx)
	s := &source{Source: c, dir: p.dir, stop: stop, ended: make(chan struct{}), joining: 1, scrub: m.now().Add(m.opts.Scrub)}
	m.sources[p.id] = s
	m.running.Go(func() { m.run(sctx, s) })
	m.mu.Unlock()
	index := indexFull
	if dirs {
		index = indexDirs
	}
	if err := s.Note(ctx, map[string]string{metaDir: p.dir, metaIndex: index}); err != nil {
		m.joined(ctx, s)
		return nil, storeError(err)
	}
	return s, nil
}

// joined ends what watch has begun: the source has its feed, or will not get it.
func (m *Manager) joined(ctx context.Context, s *source) {
	m.mu.Lock()
	s.joining--
	m.mu.Unlock()
	if err := m.part(context.WithoutCancel(ctx), s); err != nil {
		m.log.Warn("source without feeds is not left", "source", s.UUID().String(), "error", err)
	}
}

// part has a source record what its feeds still ask for, and stops watching it if there
// are none.
func (m *Manager) part(ctx context.Context, s *source) error {
	m.mu.Lock()
	needed := s.joining > 0 || s.leaving || m.sources[s.UUID()] != s
	for _, f := range m.feeds {
		needed = needed || f.source == s.UUID()
	}
	s.leaving = s.leaving || !needed
	m.mu.Unlock()
	if needed {
		return storeError(m.adjust(ctx, s))
	}
	return storeError(m.leave(ctx, s))
}

// run watches a source until it is stopped.
func (m *Manager) run(ctx context.Context, s *source) {
	defer close(s.ended)
	if err := s.Run(ctx); err != nil {
		m.log.Error("source is watched no more", "source", s.UUID().String(), "dir", s.dir, "error", err)
	}
	m.mu.Lock()
	delete(m.sources, s.UUID())
	m.mu.Unlock()
}

// leave stops watching a source that no feed reads any more.
func (m *Manager) leave(ctx context.Context, s *source) error {
	_, err := s.Mark(ctx, changelog.Marker{Kind: changelog.MarkFini})
	s.stop()
	<-s.ended
	return errors.Join(err, s.Forget())
}

// adjust has a source record what its feeds ask for.
func (m *Manager) adjust(ctx context.Context, s *source) error {
	var mask changelog.Mask
	m.mu.Lock()
	for _, f := range m.feeds {
		if f.source == s.UUID() {
			f.mu.Lock()
			mask |= f.selects.mask
			f.mu.Unlock()
		}
	}
	m.mu.Unlock()
	return s.SetMask(ctx, mask)
}

// sourceOf returns the source of a feed, nil if it is not watched.
func (m *Manager) sourceOf(f *feed) *source {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sources[f.source]
}

// Sources tells of all that are watched.
func (m *Manager) Sources(c Caller) ([]capture.Status, error) {
	if err := admin(c, "lists what is watched"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]capture.Status, 0, len(m.sources))
	for _, s := range m.sources {
		all = append(all, s.Status())
	}
	return all, nil
}

// Source tells of one that is watched.
func (m *Manager) Source(c Caller, text string) (capture.Status, error) {
	if err := admin(c, "is told of what is watched"); err != nil {
		return capture.Status{}, err
	}
	s, err := m.watched(text)
	if err != nil {
		return capture.Status{}, err
	}
	return s.Status(), nil
}

// Rescan compares a source with its disk and returns when that is done.
func (m *Manager) Rescan(ctx context.Context, c Caller, text string) error {
	if err := admin(c, "has a file system scanned"); err != nil {
		return err
	}
	s, err := m.watched(text)
	if err != nil {
		return err
	}
	return storeError(s.Rescan(ctx))
}

// watched finds a source that is watched.
func (m *Manager) watched(text string) (*source, error) {
	p, err := m.locate(text)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sources[p.id]; s != nil {
		return s, nil
	}
	return nil, client.Errorf(client.CodeNotFound, "source %s: it is not watched; no feed has it", text)
}

// Paths returns the names of an object, from the root of the source: all, or those that
// the caller could see by himself.
func (m *Manager) Paths(ctx context.Context, c Caller, text string, f changelog.FID) ([]string, error) {
	if err := m.reach(c, text); err != nil {
		return nil, err
	}
	s, err := m.watched(text)
	if err != nil {
		return nil, err
	}
	if c.Admin {
		paths, err := s.Paths(ctx, f)
		return paths, storeError(err)
	}
	v, err := m.opts.Access.View(c, Scene{Source: s.UUID(), Dir: s.dir, Index: s.Journal()})
	if err != nil {
		return nil, client.Errorf(client.CodeDenied, "source %s: %v", text, err)
	}
	defer v.Close()
	paths, err := v.Paths(f)
	return paths, storeError(err)
}
