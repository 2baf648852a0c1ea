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
func (m *Mirror) recover() ([]name, error) {
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
	names, err := m.recoverNames(names)
	if err != nil {
		return nil, err
	}
	if err := m.recoverMade(); err != nil {
		return nil, err
	}
	return names, m.forgetLost(names)
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

// recoverNames compares the names of intents with the disk until nothing changes: a
// directory that is found at one has names below it that could not be seen before, and may
// not be where the state had it. It returns the names with those that came to be doubted.
func (m *Mirror) recoverNames(names []name) ([]name, error) {
	for changed := true; changed; {
		changed = false
		for _, n := range names {
			moved, err := m.recoverName(n)
			if err != nil {
				return nil, fmt.Errorf("name %q in %v: %w", n.name, n.parent, err)
			}
			if !moved {
				continue
			}
			changed = true
			doubted, err := m.doubtOthers(n)
			if err != nil {
				return nil, err
			}
			names = append(names, doubted...)
		}
	}
	return names, nil
}

// doubtOthers returns another name, which was not looked at, of what was found at one.
func (m *Mirror) doubtOthers(n name) ([]name, error) {
	f, err := m.st.dirent(n)
	if err != nil || f.IsZero() {
		return nil, err
	}
	links, err := m.st.links(f)
	links = slices.DeleteFunc(links, func(l name) bool { return m.st.intents[l] })
	if err != nil || len(links) == 0 {
		return nil, err
	}
	return links, m.st.intend(context.Background(), links)
}

// recoverName makes the state have one name as the disk has it. An object at it that the
// state does not know is of others' making: what the interrupted batch has made was written
// down before it got a name.
func (m *Mirror) recoverName(n name) (changed bool, err error) {
	m.dst.forget()
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
// copy of, zero if it is none, and its handle, empty if nothing is there.
func (m *Mirror) onDisk(n name) (f changelog.FID, h handle, err error) {
	dir, err := m.dst.openDir(n.parent)
	var other *ChangedError
	if errors.Is(err, errLost) || errors.As(err, &other) {
		return f, "", nil // its directory is not where the state has it: seen later, or not at all
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
func (m *Mirror) forgetLost(names []name) error {
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
			if err := m.st.forgetTree(context.Background(), f); err != nil {
				return err
			}
		}
	}
	return nil
}
