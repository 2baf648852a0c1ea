// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// forgetting takes what is lost below a directory out of the state, as where others have
// removed it from the target. It may be very much: each part of it is committed at once, and
// no directory before what is in it. After a crash the rest is found at the same name.
type forgetting struct {
	state *state
	batch journal.Batch
	names int                   // in the batch
	taken map[changelog.FID]int // names that the batch takes from an object
}

// forgetTree forgets an object, which has no name, and what is below it. Objects below that
// have names elsewhere keep those.
func (s *state) forgetTree(ctx context.Context, f changelog.FID) error {
	g := &forgetting{state: s, taken: map[changelog.FID]int{}}
	g.batch.Reset(s.next())
	if err := g.below(ctx, f); err != nil {
		return err
	}
	s.setCopy(f, "")
	return g.apply(ctx)
}

// below forgets what is in a directory; a file has nothing.
func (g *forgetting) below(ctx context.Context, dir changelog.FID) error {
	s := g.state
	for _, n := range s.within[dir] {
		if err := g.forgetNew(ctx, name{dir, n}); err != nil {
			return err
		}
	}
	for after := ""; ; {
		names, err := s.childrenAfter(dir, after, chunk)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := g.forgetOld(ctx, name{dir, n}); err != nil {
				return err
			}
		}
		if len(names) < chunk {
			return nil
		}
		after = names[len(names)-1]
	}
}

// forgetNew forgets a name that was not committed yet.
func (g *forgetting) forgetNew(ctx context.Context, n name) error {
	s := g.state
	f := s.names[n]
	if f.IsZero() {
		return nil
	}
	if err := s.set(n, changelog.FID{}); err != nil {
		return err
	}
	links, err := s.someLinks(f, g.taken[f]+1)
	if err != nil || len(links) > g.taken[f] || s.staged[f] {
		return err
	}
	if err := g.below(ctx, f); err != nil {
		return err
	}
	s.setCopy(f, "")
	return nil
}

// forgetOld forgets a name that was, and its object with the last one.
func (g *forgetting) forgetOld(ctx context.Context, n name) error {
	s := g.state
	if _, changed := s.names[n]; changed {
		return nil
	}
	f, err := s.dirent(n)
	if err != nil || f.IsZero() {
		return err
	}
	links, err := s.someLinks(f, g.taken[f]+2)
	if err != nil {
		return err
	}
	if len(links)-g.taken[f] <= 1 && !s.staged[f] {
		if err := g.below(ctx, f); err != nil {
			return err
		}
		if err := g.forgetCopy(f); err != nil {
			return err
		}
	}
	g.batch.DeleteDirent(n.parent, []byte(n.name), f)
	delete(s.dirents, n)
	g.taken[f]++
	if g.names++; g.names < chunk {
		return nil
	}
	return g.apply(ctx)
}

func (g *forgetting) forgetCopy(f changelog.FID) error {
	s := g.state
	if _, changed := s.copies[f]; changed {
		s.setCopy(f, "")
		return nil
	}
	h, err := s.storedCopyOf(f)
	if err != nil || h == "" {
		return err
	}
	g.batch.SetMeta(keyCopy+fidKey(f), nil)
	g.batch.SetMeta(keyOrigin+string(h), nil)
	delete(s.stored, f)
	return nil
}

func (g *forgetting) apply(ctx context.Context) error {
	if g.batch.Empty() {
		return nil
	}
	if err := g.state.apply(ctx, &g.batch); err != nil {
		return err
	}
	g.batch.Reset(g.state.next())
	g.names = 0
	clear(g.taken)
	return nil
}
