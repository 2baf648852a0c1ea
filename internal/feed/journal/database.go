// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// storeVersion is that of the keys and values. A store of a newer one is refused.
const storeVersion = 1

// trimDelay is how long deleted records may stay on the disk for want of others to
// write.
const trimDelay = 10 * time.Second

// database is the Store.
type database struct {
	// Immutable after OpenStore.
	dir   string
	opts  Options
	log   *slog.Logger
	disk  *disk
	db    *pebble.DB
	cache *pebble.Cache
	lock  io.Closer
	index *indexCache
	keys  keys
	users users

	// commitMu orders batches on their way into the database, so that none enters it
	// after one that it has choked on. Held for the write, not for the sync.
	commitMu sync.Mutex
	commits  uint64 // guarded by commitMu: how many there were
	// writers are commits that have not ended, also those that nobody waits for.
	writers sync.WaitGroup

	gathering gathering
	turns     turns

	// Guarded by mu.
	mu      sync.Mutex
	sources map[UUID]*source
	feeds   map[uint32]placedFeed

	// idMu is held, before mu, while a number is handed out and committed, so that the
	// highest one is committed last. It guards what follows.
	idMu       sync.Mutex
	lastFeed   uint32
	lastSource uint32
	opening    map[UUID]*source // journals of which it is not known whether they were made
}

// Open returns the journal of a source, made anew where there is none yet.
func (d *database) Open(uuid UUID) (Journal, error) {
	if err := d.users.enter(); err != nil {
		return nil, err
	}
	defer d.users.exit()
	d.idMu.Lock()
	defer d.idMu.Unlock()
	d.mu.Lock()
	s := d.sources[uuid]
	d.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s = d.opening[uuid]
	if s == nil {
		d.lastSource++
		s = newSource(d, uuid, d.lastSource)
		d.opening[uuid] = s
	}
	pb := d.db.NewBatch()
	number := binary.BigEndian.AppendUint32(nil, s.number)
	pb.Set(append(appendMeta(nil, metaSource), uuid[:]...), number, nil)
	pb.Set(appendMeta(nil, metaNumber), binary.BigEndian.AppendUint32(nil, d.lastSource), nil)
	err := d.commit(context.Background(), pb, func(uint64) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.sources[uuid] = s
	})
	if err != nil {
		return nil, err
	}
	delete(d.opening, uuid)
	return s, nil
}

// Sources lists those that have a journal, by the order in which they were made.
func (d *database) Sources() ([]UUID, error) {
	if err := d.users.enter(); err != nil {
		return nil, err
	}
	defer d.users.exit()
	d.mu.Lock()
	all := slices.SortedFunc(maps.Values(d.sources), func(a, b *source) int { return cmp.Compare(a.number, b.number) })
	d.mu.Unlock()
	var uuids []UUID
	for _, s := range all {
		uuids = append(uuids, s.uuid)
	}
	return uuids, nil
}

// Remove deletes a journal with all that it holds, and its feeds.
func (d *database) Remove(uuid UUID) error {
	if err := d.users.enter(); err != nil {
		return err
	}
	defer d.users.exit()
	asked := d.turns.now()
	d.mu.Lock()
	s := d.sources[uuid]
	var feeds []uint32
	for id, f := range d.feeds {
		if f.Source == uuid {
			feeds = append(feeds, id)
		}
	}
	d.mu.Unlock()
	if s == nil {
		return nil
	}
	s.applyMu.Lock()
	defer s.applyMu.Unlock()
	s.trimMu.Lock()
	defer s.trimMu.Unlock()
	pb := d.db.NewBatch()
	for _, kind := range []byte{keyBytes, keyDirent, keyLink, keyObject, keyRecord} {
		p := appendPrefix(nil, kind, s.number)
		pb.DeleteRange(p, after(p), nil)
	}
	p := appendMetaOf(nil, metaValue, s.number)
	pb.DeleteRange(p, after(p), nil)
	pb.Delete(appendMetaOf(nil, metaState, s.number), nil)
	pb.Delete(appendMetaOf(nil, metaFirst, s.number), nil)
	pb.Delete(append(appendMeta(nil, metaSource), uuid[:]...), nil)
	for _, id := range feeds {
		pb.Delete(appendFeed(nil, id), nil)
	}
	return d.commitChange(context.Background(), change{
		Batch: pb,
		enter: func() error {
			d.turns.passAll(asked, func(f *Feed) bool { return f.Source == uuid })
			return nil
		},
		done: func(uint64) {
			s.remove()
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.sources, uuid)
			for _, id := range feeds {
				delete(d.feeds, id)
			}
		},
	})
}

// Bytes is what the store takes on disk.
func (d *database) Bytes() int64 {
	if d.users.enter() != nil {
		return 0
	}
	defer d.users.exit()
	return int64(d.db.Metrics().DiskSpaceUsage())
}

// Failed is closed when the disk has refused something for good: nothing is written any
// more.
func (d *database) Failed() <-chan struct{} { return d.disk.broken }

// Close ends the store. Whoever waits for a commit that the disk refuses is let go
// with that error. A database that cannot write any more is left behind as it is:
// its memory stays until the process ends, its lock does not.
func (d *database) Close() error {
	if !d.users.close() {
		return ErrClosed
	}
	d.mu.Lock()
	for _, s := range d.sources {
		s.wake()
		s.announce(nil) // whoever looks up from now on is told that it is closed
	}
	d.mu.Unlock()
	return d.shut()
}

// shut closes the database, or abandons it, and gives up the lock.
func (d *database) shut() error {
	err := d.shutDatabase()
	return errors.Join(err, d.lock.Close())
}

func (d *database) shutDatabase() error {
	if d.db == nil {
		d.cache.Unref()
		d.disk.abandon()
		return nil
	}
	done := make(chan error, 1)
	go func() { // ends with Close, or never: then it is abandoned with the database
		d.writers.Wait()
		err := d.db.Close()
		d.cache.Unref()
		done <- err
	}()
	for {
		trouble, err := d.disk.health()
		if err != nil {
			d.disk.abandon()
			return &abandonedError{err}
		}
		select {
		case err := <-done:
			return err
		case <-trouble:
		}
	}
}

// number reads a value of four bytes, 0 if there is none.
func (d *database) number(key []byte) (uint32, error) {
	v, err := d.get(key)
	if err != nil || v == nil {
		return 0, err
	}
	if len(v) != 4 {
		return 0, &CorruptError{Path: d.dir, Key: keyText(key), Err: fmt.Errorf("%d bytes, want 4", len(v))}
	}
	return binary.BigEndian.Uint32(v), nil
}

// get reads a value, nil if there is none.
func (d *database) get(key []byte) ([]byte, error) { return d.getOf(d.db, key) }

func (d *database) getOf(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, readFault(d.dir, key, err)
	}
	v = append(make([]byte, 0, len(v)), v...)
	return v, closer.Close()
}

// scan calls f with each key that begins with prefix. What it gets is good until it
// returns.
func (d *database) scan(prefix []byte, f func(key, value []byte) error) error {
	return d.scanRange(d.db, prefix, after(prefix), f)
}

func (d *database) scanRange(r pebble.Reader, from, to []byte, f func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return readFault(d.dir, from, err)
	}
	at := append([]byte(nil), from...)
	for ok := it.First(); ok; ok = it.Next() {
		at = append(at[:0], it.Key()...)
		v, err := it.ValueAndErr()
		if err == nil {
			err = f(at, v)
		}
		if err != nil {
			it.Close()
			return readFault(d.dir, at, err)
		}
	}
	if err := it.Error(); err != nil {
		it.Close()
		return readFault(d.dir, at, err)
	}
	return it.Close()
}
