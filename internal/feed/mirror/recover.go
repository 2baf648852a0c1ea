// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-io/weir/changelog"
)

// recover puts right what a batch left that was cut short: the state says what the
// target had before, the intents which names may have changed since. It returns the
// names that the next batch has to look at.
func (m *Mirror) recover(ctx context.Context) ([]name, error) {
	if err := m.recoverStaged(); err != nil {
		return nil, err
	}
	if len(m.st.intents)+len(m.st.made) == 0 {
		return nil, nil
	}
	m.log.Info("putting right what an interrupted batch left", "names", len(m.st.intents), "objects", len(m.st.made))
	names := make([]name, 0, len(m.st.intents))
	for n := range m.st.intents {
		if n.parent != m.src.topFID() || !isLeftOut(n.name) {
			names = append(names, n)
		}
	}
	names, err := m.recoverNames(ctx, names)
	if err != nil {
		return nil, err
	}
	if err := m.recoverMade(); err != nil {
		return nil, err
	}
	return names, m.forgetLost(ctx, names)
}

// recoverMade has copies looked at that the interrupted batch had made. Those that are
// parked it removes, with nothing in them they are made anew.
func (m *Mirror) recoverMade() error {
	for f, c := range m.st.made {
		switch {
		case m.st.staged[f]:
			done, err := m.dst.dropEmpty(f)
			if err != nil {
				return err
			}
			if !done {
				m.st.troubles.hide(f)
			}
		case c.isDir:
			m.surveys.add(f, false)
		default:
			m.again[f] = m.again[f] || false
		}
	}
	return nil
}

// recoverStaged takes what is parked as it is on the disk: what the state knows stays,
// the rest is removed.
func (m *Mirror) recoverStaged() error {
	f, err := os.Open(filepath.Join(m.dst.dir, ownDir, "staged"))
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	clear(m.st.staged)
	for _, base := range found {
		h, err := m.dst.handleAt(m.dst.stage, base)
		if err != nil {
			return err
		}
		origin, ok, err := m.st.originOf(h)
		if err != nil {
			return err
		}
		if ok && stagedName(origin) == base {
			m.st.staged[origin] = true
			continue
		}
		path := filepath.Join(f.Name(), base)
		if err := removeAll(path, path); err != nil {
			return err
		}
	}
	return nil
}

// recovery compares the names of intents with the disk. A name whose directory has no way to it
// waits: the directory may be found at another of them, with names below it that could not be
// seen before.
type recovery struct {
	m       *Mirror
	names   []name // all of them; more come to be doubted
	next    int    // those before were looked at
	waiting map[changelog.FID][]name
}

// recoverNames has the state as the disk is at names. It returns them with those that came to
// be doubted.
func (m *Mirror) recoverNames(ctx context.Context, names []name) ([]name, error) {
	r := &recovery{m: m, names: names, waiting: map[changelog.FID][]name{}}
	again := []name{}
	for r.next < len(r.names) || len(again) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var n name
		if last := len(again) - 1; last >= 0 {
			n, again = again[last], again[:last]
		} else {
			n = r.names[r.next]
			r.next++
		}
		free, err := r.name(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("name %q in %v: %w", n.name, n.parent, err)
		}
		again = append(again, free...)
	}
	return r.names, nil
}

// name has the state as the disk is at one name. It returns names that waited for that.
func (r *recovery) name(ctx context.Context, n name) (free []name, err error) {
	was, err := r.m.st.dirent(n)
	if err != nil {
		return nil, err
	}
	moved, err := r.m.recoverName(n)
	var lost *lostError
	if errors.As(err, &lost) {
		r.waiting[lost.dir] = append(r.waiting[lost.dir], n)
		moved, err = true, r.m.st.set(n, changelog.FID{}) // it is seen later, or not at all
		if was.IsZero() {
			return nil, err
		}
	}
	if err != nil || !moved {
		return nil, err
	}
	is, err := r.m.st.dirent(n)
	if err != nil {
		return nil, err
	}
	if _, opened := r.m.dst.opened[is]; opened || !was.IsZero() {
		r.m.dst.forget() // by the way that is no more
	}
	for _, dir := range []changelog.FID{was, is} {
		free = append(free, r.waiting[dir]...)
		delete(r.waiting, dir)
	}
	doubted, err := r.m.doubtOthers(ctx, n)
	r.names = append(r.names, doubted...)
	return free, err
}

// doubtOthers returns another name, which was not looked at, of what was found at one.
func (m *Mirror) doubtOthers(ctx context.Context, n name) ([]name, error) {
	f, err := m.st.dirent(n)
	if err != nil || f.IsZero() {
		return nil, err
	}
	links, err := m.st.links(f)
	links = slices.DeleteFunc(links, func(l name) bool { return m.st.intents[l] })
	if err != nil || len(links) == 0 {
		return nil, err
	}
	return links, m.st.intend(ctx, links)
}

// recoverName makes the state have one name as the disk has it. An object at it that the
// state does not know is of others' making: what the interrupted batch has made was written
// down before it got a name.
func (m *Mirror) recoverName(n name) (changed bool, err error) {
	have, err := m.st.dirent(n)
	if err != nil {
		return false, err
	}
	found, h, err := m.onDisk(n)
	switch {
	case err != nil:
		return false, err
	case found == have && (h != "" || have.IsZero()) && !(h != "" && found.IsZero()):
		return false, nil
	case h != "" && found.IsZero():
		if !m.opts.TakeOver {
			return false, &ChangedError{Path: m.dst.path(n), What: "what is there is none of the mirror's making", at: n}
		}
		if err := m.removeUnknown(n); err != nil {
			return false, err
		}
	}
	if found == have {
		return false, nil
	}
	return true, m.st.set(n, found)
}

// onDisk returns what is at a name of the target: the object of the source that it is a
// copy of, zero if it is none, and its handle, empty if nothing is there. It fails with
// lostError where its directory has no way to it.
func (m *Mirror) onDisk(n name) (f changelog.FID, h handle, err error) {
	dir, err := m.dst.openDir(n.parent)
	var other *ChangedError
	if errors.As(err, &other) { // a directory on the way is not where the state has it
		is, err := m.st.dirent(other.at)
		if err != nil {
			return f, "", err
		}
		return f, "", &lostError{is}
	}
	if err != nil {
		return f, "", err
	}
	h, err = m.dst.handleAt(dir, n.name)
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return f, "", err
	}
	f, ok, err := m.st.originOf(h)
	if err != nil {
		return f, h, err
	}
	if !ok {
		f = changelog.FID{}
	}
	folded, err := m.dst.isFolded(dir, n, f)
	if folded {
		return changelog.FID{}, "", err
	}
	return f, h, err
}

// removeUnknown removes an object that is not the mirror's.
func (m *Mirror) removeUnknown(n name) error {
	dir, err := m.dst.openDir(n.parent)
	if err != nil {
		return err
	}
	return removeAll(fmt.Sprintf("/proc/self/fd/%d/%s", dir, n.name), m.dst.path(n))
}

// forgetLost forgets objects that have no name on the target and are not parked, with
// what is below them.
func (m *Mirror) forgetLost(ctx context.Context, names []name) error {
	seen := map[changelog.FID]bool{}
	for _, was := range m.st.was {
		seen[was] = true
	}
	for f := range m.st.made {
		seen[f] = true
	}
	for _, n := range names {
		f, _, err := m.st.j.Dirent(n.parent, []byte(n.name))
		if err != nil {
			return err
		}
		seen[f] = true
	}
	for f := range seen {
		if f.IsZero() || m.st.staged[f] {
			continue
		}
		links, err := m.st.links(f)
		if err != nil {
			return err
		}
		if len(links) == 0 {
			if err := m.st.forgetTree(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}
