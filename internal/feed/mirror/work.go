// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// work is one batch: names and objects to be made as they are on the source.
type work struct {
	m       *Mirror
	names   []name        // to be looked at, in this order
	known   map[name]bool // those that are in names, or were
	objects map[changelog.FID]bool
	force   map[changelog.FID]bool // to be copied whatever times say
	retry   map[name]bool          // not possible now: part of the next batch
	placing map[changelog.FID]bool // directories whose place is being found
	reached map[changelog.FID]bool // those whose place was found, since something was taken out
	deep    map[changelog.FID]bool // directories whose names are looked at with what is below them
	doubted map[name]bool          // names of an interrupted batch to look below, too
	next    int                    // of names: those before were looked at
	looked  map[name]*seen         // what prepare has found
	fresh   map[changelog.FID]bool // copies that were made and have not got a name; true: of a directory
	told    map[name]changelog.FID // what names are to stand for, where prepare has seen it
	// unlisted are directories that could not be listed and are tried again in the next batch.
	unlisted map[changelog.FID]bool
	dead     map[changelog.FID]bool // objects at names that are settled, which the source has no more
}

func (m *Mirror) newWork() *work {
	m.src.forget()
	return &work{
		m: m, known: map[name]bool{}, objects: map[changelog.FID]bool{},
		retry: map[name]bool{}, placing: map[changelog.FID]bool{}, reached: map[changelog.FID]bool{}, deep: map[changelog.FID]bool{}, doubted: map[name]bool{},
		looked: map[name]*seen{}, unlisted: map[changelog.FID]bool{}, fresh: map[changelog.FID]bool{}, dead: map[changelog.FID]bool{}, told: map[name]changelog.FID{},
	}
}

// addName has a name looked at.
func (w *work) addName(n name) {
	if n.parent.IsZero() || n.name == "" || n.parent == w.m.src.topFID() && isLeftOut(n.name) || w.known[n] {
		return
	}
	w.known[n] = true
	w.names = append(w.names, n)
}

// addObject has an object looked at.
func (w *work) addObject(f changelog.FID) {
	if !f.IsZero() {
		w.objects[f] = true
	}
}

// add takes over what a record names.
func (w *work) add(r *changelog.Record) {
	if r.Type == changelog.Mark {
		return
	}
	w.addName(name{r.Parent, string(r.Name)})
	w.addName(name{r.SourceParent, string(r.SourceName)})
	for _, f := range []changelog.FID{r.Target, r.Source, r.Parent, r.SourceParent} {
		w.addObject(f)
	}
}

// chunk is how many names are written down as intents at once, and how many of directories
// are looked at in a batch.
const chunk = 2000

// run makes the target have the names and objects as the source has them now, and syncs it.
func (w *work) run(ctx context.Context) error {
	if err := w.settleAll(ctx); err != nil {
		return err
	}
	if len(w.m.left) == 0 { // what was interrupted comes first, lest it becomes ever more
		if err := w.surveySome(ctx); err != nil {
			return err
		}
	}
	if err := w.dropFresh(); err != nil {
		return err
	}
	if err := w.clean(ctx); err != nil {
		return err
	}
	if err := w.equalize(ctx); err != nil {
		return err
	}
	return w.m.dst.sync()
}

// settleAll settles the names that are not settled yet. More may be added meanwhile.
func (w *work) settleAll(ctx context.Context) error {
	for w.next < len(w.names) {
		names := w.names[w.next:min(w.next+chunk, len(w.names))]
		w.next += len(names)
		if far, ok := w.m.src.(foresight); ok {
			far.expectNames(names)
		}
		if err := w.prepare(ctx, names); err != nil {
			return err
		}
		for _, n := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := w.settle(ctx, n)
			if err == nil {
				continue
			}
			if err := w.failedName(n, err); err != nil {
				return fmt.Errorf("name %q in %v: %w", n.name, n.parent, err)
			}
		}
	}
	return nil
}

// settle makes a name stand for what it stands for on the source.
func (w *work) settle(ctx context.Context, n name) error {
	have, err := w.m.st.dirent(n)
	if err != nil {
		return err
	}
	want, err := w.wanted(n, have)
	if err != nil {
		return err
	}
	if have == want {
		w.m.st.troubles.over(subject{name: n})
		return w.descend(n, want)
	}
	if !have.IsZero() {
		if err := w.takeOut(n, have); err != nil {
			return err
		}
	}
	if want.IsZero() {
		w.m.st.troubles.over(subject{name: n})
		return nil
	}
	switch err := w.putIn(ctx, n, want); {
	case errors.Is(err, errLater), isLost(err):
		w.retry[n] = true
		return nil
	case errors.Is(err, errLeftOut):
		return nil
	case errors.Is(err, errRefused):
		return nil // what is below it comes with it, if it ever does
	case err != nil:
		return err
	}
	w.m.st.troubles.over(subject{name: n})
	return w.descend(n, want) // it may have come with all that is below it
}

// wanted is desired, if prepare has not looked already. What a directory stood for that has
// been taken out since is looked at again.
func (w *work) wanted(n name, have changelog.FID) (changelog.FID, error) {
	if s := w.looked[n]; s != nil {
		return s.f, nil
	}
	if f, ok := w.told[n]; ok && (f.IsZero() || f == have) {
		return f, nil
	}
	return w.desired(n)
}

// desired is what a name stands for on the source, zero where the name is not part of
// what is mirrored. What lies under a mount is what it was.
func (w *work) desired(n name) (changelog.FID, error) {
	if w.m.part {
		in, err := inside(w.m.src, n.parent)
		if err != nil || !in {
			return changelog.FID{}, err
		}
	}
	f, err := w.m.src.lookUp(n)
	if errors.Is(err, errCovered) {
		return w.m.st.dirent(n) // what cannot be seen stays as it was
	}
	return f, err
}

// descend has what a name stands for compared, where all below its directory is, or where
// that may have been for an interrupted batch.
func (w *work) descend(n name, f changelog.FID) error {
	if f.IsZero() || !w.deep[n.parent] && !w.doubted[n] {
		return nil
	}
	w.addObject(f)
	st, _, err := w.m.src.stat(f)
	switch {
	case isOfSource(err): // it is told when it is made equal; whether it has names, a list tells
	case err != nil && isGone(err):
		return nil
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return nil
	}
	w.m.surveys.add(f, true)
	return nil
}
