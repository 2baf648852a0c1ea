// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"

	"github.com/weir-io/weir/changelog"
)

// scanRows is how many rows of a scan are written together.
const scanRows = 5000

// scan reads the whole tree, and removes the rows that it did not find. Records are not
// read meanwhile; those that were made come after.
func (s *Sink) scan(ctx context.Context) error {
	is := s.cur.next(s.cur.Through)
	is.State, is.Top = StateScan, s.opts.Tree.Top()
	is.Scan++
	s.log.Info("scan begins", "scan", is.Scan, "through", is.Through)
	top, _, err := s.opts.Tree.Look(is.Top)
	if err != nil {
		return err
	}
	top.last = is.Through
	if err := s.write(ctx, &changes{make: []Object{top}}, is); err != nil {
		return err
	}
	if err := s.walk(ctx, []changelog.FID{is.Top}); err != nil {
		return err
	}
	was, is := s.cur, s.cur.next(s.cur.Through)
	is.State = StateOK
	var swept int64
	tried := false
	err = s.trying(ctx, func() (err error) {
		if tried {
			if done, err := s.written(ctx, &is); done || err != nil {
				return err
			}
		}
		tried = true
		swept, err = s.db.sweep(ctx, &was, &is)
		return err
	})
	if err != nil {
		return err
	}
	s.cur = is
	s.log.Info("scan ended", "scan", is.Scan, "rows", s.done.Scanned, "swept", swept)
	s.report()
	return nil
}

// walk writes what is below directories, but not these themselves.
func (s *Sink) walk(ctx context.Context, dirs []changelog.FID) error {
	for len(dirs) > 0 {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		err := s.opts.Tree.List(dir, func(n string, o *Object) error {
			if o.IsDir() {
				dirs = append(dirs, o.FID)
			}
			o.last = s.cur.Through
			s.scanned = append(s.scanned, entry{name{dir, n}, o.FID, o.last})
			s.objects = append(s.objects, *o)
			if len(s.scanned) < scanRows {
				return nil
			}
			return s.flush(ctx)
		})
		if err != nil {
			return err
		}
	}
	return s.flush(ctx)
}

// flush writes the rows that a walk has gathered.
func (s *Sink) flush(ctx context.Context) error {
	if len(s.scanned) == 0 {
		return nil
	}
	c := &changes{put: s.scanned, make: s.objects}
	if err := s.write(ctx, c, s.cur.next(s.cur.Through)); err != nil {
		return err
	}
	s.done.Scanned += uint64(len(s.scanned))
	s.scanned, s.objects = s.scanned[:0], s.objects[:0]
	return nil
}
