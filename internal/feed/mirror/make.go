// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// seen is what was seen of an object of the source.
type seen struct {
	f    changelog.FID
	st   *unix.Stat_t
	link string
}

func (s *seen) isDir() bool { return s.st.Mode&unix.S_IFMT == unix.S_IFDIR }

// prepare writes down names that are going to be touched, and makes the copies that they
// lack. Those are parked until they are written down, too: so whatever a crash leaves at a
// name is known to be the mirror's, or is of others.
func (w *work) prepare(ctx context.Context, names []name) error {
	clear(w.looked)
	clear(w.told)
	var made []copied
	var leaving []changelog.FID
	making := map[changelog.FID]bool{}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, have, err := w.lacks(n)
		if err != nil {
			return err
		}
		if !have.IsZero() {
			leaving = append(leaving, have)
		}
		if s == nil || making[s.f] {
			continue
		}
		c, err := w.m.dst.create(s.f, s.st, s.link)
		if isOneOf(err, objectErrors) {
			continue // it is told when it is tried again, with its name
		}
		if err != nil {
			return fmt.Errorf("target %s: %w", w.m.dst.path(parked(s.f)), err)
		}
		made, making[s.f] = append(made, c), true
		w.count(c)
		if !c.isDir { // where those are is looked up when they get their places
			w.looked[n] = s
		}
	}
	if err := w.findDead(leaving); err != nil {
		return err
	}
	return w.m.st.intend(ctx, names, made...)
}

// lacks looks at what a name stands for, if the target has no copy of that, and tells what
// is at the name and does not belong there. What goes wrong comes to light when the name is
// settled.
func (w *work) lacks(n name) (s *seen, leaves changelog.FID, err error) {
	f, err := w.desired(n)
	if err != nil {
		return nil, leaves, nil
	}
	have, err := w.m.st.dirent(n)
	if err != nil {
		return nil, leaves, err
	}
	if f.IsZero() || f == have {
		w.told[n] = f
	}
	if f != have {
		leaves = have
	}
	if f.IsZero() || w.m.st.staged[f] {
		return nil, leaves, nil
	}
	has, err := w.m.st.copyOf(f)
	if err != nil || has != "" {
		return nil, leaves, err
	}
	s = &seen{f: f}
	if s.st, s.link, err = w.m.src.stat(f); err != nil {
		return nil, leaves, nil
	}
	return s, leaves, nil
}

// findDead finds out which objects the source has no more: those need not be parked.
func (w *work) findDead(of []changelog.FID) error {
	if err := w.askFates(of); err != nil {
		return err
	}
	for _, f := range of {
		alive, err := w.m.src.alive(f)
		if err != nil && !isOfSource(err) {
			return err
		}
		if err == nil && !alive {
			w.dead[f] = true
		}
	}
	return nil
}

// count counts a copy that was made.
func (w *work) count(c copied) {
	w.m.count.created++
	w.fresh[c.of] = c.isDir
}

// make makes the copy of one object that is to have a name.
func (w *work) make(ctx context.Context, n name, s *seen) error {
	c, err := w.m.dst.create(s.f, s.st, s.link)
	switch {
	case isOneOf(err, nameErrors), !isOrdinary(s.st.Mode) && isOneOf(err, kindErrors):
		return &RefusedError{Path: w.m.dst.path(n), Err: err}
	case err != nil:
		return fmt.Errorf("target %s: %w", w.m.dst.path(n), err)
	}
	w.count(c)
	return w.m.st.intend(ctx, nil, c)
}

// look looks at an object that is to have a name.
func (w *work) look(n name, f changelog.FID) (*seen, error) {
	if s := w.looked[n]; s != nil && s.f == f {
		return s, nil
	}
	st, link, err := w.m.src.stat(f)
	return &seen{f, st, link}, err
}

// dropFresh removes copies that were made and have not got a name, as where the target cannot
// have it: there may be many, and nothing is in them.
func (w *work) dropFresh() error {
	for f := range w.fresh {
		if _, err := w.m.dst.dropEmpty(f); err != nil {
			return err
		}
		w.m.st.troubles.shown(f)
	}
	clear(w.fresh)
	return nil
}
