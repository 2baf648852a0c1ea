// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// load reads what is kept in memory and looks whether the ends of the records are
// where they are said to be.
func (s *source) load() error {
	err := s.loadState()
	if err == nil {
		err = s.loadMarks()
	}
	if s.d.opts.salvage {
		return s.guess(err)
	}
	if err != nil {
		return err
	}
	return s.checkEnds()
}

// guess takes for the ends of the records what can be read of them, where nothing
// says what they are.
func (s *source) guess(fault error) error {
	if fault == nil {
		return nil
	}
	s.d.log.Warn("feed journal damaged", "source", s.uuid.String(), "err", fault)
	prefix := appendPrefix(nil, keyRecord, s.number)
	it, err := s.d.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return readFault(s.d.dir, prefix, err)
	}
	defer it.Close()
	s.state, s.first, s.marks = state{}, 1, nil
	if it.First() {
		s.first = max(indexOf(it.Key()), 1)
		s.state.last = s.first - 1
	}
	if it.Last() {
		s.state.last = indexOf(it.Key())
	}
	return nil
}

// loadState reads where the records begin and end.
func (s *source) loadState() error {
	key := appendMetaOf(nil, metaState, s.number)
	v, err := s.d.get(key)
	switch {
	case err != nil:
		return err
	case v != nil && len(v) != stateLen:
		return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("a state of %d bytes, want %d", len(v), stateLen)}
	case v != nil:
		s.state = stateOf(v)
	}
	key = appendMetaOf(nil, metaFirst, s.number)
	v, err = s.d.get(key)
	switch {
	case err != nil:
		return err
	case v != nil && len(v) != 8:
		return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("an index of %d bytes, want 8", len(v))}
	case v != nil:
		s.first = binary.BigEndian.Uint64(v)
	}
	if s.first == 0 || s.first > s.state.last+1 {
		return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("first record %d, last %d", s.first, s.state.last)}
	}
	return nil
}

func (s *source) loadMarks() error {
	prefix := appendPrefix(nil, keyBytes, s.number)
	return s.d.scan(prefix, func(key, value []byte) error {
		if len(key) != recordLen || len(value) != 8 {
			return &CorruptError{Path: s.d.dir, Key: keyText(key), Err: fmt.Errorf("a count of %d bytes, want 8", len(value))}
		}
		s.marks = append(s.marks, mark{binary.BigEndian.Uint64(key[prefixLen:]), binary.BigEndian.Uint64(value)})
		return nil
	})
}

// checkEnds tells a journal whose records are not first to last.
func (s *source) checkEnds() error {
	prefix := appendPrefix(nil, keyRecord, s.number)
	it, err := s.d.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return readFault(s.d.dir, prefix, err)
	}
	defer it.Close()
	fault := func(what string, want uint64) error {
		return &CorruptError{
			Path: s.d.dir, Key: keyText(it.Key()),
			Err: fmt.Errorf("%s record of %s, want %d", what, s.uuid, want),
		}
	}
	switch ok := it.SeekGE(appendIndexed(nil, keyRecord, s.number, s.first)); {
	case ok && s.first > s.state.last:
		return fault("no", s.state.last)
	case ok && indexOf(it.Key()) != s.first:
		return fault("first", s.first)
	case !ok && it.Error() == nil && s.first <= s.state.last:
		return &CorruptError{Path: s.d.dir, Key: keyText(prefix), Err: fmt.Errorf("no record of %s, want %d to %d", s.uuid, s.first, s.state.last)}
	case ok && it.Last() && indexOf(it.Key()) != s.state.last:
		return fault("last", s.state.last)
	}
	return readFault(s.d.dir, prefix, it.Error())
}

// indexOf is the index in a record's key, 0 if that is none.
func indexOf(key []byte) uint64 {
	if len(key) != recordLen {
		return 0
	}
	return binary.BigEndian.Uint64(key[prefixLen:])
}
