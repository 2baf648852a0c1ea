// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

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
		return &abandonedError{err}
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
	if d.opts.salvage {
		return d.loadWhatCanBe()
	}
	version, err := d.number(appendMeta(nil, metaVersion))
	switch {
	case err != nil:
		return err
	case version > storeVersion:
		return &VersionError{Path: d.dir, Got: version, Want: storeVersion}
	case version == 0:
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
	return d.loadFeeds()
}

// loadWhatCanBe is load for what is damaged: what cannot be read is left out, and the log
// says so. Numbers that were given are at least those that are seen.
func (d *database) loadWhatCanBe() error {
	version, err := d.number(appendMeta(nil, metaVersion))
	if version > storeVersion {
		return &VersionError{Path: d.dir, Got: version, Want: storeVersion}
	}
	tell := func(what string, err error) {
		if err != nil {
			d.log.Error("a part of the feed store cannot be read", "dir", d.dir, "what", what, "err", err)
		}
	}
	tell("version", err)
	d.lastFeed, err = d.number(appendMeta(nil, metaFeed))
	tell("number of the last feed", err)
	last, err := d.number(appendMeta(nil, metaNumber))
	tell("number of the last journal", err)
	d.lastSource = math.MaxUint32 // it may be lost without an error, and then none that is seen is more
	tell("journals", d.loadSources())
	tell("feeds", d.loadFeeds())
	d.lastSource = last
	for _, s := range d.sources {
		d.lastSource = max(d.lastSource, s.number)
	}
	for id := range d.feeds {
		d.lastFeed = max(d.lastFeed, id)
	}
	return nil
}

func (d *database) loadFeeds() error {
	return d.scan([]byte{keyFeed}, func(key, value []byte) error {
		f, err := feedOf(key, value)
		if err != nil {
			return &CorruptError{Path: d.dir, Key: keyText(key), Err: err}
		}
		d.feeds[f.ID] = placedFeed{Feed: f}
		return nil
	})
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
