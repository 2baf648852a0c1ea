// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

// state is what the target has, by the last commit and by the batch under way. It is
// kept as the index of a journal that has no records.
type state struct {
	store journal.Store
	j     journal.Journal

	// Changed since the commit.
	names   map[name]changelog.FID          // zero: gone
	was     map[name]changelog.FID          // before that
	added   map[changelog.FID]map[name]bool // names that stand for an object now
	within  map[changelog.FID][]string      // changed names by their directories
	copies  map[changelog.FID]handle
	origins map[handle]changelog.FID

	staged  map[changelog.FID]bool
	intents map[name]bool // all of them are stored
	// made are copies that were made since the commit; all of them are stored. True: of a
	// directory.
	made map[changelog.FID]bool

	troubles troubles
	waiting  waiting

	through uint64
	about   identity
	stopped *Stop // for what others have changed; nil: it may go on

	surveys map[changelog.FID]bool // directories to be looked at as they are stored; true: with what is below
}

// handle is that of an object of the target; empty if there is none.
type handle string

// identity says what the state is of: a mirror does not go on with another source.
type identity struct {
	Source string `json:"source"`
	UUID   string `json:"uuid"`
	Top    string `json:"top"`
	Feed   string `json:"feed"`
	Done   bool   `json:"done"` // the first copy was completed
}

// waiting is what the next batch looks at whatever the feed tells.
type waiting struct {
	Names   []waitingName   `json:"names,omitempty"`
	Objects []changelog.FID `json:"objects,omitempty"` // to be copied
}

// waitingName is a name; JSON has no room for all bytes in strings.
type waitingName struct {
	Parent changelog.FID `json:"parent"`
	Name   []byte        `json:"name"`
}

// stateUUID is what the state calls itself in its store, which has nothing else.
var stateUUID = journal.UUID{'w', 'e', 'i', 'r', ' ', 'm', 'i', 'r', 'r', 'o', 'r'}

// Keys of values.
const (
	keyAbout   = "about"
	keyStaged  = "staged"
	keyThrough = "through"
	keyTrouble = "trouble"
	keyWaiting = "waiting"
	keyStopped = "stopped"
	keyCopy    = "copy:"   // FID of the source → handle of the target
	keyOrigin  = "origin:" // the reverse
)

// intentDir is the directory that intents are stored in as names: no object of a file
// system has this FID. A name in it is the FID of a directory, in 16 bytes, and a name.
// All of them stand for intended, which is no object either.
var (
	intentDir = changelog.FID{Seq: changelog.FIDTable, OID: 1}
	intended  = changelog.FID{Seq: changelog.FIDTable, OID: 2}
)

// madeDir is the same for copies that were made: a name in it is a FID, in 16 bytes, and
// the handle of its copy. It stands for madeFile or madeTree.
var (
	madeDir  = changelog.FID{Seq: changelog.FIDTable, OID: 3}
	madeFile = changelog.FID{Seq: changelog.FIDTable, OID: 4}
	madeTree = changelog.FID{Seq: changelog.FIDTable, OID: 5}
)

// surveyDir is the same for directories that are to be looked at: a name in it is a FID, in
// 16 bytes, and a byte. It stands for surveyOne or surveyDeep.
var (
	surveyDir  = changelog.FID{Seq: changelog.FIDTable, OID: 7}
	surveyFlat = changelog.FID{Seq: changelog.FIDTable, OID: 8}
	surveyDeep = changelog.FID{Seq: changelog.FIDTable, OID: 9}
)

func surveyName(dir changelog.FID) []byte { return appendIntent(name{dir, "."}) }

func surveyKind(deep bool) changelog.FID {
	if deep {
		return surveyDeep
	}
	return surveyFlat
}

// openState opens the state of a mirror below the target's own directory.
func openState(dir string) (*state, error) {
	store, err := journal.OpenStore(filepath.Join(dir, "state"), journal.Options{CacheBytes: 16 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		return nil, err
	}
	j, err := store.Open(stateUUID)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s := &state{store: store, j: j}
	s.forget()
	if err := s.load(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return s, nil
}

// forget drops what was not committed.
func (s *state) forget() {
	s.names, s.was = map[name]changelog.FID{}, map[name]changelog.FID{}
	s.added, s.within = map[changelog.FID]map[name]bool{}, map[changelog.FID][]string{}
	s.copies, s.origins = map[changelog.FID]handle{}, map[handle]changelog.FID{}
}

func (s *state) load() error {
	s.staged, s.intents, s.made = map[changelog.FID]bool{}, map[name]bool{}, map[changelog.FID]bool{}
	s.stopped = nil
	if err := s.troubles.load(nil); err != nil {
		return err
	}
	for key, into := range map[string]func([]byte) error{
		keyAbout:   func(b []byte) error { return json.Unmarshal(b, &s.about) },
		keyTrouble: s.troubles.load,
		keyWaiting: func(b []byte) error { return json.Unmarshal(b, &s.waiting) },
		keyStopped: func(b []byte) error { return json.Unmarshal(b, &s.stopped) },
		keyThrough: func(b []byte) error {
			s.through = binary.LittleEndian.Uint64(b)
			return nil
		},
		keyStaged: func(b []byte) error {
			var all []changelog.FID
			err := json.Unmarshal(b, &all)
			for _, f := range all {
				s.staged[f] = true
			}
			return err
		},
	} {
		b, err := s.j.Meta(key)
		if err == nil && len(b) > 0 {
			err = into(b)
		}
		if err != nil {
			return fmt.Errorf("mirror's state: %s: %w", key, err)
		}
	}
	err := s.j.Children(intentDir, func(b []byte, _ changelog.FID) bool {
		if n, ok := parseIntent(b); ok {
			s.intents[n] = true
		}
		return true
	})
	if err != nil {
		return err
	}
	err = s.j.Children(madeDir, func(b []byte, kind changelog.FID) bool {
		if n, ok := parseIntent(b); ok {
			s.made[n.parent] = kind == madeTree
			s.setCopy(n.parent, handle(n.name))
		}
		return true
	})
	if err != nil {
		return err
	}
	s.surveys = map[changelog.FID]bool{}
	return s.j.Children(surveyDir, func(b []byte, kind changelog.FID) bool {
		if n, ok := parseIntent(b); ok {
			s.surveys[n.parent] = kind == surveyDeep
		}
		return true
	})
}

// appendIntent makes a name what stands for it among the intents.
func appendIntent(n name) []byte {
	b := binary.BigEndian.AppendUint64(nil, n.parent.Seq)
	b = binary.BigEndian.AppendUint32(b, n.parent.OID)
	b = binary.BigEndian.AppendUint32(b, n.parent.Ver)
	return append(b, n.name...)
}

// parseIntent is the reverse of appendIntent.
func parseIntent(b []byte) (name, bool) {
	if len(b) <= 16 {
		return name{}, false
	}
	f := changelog.FID{Seq: binary.BigEndian.Uint64(b), OID: binary.BigEndian.Uint32(b[8:]), Ver: binary.BigEndian.Uint32(b[12:])}
	return name{f, string(b[16:])}, true
}

// dirent returns what a name stands for on the target, as a FID of the source.
func (s *state) dirent(n name) (changelog.FID, error) {
	if f, ok := s.names[n]; ok {
		return f, nil
	}
	f, _, err := s.j.Dirent(n.parent, []byte(n.name))
	return f, err
}

// set lets a name stand for f, zero for nothing.
func (s *state) set(n name, f changelog.FID) error {
	if _, ok := s.was[n]; !ok {
		was, err := s.dirent(n)
		if err != nil {
			return err
		}
		s.was[n] = was
		s.within[n.parent] = append(s.within[n.parent], n.name)
	}
	if now := s.names[n]; !now.IsZero() {
		delete(s.added[now], n)
	}
	s.names[n] = f
	if f.IsZero() {
		return nil
	}
	if s.added[f] == nil {
		s.added[f] = map[name]bool{}
	}
	s.added[f][n] = true
	return nil
}

// links returns names of an object on the target, two at most: a file may have many.
func (s *state) links(f changelog.FID) ([]name, error) { return s.someLinks(f, 2) }

// someLinks returns so many names of an object at most.
func (s *state) someLinks(f changelog.FID, most int) ([]name, error) {
	var all []name
	for n := range s.added[f] {
		if len(all) == most {
			return all, nil
		}
		all = append(all, n)
	}
	err := s.j.Links(f, func(parent changelog.FID, b []byte) bool {
		n := name{parent, string(b)}
		if _, changed := s.names[n]; !changed {
			all = append(all, n)
		}
		return len(all) < most
	})
	return all, err
}

// children returns the names in a directory of the target.
func (s *state) children(dir changelog.FID) (map[string]changelog.FID, error) {
	all := map[string]changelog.FID{}
	err := s.j.Children(dir, func(b []byte, f changelog.FID) bool {
		all[string(b)] = f
		return true
	})
	for _, n := range s.within[dir] {
		if f := s.names[name{dir, n}]; f.IsZero() {
			delete(all, n)
		} else {
			all[n] = f
		}
	}
	return all, err
}

// childrenAfter returns names in a directory of the target behind one, as they were
// committed, so many at most: fewer are the last ones.
func (s *state) childrenAfter(dir changelog.FID, after string, most int) (names []string, err error) {
	err = s.j.ChildrenAfter(dir, []byte(after), func(b []byte, _ changelog.FID) bool {
		names = append(names, string(b))
		return len(names) < most
	})
	return names, err
}

// childrenNow returns names in a directory of the target, so many at most: fewer are all.
func (s *state) childrenNow(dir changelog.FID, most int) (names []name, err error) {
	for _, b := range s.within[dir] {
		if n := (name{dir, b}); !s.names[n].IsZero() && len(names) < most {
			names = append(names, n)
		}
	}
	if len(names) == most {
		return names, nil
	}
	err = s.j.Children(dir, func(b []byte, _ changelog.FID) bool {
		n := name{dir, string(b)}
		if _, changed := s.names[n]; !changed {
			names = append(names, n)
		}
		return len(names) < most
	})
	return names, err
}

// copyOf returns the handle of the copy of an object, empty if there is none.
func (s *state) copyOf(f changelog.FID) (handle, error) {
	if h, ok := s.copies[f]; ok {
		return h, nil
	}
	b, err := s.j.Meta(keyCopy + fidKey(f))
	return handle(b), err
}

// originOf returns the object that a handle of the target is the copy of.
func (s *state) originOf(h handle) (f changelog.FID, ok bool, err error) {
	if f, ok := s.origins[h]; ok {
		return f, s.copies[f] == h, nil
	}
	b, err := s.j.Meta(keyOrigin + string(h))
	if err != nil || len(b) == 0 {
		return f, false, err
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, false, err
	}
	if now, changed := s.copies[f]; changed && now != h {
		return f, false, nil
	}
	return f, true, nil
}

// setCopy says which object of the target is the copy of f; empty: none is.
func (s *state) setCopy(f changelog.FID, h handle) {
	s.copies[f] = h
	if h != "" {
		s.origins[h] = f
	}
}

func fidKey(f changelog.FID) string { return fmt.Sprintf("%x.%x.%x", f.Seq, f.OID, f.Ver) }

// copied is a copy that was made, and is parked yet.
type copied struct {
	of    changelog.FID
	is    handle
	isDir bool
}

// intend writes down names that are going to be touched, and copies that were made,
// durably: from then on those may have their names.
func (s *state) intend(ctx context.Context, names []name, made ...copied) error {
	var b journal.Batch
	b.Reset(s.next())
	for _, c := range made {
		kind := madeFile
		if c.isDir {
			kind = madeTree
		}
		b.PutDirent(madeDir, appendIntent(name{c.of, string(c.is)}), kind)
	}
	for _, n := range names {
		if !s.intents[n] {
			s.intents[n] = true
			b.PutDirent(intentDir, appendIntent(n), intended)
		}
	}
	if b.Empty() {
		return nil
	}
	if err := s.j.Apply(ctx, &b); err != nil {
		return err
	}
	for _, c := range made {
		s.made[c.of], s.staged[c.of] = c.isDir, true
		s.setCopy(c.of, c.is)
	}
	return nil
}

// stop writes down that others have changed the target.
func (s *state) stop(ctx context.Context, why *Stop) error {
	doc, err := json.Marshal(why)
	if err != nil {
		return err
	}
	s.stopped = why
	var b journal.Batch
	b.Reset(s.next())
	b.SetMeta(keyStopped, doc)
	return s.j.Apply(ctx, &b)
}

func (s *state) next() uint64 {
	_, last := s.j.Bounds()
	return last + 1
}

// commit makes all changes durable, with how far the feed was read, and ends the
// intents. The target must have been synced.
func (s *state) commit(ctx context.Context, through uint64, surveys map[changelog.FID]*survey) error {
	var b journal.Batch
	b.Reset(s.next())
	s.putSurveys(&b, surveys)
	for n, was := range s.was {
		now := s.names[n]
		if now == was {
			continue
		}
		if !was.IsZero() {
			b.DeleteDirent(n.parent, []byte(n.name), was)
		}
		if !now.IsZero() {
			b.PutDirent(n.parent, []byte(n.name), now)
		}
	}
	if err := s.putCopies(&b); err != nil {
		return err
	}
	staged, err := json.Marshal(slices.Collect(keys(s.staged)))
	if err != nil {
		return err
	}
	about, err := json.Marshal(s.about)
	if err != nil {
		return err
	}
	waiting, err := json.Marshal(s.waiting)
	if err != nil {
		return err
	}
	if s.troubles.changed {
		troubles, err := s.troubles.store()
		if err != nil {
			return err
		}
		b.SetMeta(keyTrouble, troubles)
	}
	b.SetMeta(keyWaiting, waiting)
	b.SetMeta(keyStaged, staged)
	b.SetMeta(keyAbout, about)
	b.SetMeta(keyThrough, binary.LittleEndian.AppendUint64(nil, through))
	for n := range s.intents {
		b.DeleteDirent(intentDir, appendIntent(n), intended)
	}
	if err := s.endMade(&b); err != nil {
		return err
	}
	if s.stopped != nil {
		b.SetMeta(keyStopped, nil)
	}
	if err := s.j.Apply(ctx, &b); err != nil {
		return err
	}
	clear(s.intents)
	clear(s.made)
	s.stopped = nil
	clear(s.surveys)
	for dir, is := range surveys {
		s.surveys[dir] = is.deep
	}
	s.troubles.changed = false
	s.through = through
	s.forget()
	return nil
}

// endMade takes away what was stored of copies that were made: they are in the state as
// all others from now on.
func (s *state) endMade(b *journal.Batch) error {
	if len(s.made) == 0 {
		return nil
	}
	return s.j.Children(madeDir, func(n []byte, kind changelog.FID) bool {
		b.DeleteDirent(madeDir, n, kind)
		return true
	})
}

// putSurveys stores which directories are to be looked at.
func (s *state) putSurveys(b *journal.Batch, surveys map[changelog.FID]*survey) {
	for dir, deep := range s.surveys {
		if now := surveys[dir]; now == nil || now.deep != deep {
			b.DeleteDirent(surveyDir, surveyName(dir), surveyKind(deep))
		}
	}
	for dir, now := range surveys {
		if deep, is := s.surveys[dir]; !is || deep != now.deep {
			b.PutDirent(surveyDir, surveyName(dir), surveyKind(now.deep))
		}
	}
}

// putCopies stores which object is the copy of which, in both directions.
func (s *state) putCopies(b *journal.Batch) error {
	for f, h := range s.copies {
		old, err := s.j.Meta(keyCopy + fidKey(f))
		if err != nil {
			return err
		}
		if len(old) > 0 && handle(old) != h {
			b.SetMeta(keyOrigin+string(old), nil)
		}
	}
	for f, h := range s.copies {
		b.SetMeta(keyCopy+fidKey(f), []byte(h))
		if h == "" {
			continue
		}
		doc, err := json.Marshal(f)
		if err != nil {
			return err
		}
		b.SetMeta(keyOrigin+string(h), doc)
	}
	return nil
}

func (s *state) close() error { return s.store.Close() }

// keys gives the keys of a set.
func keys[K comparable](m map[K]bool) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k, in := range m {
			if in && !yield(k) {
				return
			}
		}
	}
}
