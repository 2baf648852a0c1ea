// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"fmt"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// Apply commits the effects of a batch. It is one transaction, but for one that a
// directory leaves what the feed has: what comes after is another.
//
// What a feed tells of a directory that was moved in has the index of the move, and the
// batch may be through an earlier one: all of it is to come again if this process dies.
// The move itself counts as done with its transaction. What is below it has its effect
// again then, which changes nothing, and is not in the log: it is not of the journal.
func (s *Sink) Apply(ctx context.Context, b *client.Batch) error {
	gap := ""
	d, through := newDelta(), s.cur.Through
	for i := range b.Records {
		r := &b.Records[i]
		if r.Mark != nil && missing(r.Mark) && (r.Index > through || r.Mark.Own()) {
			gap = r.Mark.Kind.String() + " " + r.Mark.Reason
		}
		switch {
		case r.Mark.Own(), r.Index < through:
			continue // not in the journal, or done before
		case r.Index == through:
			if makes(r) {
				d.add(r)
			}
			continue
		}
		d.add(r)
		through = r.Index
		if s.opts.Audit {
			d.log = append(d.log, r)
		}
		s.done.Records++
		if !d.left.IsZero() && i < len(b.Records)-1 {
			if err := s.commit(ctx, d, through, ""); err != nil {
				return err
			}
			d = newDelta()
		}
	}
	through = max(through, b.Through)
	if through <= s.cur.Through && gap == "" && d.empty() {
		return nil
	}
	return s.commit(ctx, d, through, gap)
}

// makes reports whether a record was made by a look at the index or the disk, and says
// that a name is there.
func makes(r *changelog.Record) bool {
	switch r.Type {
	case changelog.Create, changelog.Mkdir, changelog.Hardlink, changelog.Softlink, changelog.Mknod:
		return r.Flags&changelog.FlagSynth != 0
	}
	return false
}

// missing reports whether a mark says that records are missing.
func missing(m *changelog.Marker) bool {
	return m.Kind&(changelog.MarkGap|changelog.MarkAbort|changelog.MarkPurge) != 0
}

// commit looks up what records do not tell, and makes the transaction.
func (s *Sink) commit(ctx context.Context, d *delta, through uint64, gap string) error {
	if s.opts.Tree != nil {
		if err := s.lookUp(ctx, d, through); err != nil {
			return err
		}
	}
	is := s.cur.next(through)
	if gap != "" {
		s.log.Warn("records are missing", "why", gap, "through", through)
		is.State = StateGap
	}
	return s.write(ctx, d.rows(), is)
}

// lookUp completes a delta with what the disk says now.
func (s *Sink) lookUp(ctx context.Context, d *delta, through uint64) error {
	for f := range d.dirty {
		o, ok, err := s.opts.Tree.Look(f)
		if err != nil {
			return fmt.Errorf("look at %v: %w", f, err)
		}
		if ok {
			d.found(&o, through)
		}
	}
	var dirs []changelog.FID
	for _, f := range d.arrived {
		if d.isDir(f) && f != d.left {
			dirs = append(dirs, f)
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	var unseen []changelog.FID
	err := s.trying(ctx, func() (err error) {
		unseen, err = s.db.unseen(ctx, dirs, s.cur.Scan)
		return err
	})
	if err != nil {
		return err
	}
	// What is below is written before the records are done with: a crash in between
	// has the records come again, and the directory still be unseen.
	return s.walk(ctx, unseen)
}

// write makes a transaction, again and again while the database cannot be reached. The
// feed is not cancelled meanwhile.
func (s *Sink) write(ctx context.Context, c *changes, is Cursor) error {
	was := s.cur
	tried := false
	err := s.trying(ctx, func() error {
		if tried {
			if done, err := s.written(ctx, &is); done || err != nil {
				return err
			}
		}
		tried = true
		return s.db.commit(ctx, c, &was, &is)
	})
	if err != nil {
		return err
	}
	s.cur = is
	s.report()
	return nil
}

// written reports whether a transaction went through although it ended with an error.
func (s *Sink) written(ctx context.Context, is *Cursor) (bool, error) {
	all, err := s.db.cursors(ctx)
	if err != nil || len(all) == 0 {
		return false, err
	}
	return all[0] == *is, nil
}

// trying calls do until it succeeds or its error is one that does not pass.
func (s *Sink) trying(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil {
			s.retry = 0
			return nil
		}
		if ctx.Err() != nil || !s.db.passing(err) {
			return err
		}
		s.done.Retries++
		s.log.Warn("the database does not take it; it is tried again", "error", err, "after", s.retry.next())
		if err := s.retry.wait(ctx); err != nil {
			return err
		}
	}
}
