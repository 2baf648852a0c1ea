// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// pending is a commit under way.
type pending struct {
	first uint64 // of its records
	done  chan struct{}
	// batch is what is committed, nil when its owner has it back. Guarded by source.mu.
	batch *Batch
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
