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

// work is one batch: names and objects to be made as they are on the source.
type work struct {
	m       *Mirror
	names   []name        // to be looked at, in this order
	known   map[name]bool // those that are in names, or were
	objects map[changelog.FID]bool
	force   map[changelog.FID]bool // to be copied whatever times say
	retry   map[name]bool          // not possible now: part of the next batch
	placing map[changelog.FID]bool // directories whose place is being found
	deep    map[changelog.FID]bool // list these, and what is below, too
	lists   []listing              // to be done before the names that follow
	looked  map[name]*seen         // what prepare has found
	fresh   map[changelog.FID]bool // directories that were made and have not got their place
	full    bool                   // list all that are known
}

func (m *Mirror) newWork() *work {
	m.src.begin()
	return &work{
		m: m, known: map[name]bool{}, objects: map[changelog.FID]bool{},
		retry: map[name]bool{}, placing: map[changelog.FID]bool{}, deep: map[changelog.FID]bool{},
		looked: map[name]*seen{}, fresh: map[changelog.FID]bool{},
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

// chunk is how many names are written down as intents at once, and, where everything is
// compared, how many are committed together.
const chunk = 2000

// run makes the target have the names and objects as the source has them now, and
// syncs it.
func (w *work) run(ctx context.Context) error {
	if err := w.listThem(ctx); err != nil {
		return err
	}
	for begin := 0; begin < len(w.names); begin += chunk {
		end := min(begin+chunk, len(w.names)) // more may be added meanwhile
		if far, ok := w.m.src.(foresight); ok {
			far.expectNames(w.names[begin:end])
		}
		if err := w.prepare(ctx, w.names[begin:end]); err != nil {
			return err
		}
		for _, n := range w.names[begin:end] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.settle(ctx, n); err != nil {
				return fmt.Errorf("name %q in %v: %w", n.name, n.parent, err)
			}
		}
		if err := w.listThem(ctx); err != nil {
			return err
		}
		if w.full && len(w.names) > end {
			if err := w.commitPart(ctx, len(w.names)-end); err != nil {
				return err
			}
		}
		begin = end - chunk
	}
	if err := w.clean(); err != nil {
		return err
	}
	if err := w.equalize(ctx); err != nil {
		return err
	}
	return w.m.dst.sync()
}

// commitPart commits what was done of a comparison of everything, so that an interrupted
// one has not to begin anew.
func (w *work) commitPart(ctx context.Context, left int) error {
	if err := w.equalize(ctx); err != nil {
		return err
	}
	clear(w.objects)
	if err := w.m.dst.sync(); err != nil {
		return err
	}
	w.hide()
	if err := w.m.st.commit(ctx, w.m.st.through); err != nil {
		return err
	}
	w.m.reportCopying(left)
	return nil
}

// settle makes a name stand for what it stands for on the source.
func (w *work) settle(ctx context.Context, n name) error {
	want, err := w.wanted(n)
	if err != nil {
		return err
	}
	have, err := w.m.st.dirent(n)
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
	case errors.Is(err, errLater), errors.Is(err, errLost):
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

// wanted is desired, if prepare has not looked already.
func (w *work) wanted(n name) (changelog.FID, error) {
	if s := w.looked[n]; s != nil {
		return s.f, nil
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

// errLater is the error of a name that cannot have its place now: a directory on the
// way to it is moving.
var errLater = errors.New("its directory is moving")

// errLeftOut is the error of a name below a directory that is not mirrored.
var errLeftOut = errors.New("its directory is not mirrored")

// takeOut takes a name from the target, and has its directory looked at.
func (w *work) takeOut(n name, f changelog.FID) error {
	w.addObject(n.parent)
	w.addObject(f)
	if err := w.m.dst.takeOut(n, f); err != nil {
		return err
	}
	w.retryClashes(n.parent)
	return nil
}

// putIn gives an object of the source its name on the target.
func (w *work) putIn(ctx context.Context, n name, f changelog.FID) error {
	links, err := w.m.st.links(f)
	if err != nil {
		return err
	}
	seen, err := w.look(n, f)
	if err != nil {
		if isGone(err) {
			return nil // its removal is told by a record to come
		}
		return err
	}
	isDir := seen.isDir()
	if isDir && len(links) > 0 {
		// It moved. It is never renamed at once: it may go below itself.
		if err := w.intend(ctx, links[0]); err != nil {
			return err
		}
		if err := w.takeOut(links[0], f); err != nil {
			return err
		}
		links = nil
	}
	if err := w.reach(ctx, n.parent); err != nil {
		return err
	}
	if isDir {
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
	if len(links) > 0 && !w.m.st.staged[f] {
		if err := w.m.dst.link(links[0], n, f); err != nil {
			return w.refused(n, f, isDir, err)
		}
		return nil
	}
	if !w.m.st.staged[f] {
		if err := w.make(ctx, n, seen); err != nil {
			return w.refused(n, f, isDir, err)
		}
	}
	if err := w.m.dst.putBack(n, f); err != nil {
		return w.refused(n, f, isDir, err)
	}
	switch {
	case w.fresh[f]:
		delete(w.fresh, f)
		w.listNew(f)
	case w.m.st.troubles.shown(f):
		w.deep[f] = true
	}
	return nil
}

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
	if w.placing[dir] {
		return errLater // a loop: the source changed while this looked
	}
	w.placing[dir] = true
	defer delete(w.placing, dir)
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
		if err := w.intend(ctx, links[0]); err != nil {
			return err
		}
		if err := w.takeOut(links[0], dir); err != nil {
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

// descend has the names in a directory looked at, where all are to be compared, or all
// below it.
func (w *work) descend(n name, f changelog.FID) error {
	if f.IsZero() || !w.full && !w.deep[n.parent] && !w.deep[f] {
		return nil
	}
	w.deep[f] = !w.full
	w.addObject(f)
	st, _, err := w.m.src.stat(f)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if err != nil && isGone(err) {
			err = nil
		}
		return err
	}
	w.listAll(f)
	return nil
}

// listing is a directory whose names are to be looked at.
type listing struct {
	dir changelog.FID
	all bool // those that the target has, too
}

// listNew has the names in a new directory looked at.
func (w *work) listNew(f changelog.FID) { w.lists = append(w.lists, listing{f, false}) }

// listAll is listNew for a directory that may have names on the target that it has not
// on the source.
func (w *work) listAll(f changelog.FID) { w.lists = append(w.lists, listing{f, true}) }

// listThem lists directories.
func (w *work) listThem(ctx context.Context) error {
	lists := w.lists
	w.lists = nil
	if far, ok := w.m.src.(foresight); ok {
		dirs := make([]changelog.FID, len(lists))
		for i, l := range lists {
			dirs[i] = l.dir
		}
		if err := far.expectLists(dirs); err != nil {
			return err
		}
	}
	for _, l := range lists {
		if err := w.listOne(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) listOne(ctx context.Context, l listing) error {
	names, err := w.m.src.list(l.dir)
	if err != nil || !l.all {
		return errors.Join(err, w.addListed(ctx, l.dir, names))
	}
	children, err := w.m.st.children(l.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		delete(children, n)
	}
	for n := range children {
		names = append(names, n)
	}
	return w.addListed(ctx, l.dir, names)
}

func (w *work) addListed(ctx context.Context, dir changelog.FID, names []string) error {
	for _, n := range names {
		w.addName(name{dir, n})
	}
	w.addObject(dir)
	return ctx.Err()
}

// clean removes what is parked and not on the source any more. The rest waits: a record
// to come tells where it is.
func (w *work) clean() error {
	if far, ok := w.m.src.(foresight); ok && len(w.m.st.staged) > 0 {
		if err := far.expectFates(slices.Collect(keys(w.m.st.staged))); err != nil {
			return err
		}
	}
	for f := range w.m.st.staged {
		alive, err := w.m.src.alive(f)
		if err != nil {
			return err
		}
		if !alive {
			if err := w.m.dst.removeStaged(f); err != nil {
				return err
			}
			w.m.st.troubles.shown(f)
		}
	}
	return nil
}
