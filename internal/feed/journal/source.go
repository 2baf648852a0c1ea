// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// markEvery is how many records lie between two that are stored with the bytes
// before them.
const markEvery = 4096

// source is the Journal of one source.
type source struct {
	// Immutable.
	d      *database
	uuid   UUID
	number uint32

	// applyMu is held by who changes the records, also while it waits for the commit.
	applyMu sync.Mutex
	// trimMu is held by who deletes records.
	trimMu sync.Mutex
	// pending is the commit that the Apply before has not waited for. Guarded by applyMu.
	pending *pending

	present present

	// Guarded by mu, which is taken after the others.
	mu      sync.Mutex
	state   state
	first   uint64
	marks   []mark        // in the order of indexes, the first one at or before first
	changed chan struct{} // nil: nobody waits
	removed bool
}

// mark is how many bytes all records before an index are.
type mark struct{ index, bytes uint64 }

// pending is a commit under way.
type pending struct {
	first uint64 // of its records
	done  chan struct{}
	// batch is what is committed, nil when its owner has it back. Guarded by source.mu.
	batch *Batch
}

func newSource(d *database, uuid UUID, number uint32) *source {
	return &source{d: d, uuid: uuid, number: number, first: 1}
}

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

// Apply commits a batch as a whole and durably. The indexes of its records must go
// on where the journal ends, or the error is a SequenceError.
//
// After another error the batch may still come to be committed: when there is room
// again, or because it had reached the disk. It is to be given again then, with more
// behind it or without; records of it that are there already are not appended twice.
func (s *source) Apply(ctx context.Context, b *Batch) error {
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	if s.isRemoved() {
		return ErrRemoved
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.d.room(); err != nil {
		return err
	}
	skip, err := s.known(b)
	if err != nil {
		return err
	}
	return s.apply(ctx, b, skip)
}

// settle waits for the commit that the Apply before did not.
func (s *source) settle(ctx context.Context) error {
	if s.pending == nil {
		return nil
	}
	trouble, err := s.d.disk.health()
	if err != nil {
		select {
		case <-s.pending.done:
			return nil
		default:
			return err
		}
	}
	select {
	case <-s.pending.done:
		return nil
	case <-trouble:
		_, err := s.d.disk.health()
		return err
	case <-ctx.Done():
		return fmt.Errorf("feed journal %s: commit before: %w", s.uuid, context.Cause(ctx))
	}
}

// known returns how many records of the batch are there already, which only those
// may be of which Apply did not know what became of them.
func (s *source) known(b *Batch) (int, error) {
	_, last := s.Bounds()
	if b.Len() == 0 || b.first == last+1 {
		s.pending = nil
		return 0, nil
	}
	wrong := &SequenceError{Source: s.uuid, Got: b.first, Want: last + 1}
	if s.pending == nil || b.first != s.pending.first || b.first > last || b.Next() <= last {
		return 0, wrong
	}
	c := Chunk{MaxRecords: int(last + 1 - b.first), MaxBytes: len(b.data) + 1}
	if err := s.Read(b.first, &c); err != nil {
		return 0, err
	}
	if n := len(c.Ends); n != c.MaxRecords || !slices.Equal(c.Ends, b.ends[:n]) || string(c.Data) != string(b.data[:b.ends[n-1]]) {
		return 0, wrong
	}
	return len(c.Ends), nil
}

// apply commits a batch but for the records that are skipped.
func (s *source) apply(ctx context.Context, b *Batch, skip int) error {
	s.mu.Lock()
	next := s.state
	s.mu.Unlock()
	pb := s.d.db.NewBatchWithSize(len(b.data) + len(b.bytes) + len(b.ends)*(recordLen+8) + len(b.ops)*140 + 128)
	marks := s.putRecords(pb, b, skip, &next)
	for i := range b.ops {
		s.putOp(pb, b, &b.ops[i])
	}
	if b.Serial != 0 {
		next.serial = b.Serial
	}
	pb.Set(appendMetaOf(nil, metaState, s.number), next.append(nil), nil)

	s.announce(b)
	p := &pending{first: b.first, done: make(chan struct{}), batch: b}
	result, err := s.d.start(pb, func(uint64) {
		s.finish(p, next, marks)
		close(p.done)
	})
	if err != nil {
		return err
	}
	s.pending = p
	if err := s.d.await(ctx, result); err != nil {
		s.mu.Lock()
		p.batch = nil
		s.mu.Unlock()
		return err
	}
	s.pending = nil
	return nil
}

// putRecords adds the records and what their bytes come to.
func (s *source) putRecords(pb *pebble.Batch, b *Batch, skip int, next *state) (marks []mark) {
	var key [recordLen]byte
	for i := skip; i < len(b.ends); i++ {
		rec, index := b.record(i), b.first+uint64(i)
		if index%markEvery == 0 {
			m := mark{index, next.bytes}
			marks = append(marks, m)
			pb.Set(appendIndexed(key[:0], keyBytes, s.number, index), binary.BigEndian.AppendUint64(nil, m.bytes), nil)
		}
		d := pb.SetDeferred(recordLen, len(rec))
		appendIndexed(d.Key[:0], keyRecord, s.number, index)
		copy(d.Value, rec)
		d.Finish()
		next.bytes += uint64(len(rec))
		next.last = index
	}
	return marks
}

// putOp adds a change of the index.
func (s *source) putOp(pb *pebble.Batch, b *Batch, o *op) {
	name := b.name(o)
	switch o.kind {
	case opPutObject:
		var buf [maxObject]byte
		v := b.objects[o.at].append(buf[:0])
		d := pb.SetDeferred(objectLen, len(v))
		appendObject(d.Key[:0], keyObject, s.number, o.fid)
		copy(d.Value, v)
		d.Finish()
	case opDeleteObject:
		d := pb.DeleteDeferred(objectLen)
		appendObject(d.Key[:0], keyObject, s.number, o.fid)
		d.Finish()
	case opPutDirent:
		d := pb.SetDeferred(objectLen+len(name), fidLen)
		appendDirent(d.Key[:0], s.number, o.fid, name)
		appendFID(d.Value[:0], o.target)
		d.Finish()
		d = pb.SetDeferred(objectLen+fidLen+len(name), 0)
		appendLink(d.Key[:0], s.number, o.target, o.fid, name)
		d.Finish()
	case opDeleteDirent:
		d := pb.DeleteDeferred(objectLen + len(name))
		appendDirent(d.Key[:0], s.number, o.fid, name)
		d.Finish()
		d = pb.DeleteDeferred(objectLen + fidLen + len(name))
		appendLink(d.Key[:0], s.number, o.target, o.fid, name)
		d.Finish()
	case opMeta:
		key := append(appendMetaOf(nil, metaValue, s.number), name...)
		if o.value == 0 {
			pb.Delete(key, nil)
			break
		}
		pb.Set(key, b.bytes[o.at+o.key:o.at+o.key+o.value], nil)
	}
}

// finish makes a commit known.
func (s *source) finish(p *pending, next state, marks []mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.d.index.end(s.number, p.batch)
	s.announce(p.batch)
	more := next.last != s.state.last
	s.state = next
	s.marks = append(s.marks, marks...)
	if more {
		s.wakeLocked()
	}
}

// Bounds tells the first index kept and the last given.
func (s *source) Bounds() (first, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.state.last
}

// Serial is that of the last batch that had one.
func (s *source) Serial() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.serial
}

// BytesFrom is about how many bytes the records from an index on are, before they
// are compressed: exact at every 4096th record and at the ends, even between them.
func (s *source) BytesFrom(index uint64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index > s.state.last {
		return 0
	}
	return int64(s.state.bytes - s.bytesBeforeLocked(max(index, s.first)))
}

// bytesBeforeLocked is how many bytes all records before an index are.
func (s *source) bytesBeforeLocked(index uint64) uint64 {
	i, exact := slices.BinarySearchFunc(s.marks, index, func(m mark, index uint64) int {
		switch {
		case m.index < index:
			return -1
		case m.index > index:
			return 1
		}
		return 0
	})
	if exact {
		return s.marks[i].bytes
	}
	low, high := mark{index: 1}, mark{s.state.last + 1, s.state.bytes}
	if i > 0 {
		low = s.marks[i-1]
	}
	if i < len(s.marks) {
		high = s.marks[i]
	}
	if high.index <= low.index {
		return low.bytes
	}
	part := float64(index-low.index) / float64(high.index-low.index)
	return low.bytes + uint64(part*float64(high.bytes-low.bytes))
}

// Changed returns the last index and a channel that is closed when there is another,
// when the journal is removed, and when the store is closed.
func (s *source) Changed() (last uint64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removed || s.d.users.isClosing() {
		return s.state.last, closedChannel()
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.state.last, s.changed
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (s *source) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

func (s *source) wakeLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *source) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
	s.first, s.marks = s.state.last+1, nil
	s.d.index.end(s.number, nil)
	s.announce(nil)
	s.wakeLocked()
}

func (s *source) isRemoved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removed
}

// Trim deletes the records through an index, durably.
func (s *source) Trim(ctx context.Context, through uint64) error {
	if err := s.d.users.enter(); err != nil {
		return err
	}
	defer s.d.users.exit()
	s.trimMu.Lock()
	defer s.trimMu.Unlock()
	s.mu.Lock()
	from, to := s.first, min(through, s.state.last)+1
	removed := s.removed
	s.mu.Unlock()
	if removed {
		return ErrRemoved
	}
	if to <= from {
		return nil
	}
	pb := s.d.db.NewBatch()
	pb.DeleteRange(appendIndexed(nil, keyRecord, s.number, from), appendIndexed(nil, keyRecord, s.number, to), nil)
	// The mark at or before the first record stays: counts go on from it.
	keep := to - to%markEvery
	if low := from - from%markEvery; low < keep {
		pb.DeleteRange(appendIndexed(nil, keyBytes, s.number, low), appendIndexed(nil, keyBytes, s.number, keep), nil)
	}
	pb.Set(appendMetaOf(nil, metaFirst, s.number), binary.BigEndian.AppendUint64(nil, to), nil)
	return s.d.commit(ctx, pb, func(uint64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.first = max(s.first, to)
		n, _ := slices.BinarySearchFunc(s.marks, keep, func(m mark, index uint64) int {
			if m.index < index {
				return -1
			}
			return 1
		})
		s.marks = slices.Delete(s.marks, 0, n)
	})
}

// Meta returns the value that a batch set, nil if none did.
func (s *source) Meta(key string) ([]byte, error) {
	if err := s.d.users.enter(); err != nil {
		return nil, err
	}
	defer s.d.users.exit()
	return s.d.get(append(appendMetaOf(nil, metaValue, s.number), key...))
}

var _ Journal = (*source)(nil)
