// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"

	"github.com/weir-io/weir/changelog"
)

// errLater is the error of a name that cannot have its place now: a directory on the
// way to it is moving.
var errLater = errors.New("its directory is moving")

// errLeftOut is the error of a name below a directory that is not mirrored.
var errLeftOut = errors.New("its directory is not mirrored")

// takeOut takes a name from the target, and has its directory looked at.
func (w *work) takeOut(n name, f changelog.FID) error {
	w.addObject(n.parent)
	w.addObject(f)
	clear(w.reached)
	take := w.m.dst.takeOut
	if w.dead[f] {
		take = w.m.dst.discard
	}
	if err := take(n, f); err != nil {
		return err
	}
	w.retryClashes(n.parent)
	return nil
}

// takeAway takes one more name out that was not to be looked at.
func (w *work) takeAway(ctx context.Context, n name, f changelog.FID) error {
	if err := w.intend(ctx, n); err != nil {
		return err
	}
	return w.takeOut(n, f)
}

// putIn gives an object of the source its name on the target.
func (w *work) putIn(ctx context.Context, n name, f changelog.FID) error {
	var links []name
	var err error
	if !w.m.st.staged[f] { // what is parked has no other name
		if links, err = w.m.st.links(f); err != nil {
			return err
		}
	}
	seen, err := w.look(n, f)
	if isGone(err) {
		return nil // its removal is told by a record to come
	}
	if err != nil {
		return err
	}
	isDir := seen.isDir()
	if isDir && len(links) > 0 { // it moved, and is never renamed at once: it may go below itself
		if err := w.takeAway(ctx, links[0], f); err != nil {
			return err
		}
		links = nil
	}
	if err := w.reach(ctx, n.parent); err != nil {
		return err
	}
	if isDir && !w.m.st.staged[f] {
		if links, err = w.m.st.links(f); err != nil {
			return err
		}
		if len(links) > 0 && links[0] != n {
			return errLater // reach has put it elsewhere: the source changed while this looked
		}
	}
	if have, err := w.m.st.dirent(n); err != nil {
		return err
	} else if !have.IsZero() { // reach has put something there
		if have == f {
			return nil
		}
		if err := w.takeOut(n, have); err != nil {
			return err
		}
	}
	w.addObject(n.parent)
	w.addObject(f)
	if err := w.give(ctx, n, seen, links); err != nil {
		return w.refused(n, f, isDir, err)
	}
	if len(links) == 0 || isDir {
		w.lookBelow(f, isDir)
	}
	return nil
}

// give gives an object a name that is free: as one more of those that it has, or from where it
// is parked, or as a new copy.
func (w *work) give(ctx context.Context, n name, s *seen, links []name) error {
	if !w.m.st.staged[s.f] {
		if len(links) > 0 {
			return w.m.dst.link(links[0], n, s.f)
		}
		if err := w.make(ctx, n, s); err != nil {
			return err
		}
	}
	return w.m.dst.putBack(n, s.f)
}

// lookBelow has what is in a directory looked at that has got its place, where that is not
// known to be equal.
func (w *work) lookBelow(f changelog.FID, isDir bool) {
	_, fresh := w.fresh[f]
	delete(w.fresh, f)
	shown := w.m.st.troubles.shown(f)
	switch {
	case isDir && fresh:
		w.m.surveys.add(f, false)
	case shown, isDir && w.compares():
		// It was hidden, or may have come from where nothing was compared yet to where
		// all was.
		w.m.surveys.add(f, true)
	}
}

// compares reports whether there are directories that are compared with all below them.
func (w *work) compares() bool { return w.m.surveys.deep > 0 || len(w.deep) > 0 }

// intend writes down one more name before it is touched.
func (w *work) intend(ctx context.Context, n name) error {
	w.known[n] = true
	return w.m.st.intend(ctx, []name{n})
}

// reach makes sure that a directory is on the target, and where the source has it.
func (w *work) reach(ctx context.Context, dir changelog.FID) error {
	if dir == w.m.src.topFID() {
		return nil
	}
	if w.reached[dir] {
		return nil
	}
	if w.placing[dir] {
		return errLater // a loop: the source changed while this looked
	}
	w.placing[dir] = true
	defer delete(w.placing, dir)
	err := w.reachPlace(ctx, dir)
	w.reached[dir] = err == nil
	return err
}

func (w *work) reachPlace(ctx context.Context, dir changelog.FID) error {
	links, err := w.m.st.links(dir)
	if err != nil {
		return err
	}
	if len(links) > 0 {
		is, err := w.desired(links[0])
		if err != nil {
			return err
		}
		if is == dir {
			return w.reach(ctx, links[0].parent)
		}
		if err := w.takeAway(ctx, links[0], dir); err != nil {
			return err
		}
	}
	at, err := w.m.src.whereIs(dir)
	if err != nil {
		return err
	}
	if at == (name{}) {
		return errLater
	}
	if at.parent == w.m.src.topFID() && isLeftOut(at.name) {
		return errLeftOut
	}
	is, err := w.desired(at)
	if err != nil {
		return err
	}
	if is != dir {
		return errLater
	}
	if err := w.intend(ctx, at); err != nil {
		return err
	}
	return w.putIn(ctx, at, dir)
}
