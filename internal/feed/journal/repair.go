// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Repaired is what Repair has made of a journal.
type Repaired struct {
	Source      UUID
	First, Last uint64 // of the records that it has now
	WasLast     uint64 // what was given last before
	Lost        uint64 // records that were not good
	// IndexDropped says that objects and names were not consistent: the journal has none
	// now, and whoever applies batches has to look at everything.
	IndexDropped bool
	Fault        error // the first one; nil: none was found
}

// Substitute makes what stands in the place of a record that is lost, with all from one index
// to another.
type Substitute func(source UUID, index, from, to uint64) []byte

// Repair writes the store in a directory anew with what of it is good: of each
// journal the records up to the first that is not, or all that are good if lost makes
// something in the place of each that is not, of which from and to are those beside each
// other: that keeps indexes from being given twice; objects and names if they are consistent; feeds, none of which has cancelled
// more than there is. The old files stay beside it, below the name that is returned.
// The store must not be open.
func Repair(ctx context.Context, dir string, opts Options, lost Substitute) (old string, all []Repaired, err error) {
	good := opts
	opts.salvage = true
	from, err := openDatabase(dir, opts)
	if err != nil {
		return "", nil, fmt.Errorf("repair: %w", err)
	}
	defer func() {
		if err2 := from.Close(); !errors.Is(err2, ErrClosed) {
			err = errors.Join(err, err2)
		}
	}()
	fs := from.opts.FS
	if err := fs.RemoveAll(dir + ".repair"); err != nil {
		return "", nil, fmt.Errorf("repair: %w", err)
	}
	to, err := openDatabase(dir+".repair", good)
	if err != nil {
		return "", nil, fmt.Errorf("repair: %w", err)
	}
	r := &repair{ctx: ctx, from: from, to: to, lost: lost}
	all, err = r.all()
	if err := errors.Join(err, to.Close()); err != nil {
		return "", nil, fmt.Errorf("repair: %w", err)
	}
	// What is damaged may not let itself be closed without an error.
	if err := from.Close(); err != nil {
		from.log.Warn("feed store closed", "dir", dir, "err", err)
	}
	old, err = from.swap()
	return old, all, err
}

// SetAside puts a store that cannot even be repaired aside, so that an empty one can take
// its place, and returns where it is. The store must not be open.
func SetAside(dir string, opts Options) (old string, err error) {
	opts = opts.withDefaults()
	lock, err := lockDir(opts.FS, dir)
	if err != nil {
		return "", err
	}
	d := &database{dir: dir, opts: opts}
	old, err = d.aside()
	return old, errors.Join(err, lock.Close())
}

// swap lets the repaired store take the place of the old one.
func (d *database) swap() (old string, err error) {
	fs := d.opts.FS
	if old, err = d.aside(); err != nil {
		return "", err
	}
	if err := fs.Rename(d.dir+".repair", d.dir); err != nil {
		return old, fmt.Errorf("repair: %w", err)
	}
	parent, err := fs.OpenDir(fs.PathDir(d.dir))
	if err != nil {
		return old, fmt.Errorf("repair: %w", err)
	}
	return old, errors.Join(parent.Sync(), parent.Close())
}

// aside renames the store.
func (d *database) aside() (old string, err error) {
	fs := d.opts.FS
	for n := 1; ; n++ {
		old = fmt.Sprintf("%s.bad%d", d.dir, n)
		if _, err := fs.Stat(old); err != nil {
			break
		}
	}
	if err := fs.Rename(d.dir, old); err != nil {
		return "", fmt.Errorf("repair: %w", err)
	}
	return old, nil
}

// repair is one run of Repair.
type repair struct {
	ctx      context.Context // of the one call that the repair lives for
	from, to *database
	lost     Substitute
	pb       *pebble.Batch
	state    state // of the journal that was copied last
}

// flushEvery is how much is copied at once.
const flushEvery = 1 << 20

func (r *repair) set(key, value []byte) error {
	if r.pb == nil {
		r.pb = r.to.db.NewBatch()
	}
	if err := r.pb.Set(key, value, nil); err != nil {
		return err
	}
	if r.pb.Len() < flushEvery {
		return nil
	}
	return r.flush()
}

func (r *repair) flush() error {
	if r.pb == nil {
		return nil
	}
	pb := r.pb
	r.pb = nil
	return r.to.commit(r.ctx, pb, func(uint64) {})
}

func (r *repair) all() (all []Repaired, err error) {
	last := make(map[UUID]uint64)
	sources, err := r.from.Sources()
	if err != nil {
		return nil, err
	}
	for _, uuid := range sources {
		done, err := r.source(r.from.sources[uuid])
		if err != nil {
			return nil, err
		}
		all = append(all, done)
		last[uuid] = done.Last
	}
	feeds, err := r.from.Feeds()
	if err != nil {
		return nil, err
	}
	for _, f := range feeds {
		f.Cancelled = min(f.Cancelled, last[f.Source])
		if err := r.set(appendFeed(nil, f.ID), f.append(nil)); err != nil {
			return nil, err
		}
	}
	for what, n := range map[byte]uint32{metaFeed: r.from.lastFeed, metaNumber: r.from.lastSource} {
		if err := r.set(appendMeta(nil, what), binary.BigEndian.AppendUint32(nil, n)); err != nil {
			return nil, err
		}
	}
	return all, r.flush()
}

func (r *repair) source(s *source) (Repaired, error) {
	done := Repaired{Source: s.uuid, First: s.first, WasLast: s.state.last}
	number := binary.BigEndian.AppendUint32(nil, s.number)
	if err := r.set(append(appendMeta(nil, metaSource), s.uuid[:]...), number); err != nil {
		return done, err
	}
	if err := r.records(s, &done); err != nil {
		return done, err
	}
	return done, r.index(s, &done)
}

// records copies what is good.
func (r *repair) records(s *source, done *Repaired) error {
	st, first := state{last: s.first - 1, serial: s.state.serial}, s.first
	if s.first <= s.state.last {
		st.bytes = s.bytesBeforeLocked(s.first)
	} else {
		st = s.state
	}
	for index := s.first; index <= s.state.last; index++ {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		rec, err := r.record(s, index)
		if err != nil {
			if done.Fault == nil {
				done.Fault = err
			}
			if r.lost == nil {
				done.Lost = s.state.last - index + 1
				break
			}
			done.Lost++
			continue
		}
		if err := r.fill(s, &st, index); err != nil { // those before it
			return err
		}
		if err := r.put(s, &st, rec); err != nil {
			return err
		}
	}
	if r.lost != nil {
		if err := r.fill(s, &st, s.state.last+1); err != nil {
			return err
		}
	}
	done.Last, r.state = st.last, st
	if err := r.set(appendMetaOf(nil, metaFirst, s.number), binary.BigEndian.AppendUint64(nil, first)); err != nil {
		return err
	}
	return r.set(appendMetaOf(nil, metaState, s.number), st.append(nil))
}

// fill puts something in the place of the lost records before an index.
func (r *repair) fill(s *source, st *state, index uint64) error {
	for from := st.last + 1; st.last+1 < index; {
		if err := r.put(s, st, r.lost(s.uuid, st.last+1, from, index-1)); err != nil {
			return err
		}
	}
	return nil
}

// put stores the next record.
func (r *repair) put(s *source, st *state, rec []byte) error {
	index := st.last + 1
	if index%markEvery == 0 {
		if err := r.set(appendIndexed(nil, keyBytes, s.number, index), binary.BigEndian.AppendUint64(nil, st.bytes)); err != nil {
			return err
		}
	}
	st.last, st.bytes = index, st.bytes+uint64(len(rec))
	return r.set(appendIndexed(nil, keyRecord, s.number, index), rec)
}

// record reads a good record.
func (r *repair) record(s *source, index uint64) ([]byte, error) {
	key := appendIndexed(nil, keyRecord, s.number, index)
	v, err := r.from.get(key)
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, &CorruptError{Path: r.from.dir, Key: keyText(key), Err: fmt.Errorf("no record %d of %s", index, s.uuid)}
	}
	if verify := r.from.opts.Verify; verify != nil {
		if err := verify(index, v); err != nil {
			return nil, &CorruptError{Path: r.from.dir, Key: keyText(key), Err: fmt.Errorf("record %d of %s: %w", index, s.uuid, err)}
		}
	}
	return v, nil
}

// index copies objects, names and values, if they are consistent.
func (r *repair) index(s *source, done *Repaired) error {
	c := &checker{ctx: r.ctx, s: s, r: r.from.db}
	kinds := [][]byte{appendMetaOf(nil, metaValue, s.number)}
	err := errors.Join(c.names(), c.objects())
	if err == nil {
		for _, kind := range []byte{keyDirent, keyLink, keyObject} {
			kinds = append(kinds, appendPrefix(nil, kind, s.number))
		}
	} else {
		done.IndexDropped = true
		if done.Fault == nil {
			done.Fault = err
		}
	}
	for _, prefix := range kinds {
		if err := r.from.scan(prefix, r.set); err != nil {
			if done.Fault == nil {
				done.Fault = err
			}
			done.IndexDropped = true
			return r.tellOfLoss(s, done)
		}
	}
	return nil
}

// tellOfLoss appends a record of what is lost, where not even whoever applies batches can
// tell that something is.
func (r *repair) tellOfLoss(s *source, done *Repaired) error {
	if r.lost == nil {
		return nil
	}
	st := r.state
	done.Last, done.Lost = done.Last+1, done.Lost+1
	if err := r.put(s, &st, r.lost(s.uuid, done.Last, done.Last, done.Last)); err != nil {
		return err
	}
	return r.set(appendMetaOf(nil, metaState, s.number), st.append(nil))
}
