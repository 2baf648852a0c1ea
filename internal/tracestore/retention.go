// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// RetentionLimits say what is kept. A zero field sets no limit.
type RetentionLimits struct {
	MaxAge   time.Duration // since a chunk's last packet
	MaxBytes int64         // all stored traces together, by the length of their files
	MinFree  int64         // bytes free on the file system
}

// RetentionOptions configure a Retention. Limits and Log are required.
type RetentionOptions struct {
	Limits   RetentionLimits
	Interval time.Duration // between runs; default one minute
	Log      *slog.Logger

	// Space replaces the file system's own figures.
	Space func() (Space, error)
}

// Retention removes old chunks: whole closed ones only, oldest first, and
// never what is being written. All methods may be called from anywhere.
type Retention struct {
	// Immutable after NewRetention.
	catalog *Catalog
	opts    RetentionOptions
	log     *slog.Logger

	running chan struct{} // holds one token; who takes it removes
	failing map[string]bool

	chunks, sessions, bytes, failures, runs atomic.Uint64
}

// RetentionStats are totals since the start. They only grow.
type RetentionStats struct {
	Chunks   uint64 // removed
	Sessions uint64 // of which nothing is left
	Bytes    uint64 // removed, by the length of the files
	Failures uint64 // removals that failed
	Runs     uint64
}

// NewRetention makes a retention for what the catalog finds. It removes
// nothing by itself: call Run.
func NewRetention(c *Catalog, opts RetentionOptions) *Retention {
	if opts.Interval <= 0 {
		opts.Interval = time.Minute
	}
	if opts.Space == nil {
		opts.Space = c.Space
	}
	r := &Retention{catalog: c, opts: opts, log: opts.Log, running: make(chan struct{}, 1), failing: make(map[string]bool)}
	r.running <- struct{}{}
	return r
}

// Limits returns what is kept.
func (r *Retention) Limits() RetentionLimits { return r.opts.Limits }

// Stats returns the running totals.
func (r *Retention) Stats() RetentionStats {
	return RetentionStats{
		Chunks: r.chunks.Load(), Sessions: r.sessions.Load(), Bytes: r.bytes.Load(),
		Failures: r.failures.Load(), Runs: r.runs.Load(),
	}
}

// Run removes what is too much now and at every interval, until ctx ends; then
// it returns nil.
func (r *Retention) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.opts.Interval)
	defer ticker.Stop()
	broken := false
	for {
		_, err := r.RunOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !broken {
			r.log.Error("retention failed", "err", err)
		}
		broken = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// RunOnce removes what is too much now and returns what it removed. Chunks
// that cannot be removed are logged, counted and left out.
func (r *Retention) RunOnce(ctx context.Context) ([]Removal, error) {
	select {
	case <-r.running:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { r.running <- struct{}{} }()
	inv, err := r.inventory(ctx)
	if err != nil {
		return nil, err
	}
	for _, dir := range inv.Leftovers {
		if err := r.catalog.removeLeftover(dir); err != nil && !errors.Is(err, ErrNotStored) {
			r.note(dir, err)
		}
	}
	plan, err := r.plan(inv)
	if err != nil {
		return nil, err
	}
	done, err := r.carryOut(ctx, plan)
	r.runs.Add(1)
	return done, err
}

// Plan returns what RunOnce would remove now, oldest first.
func (r *Retention) Plan(ctx context.Context) ([]Removal, error) {
	inv, err := r.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return r.plan(inv)
}

// inventory walks only if there is a limit to keep.
func (r *Retention) inventory(ctx context.Context) (*Inventory, error) {
	if r.opts.Limits == (RetentionLimits{}) {
		return &Inventory{}, nil
	}
	return r.catalog.List(ctx, 0)
}

// carryOut removes what was planned.
func (r *Retention) carryOut(ctx context.Context, plan []Removal) ([]Removal, error) {
	done := []Removal{}
	seen := make(map[string]bool, len(plan))
	for _, m := range plan {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if m.Reason == ReasonFree {
			// Others use the file system too: look again.
			space, err := r.opts.Space()
			if err != nil {
				return done, err
			}
			if space.Free >= r.opts.Limits.MinFree {
				break
			}
		}
		seen[m.key()] = true
		switch err := r.remove(ctx, m); {
		case err == nil:
			done = append(done, m)
		case ctx.Err() != nil:
			return done, ctx.Err()
		case !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotStored):
			r.note(m.key(), err)
		}
	}
	for key := range r.failing {
		if !seen[key] {
			delete(r.failing, key)
		}
	}
	return done, nil
}

func (r *Retention) remove(ctx context.Context, m Removal) error {
	// Never RemoveSession: a snapshot may have been added since the walk. The
	// session's directory goes when its last chunk leaves it empty.
	if err := r.catalog.RemoveChunk(ctx, m.Session, m.Chunk); err != nil {
		return err
	}
	delete(r.failing, m.key())
	r.chunks.Add(1)
	r.bytes.Add(uint64(max(m.Chunk.Bytes, 0)))
	if m.Whole {
		r.sessions.Add(1)
	}
	r.log.Info("stored chunk removed", "session_dir", m.Session.Dir, "chunk", m.Chunk.ID,
		"bytes", m.Chunk.Bytes, "ended", m.Chunk.Ended(), "reason", m.Reason.String())
	return nil
}

// note counts a failure, and logs it when it is new.
func (r *Retention) note(key string, err error) {
	r.failures.Add(1)
	if r.failing[key] {
		return
	}
	r.failing[key] = true
	r.log.Warn("stored chunk not removed", "err", fmt.Errorf("retention: %w", err))
}
