// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"slices"

	"github.com/weir-io/weir/changelog"
)

// surveys are directories whose names are to be looked at. They outlive the process; how
// far each has come does not. What was added last comes first, so that there are few.
type surveys struct {
	src   origin
	stack []*survey
	of    map[changelog.FID]*survey
	open  int // listings
	most  int // of those
	deep  int // surveys that are
}

// survey is one directory: the names that the target has are looked at, and then those of
// the source that the target has not by then.
type survey struct {
	dir    changelog.FID
	deep   bool   // with what is below
	own    bool   // the names that the target has were looked at
	after  string // or else: this one and those before were
	source lister // nil: not begun
}

// lister tells the names in a directory of the source.
type lister interface {
	// next returns some names, so many at most; none at the end.
	next(most int) ([]string, error)
	close() error
}

// mostListers is how many listings are kept open at a time. One that was closed begins anew,
// and passes quickly over the names that the target has by then.
const mostListers = 32

func newSurveys(src origin) *surveys {
	return &surveys{src: src, of: map[changelog.FID]*survey{}, most: mostListers}
}

// add has a directory looked at from its beginning.
func (ss *surveys) add(dir changelog.FID, deep bool) {
	if s := ss.of[dir]; s != nil {
		deep = deep || s.deep
		ss.end(s)
	}
	s := &survey{dir: dir, deep: deep}
	if deep {
		ss.deep++
	}
	ss.of[dir] = s
	ss.stack = append(ss.stack, s)
}

// end ends the survey of a directory.
func (ss *surveys) end(s *survey) {
	ss.closeList(s)
	if s.deep {
		ss.deep--
	}
	delete(ss.of, s.dir)
	for i, o := range slices.Backward(ss.stack) { // it is the last one most often
		if o == s {
			ss.stack = slices.Delete(ss.stack, i, i+1)
			break
		}
	}
}

// clear ends all of them.
func (ss *surveys) clear() {
	for len(ss.stack) > 0 {
		ss.end(ss.stack[len(ss.stack)-1])
	}
}

func (ss *surveys) closeList(s *survey) {
	if s.source != nil {
		_ = s.source.close() // it was only read
		s.source = nil
		ss.open--
	}
}

// openList begins to list a directory of the source.
func (ss *surveys) openList(s *survey) (err error) {
	if ss.open >= ss.most {
		for _, o := range ss.stack { // those that come last
			if o.source != nil {
				ss.closeList(o)
				break
			}
		}
	}
	if far, ok := ss.src.(foresight); ok {
		if err := far.expectLists(ss.coming()); err != nil {
			return err
		}
	}
	if s.source, err = ss.src.list(s.dir); err == nil {
		ss.open++
	}
	return err
}

// coming are the directories that come next.
func (ss *surveys) coming() (dirs []changelog.FID) {
	for _, s := range slices.Backward(ss.stack) {
		if len(dirs) == askLists {
			break
		}
		if s.source == nil {
			dirs = append(dirs, s.dir)
		}
	}
	return dirs
}

// surveySome settles a chunk of the names of directories.
func (w *work) surveySome(ctx context.Context) error {
	ss := w.m.surveys
	for left := chunk; left > 0 && len(ss.stack) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		for len(ss.stack) > 0 && left > 0 {
			s := ss.stack[len(ss.stack)-1]
			took, err := w.surveyOne(s, left)
			if err != nil {
				if err := w.failedList(s, err); err != nil {
					return err
				}
				took = 1
			}
			left -= took
		}
		if err := w.settleAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// surveyOne adds names of a directory. It returns what that took of left; the survey has
// ended when the names have come to their end.
func (w *work) surveyOne(s *survey, left int) (took int, err error) {
	if s.after == "" && !s.own {
		if is, err := w.isPlaced(s.dir); err != nil || !is {
			w.m.st.troubles.over(subject{object: s.dir, list: true})
			w.m.surveys.end(s)
			return 1, err
		}
		w.addObject(s.dir)
	}
	if s.deep {
		w.deep[s.dir] = true
	}
	if !s.own {
		names, err := w.m.st.childrenAfter(s.dir, s.after, left)
		if err != nil {
			return 0, err
		}
		w.addAll(s.dir, names)
		if s.own = len(names) < left; !s.own {
			s.after = names[len(names)-1]
		}
		return len(names), nil
	}
	return w.surveySource(s, left)
}

// passAt is how many names that the target has count as one that it has not.
const passAt = 10

// surveySource adds names that the target has not.
func (w *work) surveySource(s *survey, left int) (took int, err error) {
	if s.source == nil {
		if err := w.m.surveys.openList(s); err != nil {
			if isGone(err) {
				w.m.st.troubles.over(subject{object: s.dir, list: true})
				w.m.surveys.end(s)
				return 1, nil
			}
			return 0, err
		}
	}
	names, err := s.source.next(left)
	if err != nil {
		return 0, err
	}
	w.m.count.looked += uint64(len(names))
	listed := len(names)
	names, err = w.unknown(s.dir, names)
	if err != nil {
		return 0, err
	}
	w.addAll(s.dir, names)
	if listed == 0 {
		w.m.st.troubles.over(subject{object: s.dir, list: true})
		w.m.surveys.end(s)
	}
	return 1 + len(names) + (listed-len(names))/passAt, nil
}

// unknown returns the names that the target has not: it has the others as they were when
// it was asked for them, or as they were when a record told of them.
func (w *work) unknown(dir changelog.FID, names []string) (left []string, err error) {
	for _, n := range names {
		f, err := w.m.st.dirent(name{dir, n})
		if err != nil {
			return nil, err
		}
		if f.IsZero() {
			left = append(left, n)
		}
	}
	return left, nil
}

// isPlaced reports whether a directory is in the target. One that is parked is looked at
// when it gets its place.
func (w *work) isPlaced(dir changelog.FID) (bool, error) {
	if w.m.st.staged[dir] {
		w.m.st.troubles.hide(dir)
		return false, nil
	}
	_, ok, err := w.m.dst.anyPlace(dir)
	return ok, err
}

// addAll has names of a directory looked at. Where all below it is compared they are once
// more if they were already, as records told of them: what is below them was not then.
func (w *work) addAll(dir changelog.FID, names []string) {
	for _, n := range names {
		if w.deep[dir] {
			delete(w.known, name{dir, n})
		}
		w.addName(name{dir, n})
	}
}
