// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/store"
)

// persist has what a layer changes on the disk: in the journal, or with all that is there
// in the store.
func (d *DB) persist(l *layer, last int64) error {
	if len(l.dirty) == 0 {
		return nil
	}
	var lost error
	if j := d.journal; j != nil && !j.spent {
		err := j.append(l, last)
		if err == nil {
			maps.Copy(d.pending, l.dirty)
			d.ailing = false
			return nil
		}
		j.spent = true
		if !errors.Is(err, errNoRoom) {
			lost = fmt.Errorf("journal: %w", err)
			d.ail(err)
		}
	}
	if err := d.checkpoint(l, last); err != nil {
		maps.Copy(d.pending, l.dirty) // they may be in the store all the same
		return errors.Join(lost, err)
	}
	return nil
}

// ail has the log say that the journal cannot be written, once until it can be again:
// the store makes up for it, but the disk may be about to fail.
func (d *DB) ail(err error) {
	if !d.ailing {
		d.log.Warn("the journal of the control store cannot be written: changes go into the store itself", "file", d.journal.file, "error", err)
	}
	d.ailing = true
}

// checkpoint writes what a layer changes, and all that is in the journal, into the
// store. The journal begins anew, or for the first time.
func (d *DB) checkpoint(l *layer, last int64) error {
	j := d.journal
	if j == nil && !d.plain {
		var err error
		if j, err = createJournal(d.file + journalSuffix); err != nil {
			d.plain = true
			d.log.Warn("the control store has no journal: it is slower, and as safe", "file", d.file, "error", err)
		}
	}
	epoch := newEpoch()
	err := d.update(func(tx *bbolt.Tx) error {
		if err := d.flush(tx, l, last); err != nil || j == nil {
			return err
		}
		meta := tx.Bucket(storeBucket)
		return errors.Join(
			meta.Put(formatKey, binary.BigEndian.AppendUint64(nil, formatJournal)),
			meta.Put(journalKey, binary.BigEndian.AppendUint64(j.id[:], epoch)))
	})
	d.journal = j // also after an error: the store on the disk may name it
	if err != nil {
		if j != nil {
			j.spent = true
		}
		return err
	}
	clear(d.pending)
	if j != nil {
		j.begin(epoch)
	}
	return nil
}

// update makes a transaction of bbolt. When the last one failed, its pages may be there
// and its last sync not: bbolt would go on from a first page that is not on the disk, and
// write over what that on the disk names. So both are written and synced again before.
func (d *DB) update(f func(*bbolt.Tx) error) error {
	if d.doubt {
		if err := d.rewriteHead(); err != nil {
			return fmt.Errorf("after an error: %w", err)
		}
	}
	err := d.commit(d.bolt, f)
	d.doubt = err != nil
	return err
}

// rewriteHead writes the first pages of the file as they are read: a sync that has failed
// does not try again what it could not write.
func (d *DB) rewriteHead() error {
	f, err := os.OpenFile(d.file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	head := make([]byte, d.headLen)
	if _, err = f.ReadAt(head, 0); err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err == nil {
		err = d.sync(f)
	}
	return errors.Join(err, f.Close())
}

// flush puts what a layer changes, and what the journal has, into the store.
func (d *DB) flush(tx *bbolt.Tx, l *layer, last int64) error {
	nodes, paths := tx.Bucket(nodesBucket), maps.Clone(d.pending)
	maps.Copy(paths, l.dirty)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		var err error
		if n := l.node(path); n.persistent() {
			err = nodes.Put([]byte(path), n.append(nil))
		} else {
			err = nodes.Delete([]byte(path))
		}
		if err != nil {
			return err
		}
	}
	return tx.Bucket(storeBucket).Put(lastKey, binary.BigEndian.AppendUint64(nil, uint64(last)))
}

// retire puts what the journal has into the store, and removes it. If that fails the
// journal stays: nothing is lost.
func (d *DB) retire() error {
	j := d.journal
	if j == nil {
		return nil
	}
	d.journal = nil
	err := d.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(storeBucket)
		return errors.Join(
			d.flush(tx, newLayer(func(path string) *node { return d.nodes[path] }), d.last),
			meta.Put(formatKey, binary.BigEndian.AppendUint64(nil, format)),
			meta.Delete(journalKey))
	})
	if err == nil {
		err = remove(j.file)
	}
	return errors.Join(err, j.f.Close())
}

// recover opens the journal that the store says that it has, and makes the transactions
// in it. They go into the store with the next one: a disk that is full may be read.
func (d *DB) recover(meta *bbolt.Bucket) error {
	key := meta.Get(journalKey)
	if len(key) != len(journalID{})+8 {
		return &CorruptError{File: d.file, Err: fmt.Errorf("journal of %d bytes, want %d", len(key), len(journalID{})+8)}
	}
	j, err := openJournal(d.file+journalSuffix, journalID(key), binary.BigEndian.Uint64(key[len(journalID{}):]))
	if err != nil {
		return err
	}
	d.journal = j
	j.spent = true
	if err := d.sync(j.f); err != nil {
		return fmt.Errorf("sync %s: %w", j.file, err)
	}
	return j.replay(func(r journalRecord) error {
		for _, c := range r.changes {
			if err := d.restore(c); err != nil {
				return err
			}
			d.pending[c.path] = struct{}{}
		}
		d.last = r.last
		return nil
	})
}

// restore makes a change of the journal in the tree. Changes come in the order of their
// paths, those of parents before those of children.
func (d *DB) restore(c change) error {
	old, parent := d.nodes[c.path], d.nodes[store.Parent(c.path)]
	switch {
	case c.node != nil && old != nil:
		c.node.stat.Children = old.stat.Children
		d.nodes[c.path] = c.node
	case c.node != nil && parent == nil:
		return fmt.Errorf("node %q has no parent", c.path)
	case c.node != nil:
		parent.stat.Children++
		d.adopt(c.path)
		d.nodes[c.path] = c.node
	case old != nil:
		if parent != nil {
			parent.stat.Children--
		}
		d.disown(c.path)
		delete(d.nodes, c.path)
	}
	return nil
}
