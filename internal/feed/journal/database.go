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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
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

// OpenStore opens the store in a directory, which is made if it is not there. It
// refuses, with ErrLocked, a VersionError or a CorruptError, what another process
// has open, what a newer weir has written and what is damaged where opening reads.
func OpenStore(dir string, opts Options) (Store, error) {
	d, err := openDatabase(dir, opts)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// OpenMemory opens an empty store that is gone after Close, for tests.
func OpenMemory() (Store, error) {
	return OpenStore("feeds", Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
}

func openDatabase(dir string, opts Options) (_ *database, err error) {
	opts = opts.withDefaults()
	d := &database{
		dir: dir, opts: opts, log: opts.Log,
		disk:    newDisk(opts.FS, dir, opts.Log),
		index:   newIndexCache(opts.CacheEntries),
		sources: make(map[UUID]*source),
		feeds:   make(map[uint32]placedFeed),
		opening: make(map[UUID]*source),
	}
	d.users.init()
	if err := opts.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("feed store %s: %w", dir, err)
	}
	if d.lock, err = lockDir(opts.FS, dir); err != nil {
		return nil, err
	}
	d.cache = pebble.NewCache(opts.CacheBytes)
	if err = d.open(); err == nil {
		err = d.load()
	}
	if err != nil {
		return nil, errors.Join(err, d.shut())
	}
	return d, nil
}

// lockDir takes the lock of a store's directory.
func lockDir(fs vfs.FS, dir string) (io.Closer, error) {
	name := fs.PathJoin(dir, "weir.lock")
	lock, err := fs.Lock(name)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w: another process has locked %s", ErrLocked, name)
	case isDeviceError(err):
		return nil, fmt.Errorf("feed store %s: lock: %w", dir, err)
	}
	return nil, fmt.Errorf("%w: this process has locked %s", ErrLocked, name)
}

// open opens the database. If the disk refuses what that needs, it is abandoned.
func (d *database) open() error {
	if err := d.roomToOpen(); err != nil {
		return err
	}
	type opened struct {
		db  *pebble.DB
		err error
	}
	result := make(chan opened, 1)
	go func() { // ends when the database is open, or never: then it is abandoned
		defer func() {
			if r := recover(); r != nil { // where it finds something that it has no error for
				result <- opened{nil, &CorruptError{Path: d.dir, Err: fmt.Errorf("open: %v", r)}}
			}
		}()
		db, err := pebble.Open(d.dir, d.opts.pebble(d.disk, d.cache))
		result <- opened{db, err}
	}()
	trouble, _ := d.disk.health()
	select {
	case r := <-result:
		if r.err != nil {
			return d.openFault(r.err)
		}
		d.db = r.db
		return nil
	case <-trouble:
		_, err := d.disk.health()
		d.disk.abandon()
		return err
	}
}

// openFault takes every refusal to open for damage but those of the system and of
// files that a newer database has written.
func (d *database) openFault(err error) error {
	newer := strings.Contains(err.Error(), "format major version")
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		return err
	}
	if pebble.IsCorruptionError(err) || !newer && !isDeviceError(err) {
		if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
			return &CorruptError{Path: info.Path, Err: err}
		}
		return &CorruptError{Path: d.dir, Err: err}
	}
	return fmt.Errorf("feed store %s: %w", d.dir, err)
}

// load reads what is kept in memory.
func (d *database) load() error {
	version, err := d.number(appendMeta(nil, metaVersion))
	switch {
	case err != nil:
		return err
	case version > storeVersion:
		return &VersionError{Path: d.dir, Got: version, Want: storeVersion}
	case version == 0 && !d.opts.salvage:
		if err := d.put(context.Background(), appendMeta(nil, metaVersion), binary.BigEndian.AppendUint32(nil, storeVersion), nil); err != nil {
			return err
		}
	}
	if d.lastFeed, err = d.number(appendMeta(nil, metaFeed)); err != nil {
		return err
	}
	if d.lastSource, err = d.number(appendMeta(nil, metaNumber)); err != nil {
		return err
	}
	if err := d.loadSources(); err != nil {
		return err
	}
	err = d.scan([]byte{keyFeed}, func(key, value []byte) error {
		f, err := feedOf(key, value)
		if err != nil {
			return &CorruptError{Path: d.dir, Key: keyText(key), Err: err}
		}
		d.feeds[f.ID] = placedFeed{Feed: f}
		return nil
	})
	if err != nil && d.opts.salvage {
		d.log.Error("feeds lost", "dir", d.dir, "err", err)
		return nil
	}
	return err
}

func (d *database) loadSources() error {
	prefix := appendMeta(nil, metaSource)
	return d.scan(prefix, func(key, value []byte) error {
		if len(key) != len(prefix)+len(UUID{}) || len(value) != 4 {
			return &CorruptError{Path: d.dir, Key: keyText(key), Err: fmt.Errorf("a source of %d bytes, want 4", len(value))}
		}
		uuid := UUID(key[len(prefix):])
		s := newSource(d, uuid, binary.BigEndian.Uint32(value))
		if s.number > d.lastSource {
			return &CorruptError{Path: d.dir, Key: keyText(key), Err: fmt.Errorf("source %d, and %d is the last", s.number, d.lastSource)}
		}
		d.sources[uuid] = s
		return s.load()
	})
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
	d.gathering.leave(func(f Feed) bool { return f.Source == uuid })
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
	return d.commit(context.Background(), pb, func(uint64) {
		s.remove()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.sources, uuid)
		for _, id := range feeds {
			delete(d.feeds, id)
		}
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
			return err
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
