// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/weir-io/weir/changelog"
)

// Trouble is something of the source that the target has not, or not as it is there.
type Trouble struct {
	Kind  TroubleKind `json:"kind"`
	Path  string      `json:"path"`               // on the target
	Bytes []byte      `json:"path_b64,omitempty"` // the same, where that is not UTF-8
	Error string      `json:"error"`
	Tries int         `json:"tries"`
	Since time.Time   `json:"since"`
}

// TroubleKind says what a trouble is about.
type TroubleKind string

// Kinds of troubles.
const (
	Unmirrorable TroubleKind = "unmirrorable" // a name that the target cannot have
	Failing      TroubleKind = "failing"      // an object that could not be made equal
)

// Bounds of troubles.
const (
	triesListed  = 3           // failures of an object until it is listed
	troubleRetry = time.Minute // from then on it is tried so often
	maxTroubles  = 10_000      // a target with more is none for this source
)

// subject is what a trouble is about: a name, or else an object.
type subject struct {
	name   name
	object changelog.FID
	list   bool // the names in it
}

// trouble is a Trouble, and when it is tried again.
type trouble struct {
	Trouble
	next time.Time // zero: at once
}

func (t *trouble) listed() bool { return t.Kind == Unmirrorable || t.Tries >= triesListed }

// troubles are those of a target. They outlive the process; all are tried again at its
// start.
type troubles struct {
	all map[subject]*trouble
	// hidden are directories that are parked for want of a name that the target can have:
	// what changes below them meanwhile is not done.
	hidden  map[changelog.FID]bool
	changed bool // since they were stored
}

// storedTrouble is a trouble in the state; hidden directories are in it as their FIDs only.
type storedTrouble struct {
	Parent changelog.FID `json:"parent"`
	Name   []byte        `json:"name,omitempty"`
	Object changelog.FID `json:"object"`
	Hidden bool          `json:"hidden,omitempty"`
	List   bool          `json:"list,omitempty"`
	Trouble
}

func (ts *troubles) load(b []byte) error {
	ts.all, ts.hidden = map[subject]*trouble{}, map[changelog.FID]bool{}
	if len(b) == 0 {
		return nil
	}
	var stored []storedTrouble
	if err := json.Unmarshal(b, &stored); err != nil {
		return err
	}
	for _, s := range stored {
		if s.Hidden {
			ts.hidden[s.Object] = true
			continue
		}
		ts.all[subject{name{s.Parent, string(s.Name)}, s.Object, s.List}] = &trouble{Trouble: s.Trouble}
	}
	return nil
}

func (ts *troubles) store() ([]byte, error) {
	stored := []storedTrouble{}
	for s, t := range ts.all {
		stored = append(stored, storedTrouble{Parent: s.name.parent, Name: []byte(s.name.name), Object: s.object, List: s.list, Trouble: t.Trouble})
	}
	for f := range ts.hidden {
		stored = append(stored, storedTrouble{Object: f, Hidden: true})
	}
	return json.Marshal(stored)
}

// note notes that something failed once more, and returns the trouble.
func (ts *troubles) note(s subject, kind TroubleKind, path string, err error) (*trouble, error) {
	t := ts.all[s]
	if t == nil {
		if len(ts.all) >= maxTroubles {
			return nil, fmt.Errorf("the target is not able to have %d names or objects of the source, the last: %w", len(ts.all)+1, err)
		}
		t = &trouble{Trouble: Trouble{Kind: kind, Since: time.Now().UTC()}}
		ts.all[s] = t
	}
	t.Path, t.Bytes, t.Error = path, nil, err.Error()
	if !utf8.ValidString(path) {
		t.Bytes = []byte(path)
	}
	t.Tries++
	t.next = time.Now().Add(troubleRetry)
	ts.changed = true
	return t, nil
}

// over notes that something is as it should be.
func (ts *troubles) over(s subject) {
	if _, is := ts.all[s]; is {
		delete(ts.all, s)
		ts.changed = true
	}
}

// hide notes that a directory is hidden.
func (ts *troubles) hide(f changelog.FID) { ts.hidden[f], ts.changed = true, true }

// shown tells that a directory is not hidden any more, and whether it was.
func (ts *troubles) shown(f changelog.FID) bool {
	was := ts.hidden[f]
	if was {
		delete(ts.hidden, f)
		ts.changed = true
	}
	return was
}

// due returns what is tried now, and when the next is to be; zero: never.
func (ts *troubles) due(now time.Time) (subjects []subject, next time.Time) {
	for s, t := range ts.all {
		switch {
		case !t.next.After(now):
			subjects = append(subjects, s)
			t.next = now.Add(troubleRetry)
		case next.IsZero() || t.next.Before(next):
			next = t.next
		}
	}
	return subjects, next
}

// list returns those that people are told of, by their paths.
func (ts *troubles) list() []Trouble {
	all := []Trouble{}
	for _, t := range ts.all {
		if t.listed() {
			all = append(all, t.Trouble)
		}
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// Troubles returns what the target has not as it is on the source.
func (m *Mirror) Troubles() []Trouble { return m.st.troubles.list() }

// errRefused is the error of a name that the target cannot have, when that is noted.
var errRefused = errors.New("the target cannot have it")

// refused notes that the target cannot have a name of an object; other errors it returns
// as they are. A directory that is parked is hidden from now on.
func (w *work) refused(n name, f changelog.FID, isDir bool, err error) error {
	var r *RefusedError
	if !errors.As(err, &r) {
		return err
	}
	ts := &w.m.st.troubles
	t, full := ts.note(subject{name: n}, Unmirrorable, r.Path, err)
	if full != nil {
		return full
	}
	if t.Tries == 1 {
		w.m.log.Warn("unmirrorable", "path", r.Path, "error", err)
	}
	if isDir && w.m.st.staged[f] {
		ts.hide(f)
	}
	return errRefused
}

// failed notes that an object could not be made equal, where the error is of that object
// only; other errors it returns.
func (w *work) failed(f changelog.FID, path string, err error) error {
	var other *ChangedError
	if errors.As(err, &other) || !isOneOf(err, objectErrors) && !isOfSource(err) {
		return err
	}
	t, full := w.m.st.troubles.note(subject{object: f}, Failing, path, err)
	if full != nil {
		return full
	}
	if _, is := w.m.again[f]; !is && t.Tries < triesListed {
		w.m.again[f] = false
	}
	w.warn(t, path, err)
	return nil
}

// retryClashes has names looked at again that the target could not tell from one that it
// has no more.
func (w *work) retryClashes(dir changelog.FID) {
	if !w.m.dst.folds {
		return
	}
	for s := range w.m.st.troubles.all {
		if s.name.parent == dir && s.object.IsZero() {
			delete(w.known, s.name)
			w.addName(s.name)
		}
	}
}
