// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// clean removes what is parked and not on the source any more, some of it in each batch.
// The rest waits: a record to come tells where it is.
func (w *work) clean(ctx context.Context) error {
	all := slices.Collect(keys(w.m.st.staged))
	if err := w.askFates(all); err != nil {
		return err
	}
	left := chunk
	w.m.unclean = false
	for _, f := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		alive, err := w.m.src.alive(f)
		if isOfSource(err) { // it stays parked
			if err := w.failed(f, w.m.dst.path(parked(f)), err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		w.m.st.troubles.over(subject{object: f})
		if alive {
			continue
		}
		if left <= 0 {
			w.m.unclean = true
			return nil
		}
		took, err := w.remove(ctx, f, left)
		if err != nil {
			return err
		}
		left -= took
	}
	return nil
}

// askFates tells a far origin of which objects it will be asked whether they are alive.
func (w *work) askFates(of []changelog.FID) error {
	if far, ok := w.m.src.(foresight); ok && len(of) > 0 {
		return far.expectFates(of)
	}
	return nil
}

// remove removes a parked object, or a part of what is below it. It returns what that took
// of left.
func (w *work) remove(ctx context.Context, f changelog.FID, left int) (took int, err error) {
	names, err := w.m.st.childrenNow(f, left)
	if err != nil {
		return 0, err
	}
	if len(names) > 0 {
		if err := w.empty(ctx, f, names); err != nil {
			return 0, err
		}
	}
	if len(names) == left {
		w.m.unclean = true // there may be more
		return left, nil
	}
	if err := w.m.dst.removeStaged(f, w.m.opts.TakeOver); err != nil {
		return 0, err
	}
	w.m.st.troubles.shown(f)
	return 1 + len(names), nil
}

// empty takes names out of a parked directory that the source has no more. What the source
// has elsewhere is kept for that, and directories are parked, to be removed like this one.
func (w *work) empty(ctx context.Context, dir changelog.FID, names []name) error {
	if err := w.m.st.intend(ctx, names); err != nil {
		return err
	}
	of := make([]changelog.FID, len(names))
	for i, n := range names {
		var err error
		if of[i], err = w.m.st.dirent(n); err != nil {
			return err
		}
	}
	if err := w.askFates(of); err != nil {
		return err
	}
	for i, n := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		alive, err := w.m.src.alive(of[i])
		if isOfSource(err) {
			alive, err = true, nil // so it is parked
		}
		if err == nil && alive {
			w.addObject(of[i])
			err = w.m.dst.takeOut(n, of[i])
		} else if err == nil {
			err = w.m.dst.discard(n, of[i])
		}
		if err != nil {
			return fmt.Errorf("name %q in %v: %w", n.name, dir, err)
		}
		w.m.unclean = w.m.unclean || w.m.st.staged[of[i]]
	}
	return nil
}

// discard takes a name from the target whose object the source has no more. A directory is
// parked, for what is in it.
func (t *target) discard(n name, f changelog.FID) error {
	dir, err := t.openDir(n.parent)
	if err != nil {
		return err
	}
	if err := t.check(dir, n.name, f, n); err != nil {
		return err
	}
	switch err := unix.Unlinkat(dir, n.name, 0); {
	case errors.Is(err, unix.EISDIR):
		return t.takeOut(n, f)
	case err != nil:
		return t.surprise(n, err)
	}
	if err := t.state.set(n, changelog.FID{}); err != nil {
		return err
	}
	links, err := t.state.links(f)
	if err == nil && len(links) == 0 && !t.state.staged[f] {
		t.state.setCopy(f, "")
	}
	return err
}

// removeStaged removes a parked object, of which nothing that is known is left, and forgets
// it. What others have put in it is in the way, unless all is to be removed.
func (t *target) removeStaged(f changelog.FID, all bool) error {
	done, err := t.dropEmpty(f)
	if done || err != nil {
		return err
	}
	path := t.path(parked(f))
	if !all {
		return &ChangedError{Path: path, What: "the source does not have this directory any more, and others have put something in it", at: parked(f)}
	}
	if err := removeAll(path, path); err != nil {
		return err
	}
	t.forgetStaged(f)
	return nil
}

// dropEmpty removes a parked object and forgets it, unless it is a directory with something
// in it.
func (t *target) dropEmpty(f changelog.FID) (done bool, err error) {
	base := stagedName(f)
	err = unix.Unlinkat(t.stage, base, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(t.stage, base, unix.AT_REMOVEDIR)
	}
	switch {
	case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
		return false, nil
	case err != nil && !errors.Is(err, unix.ENOENT):
		return false, fmt.Errorf("target %s: %w", t.path(parked(f)), err)
	}
	t.forgetStaged(f)
	return true, nil
}

func (t *target) forgetStaged(f changelog.FID) {
	if fd, ok := t.opened[f]; ok { // of a directory that is no more
		unix.Close(fd)
		delete(t.opened, f)
	}
	delete(t.state.staged, f)
	t.state.setCopy(f, "")
}
