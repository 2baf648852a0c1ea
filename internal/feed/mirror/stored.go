// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
)

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
	s, err := openStored(dir)
	return s, explain(dir, err)
}

func openStored(dir string) (*state, error) {
	store, err := openStore(dir)
	if err != nil {
		return nil, err
	}
	j, err := store.Open(stateUUID)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s := &state{own: dir, store: store, j: j}
	s.forget()
	if err := s.load(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return s, nil
}

func (s *state) load() error {
	s.staged, s.intents, s.made = map[changelog.FID]bool{}, map[name]bool{}, map[changelog.FID]copied{}
	s.stopped, s.waiting, s.about = nil, waiting{}, identity{}
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
			s.made[n.parent] = copied{n.parent, handle(n.name), kind == madeTree}
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

// copied is a copy that was made, and is parked yet.
type copied struct {
	of    changelog.FID
	is    handle
	isDir bool
}

func (c *copied) key() []byte { return appendIntent(name{c.of, string(c.is)}) }

func (c *copied) kind() changelog.FID {
	if c.isDir {
		return madeTree
	}
	return madeFile
}

// intend writes down names that are going to be touched, and copies that were made,
// durably: from then on those may have their names.
func (s *state) intend(ctx context.Context, names []name, made ...copied) error {
	var b journal.Batch
	b.Reset(s.next())
	for _, c := range made {
		if old, is := s.made[c.of]; is { // it was dropped, and the object's copy is this one
			b.DeleteDirent(madeDir, old.key(), old.kind())
		}
		b.PutDirent(madeDir, c.key(), c.kind())
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
	if err := s.apply(ctx, &b); err != nil {
		return err
	}
	for _, c := range made {
		s.made[c.of], s.staged[c.of] = c, true
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
	return s.apply(ctx, &b)
}

// apply makes changes durable.
func (s *state) apply(ctx context.Context, b *journal.Batch) error {
	return explain(s.own, s.j.Apply(ctx, b))
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
	if err := errors.Join(s.putCopies(&b), s.putValues(&b)); err != nil {
		return err
	}
	b.SetMeta(keyThrough, binary.LittleEndian.AppendUint64(nil, through))
	for n := range s.intents {
		b.DeleteDirent(intentDir, appendIntent(n), intended)
	}
	s.endMade(&b)
	if s.stopped != nil {
		b.SetMeta(keyStopped, nil)
	}
	if err := s.apply(ctx, &b); err != nil {
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

// putValues stores what is kept as one value each.
func (s *state) putValues(b *journal.Batch) error {
	for key, value := range map[string]any{keyStaged: slices.Collect(keys(s.staged)), keyAbout: s.about, keyWaiting: s.waiting} {
		doc, err := json.Marshal(value)
		if err != nil {
			return err
		}
		b.SetMeta(key, doc)
	}
	if !s.troubles.changed {
		return nil
	}
	doc, err := s.troubles.store()
	if err == nil {
		b.SetMeta(keyTrouble, doc)
	}
	return err
}

// endMade takes away what was stored of copies that were made: they are in the state as
// all others from now on.
func (s *state) endMade(b *journal.Batch) {
	for _, c := range s.made {
		b.DeleteDirent(madeDir, c.key(), c.kind())
	}
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
		old, err := s.storedCopyOf(f)
		if err != nil {
			return err
		}
		if old != "" && old != h {
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

func (s *state) close() error { return explain(s.own, s.store.Close()) }
