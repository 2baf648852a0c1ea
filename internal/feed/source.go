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
	if mount.Root != "/" {
		part = filepath.Join(strings.TrimPrefix(mount.Root, "/"), part)
	}
	return place{id, mount.Dir, part}, nil
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
	_, err = m.watch(ctx, place{id: id, dir: at}, string(dirs) == indexDirs)
	return err
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
// latest. Its index is whole when this returns.
func (m *Manager) watch(ctx context.Context, p place, dirs bool) (*source, error) {
	m.mu.Lock()
	s, full, run := m.sources[p.id], len(m.sources) >= maxSources, m.ctx
	m.mu.Unlock()
	if s != nil {
		return s, storeError(s.Ready(ctx))
	}
	switch {
	case full:
		return nil, client.Errorf(client.CodeLimit, "source %s: %d are watched, which is the limit", p.dir, maxSources)
	case run == nil:
		return nil, client.Errorf(client.CodeStore, "source %s: the agent does not run yet", p.dir)
	}
	c, err := capture.Open(ctx, capture.Options{
		Dir: p.dir, Store: m.store, Holder: m.opts.Holder, Log: m.log, Dirs: dirs,
		Job: m.opts.Job, MtimeInterval: m.opts.MtimeInterval,
	})
	if err != nil {
		return nil, unsupported(err)
	}
	sctx, stop := context.WithCancel(run)
	s = &source{Source: c, dir: p.dir, stop: stop, ended: make(chan struct{})}
	m.mu.Lock()
	if other := m.sources[p.id]; other != nil { // another call was faster
		m.mu.Unlock()
		stop()
		return other, storeError(errors.Join(c.Run(sctx), other.Ready(ctx)))
	}
	m.sources[p.id] = s
	m.mu.Unlock()
	m.running.Go(func() { m.run(sctx, s) })
	if err := s.Ready(ctx); err != nil {
		return nil, storeError(err)
	}
	index := indexFull
	if dirs {
		index = indexDirs
	}
	return s, storeError(s.Note(ctx, map[string]string{metaDir: p.dir, metaIndex: index}))
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
func (m *Manager) Sources() []capture.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]capture.Status, 0, len(m.sources))
	for _, s := range m.sources {
		all = append(all, s.Status())
	}
	return all
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

// Paths returns all names of an object, from the root of the source.
func (m *Manager) Paths(ctx context.Context, c Caller, text string, f changelog.FID) ([]string, error) {
	s, err := m.watched(text)
	if err != nil {
		return nil, err
	}
	if !c.Admin {
		return nil, admin(c, "has objects resolved")
	}
	paths, err := s.Paths(ctx, f)
	return paths, storeError(err)
}
