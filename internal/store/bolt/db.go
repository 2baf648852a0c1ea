// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/weir-io/weir/internal/store"
)

// ErrLocked is the error of a file that another process has open.
var ErrLocked = errors.New("another process has it open")

// CorruptError is the error of a file that no store has written.
type CorruptError struct {
	File string
	Node string // path of the node, empty for the file
	Err  error
}

func (e *CorruptError) Error() string {
	if e.Node == "" {
		return fmt.Sprintf("control store %s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("control store %s: node %q: %v", e.File, e.Node, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// Options are settings of a DB. The zero value has the defaults.
type Options struct {
	LockTimeout time.Duration // how long Open waits for a file that is locked: 3 s
	Log         *slog.Logger  // nothing is logged

	sync func(*os.File) error // syncData; tests have it fail
}

// DB is a store in a file. It is safe for concurrent use.
type DB struct {
	// Immutable after Open.
	file string
	log  *slog.Logger
	bolt *bbolt.DB
	lead chan struct{} // holds a token while someone writes; never closed

	headLen int64                                        // of the file: bbolt's two first pages
	sync    func(*os.File) error                         // of what bbolt and processes before have written
	commit  func(*bbolt.DB, func(*bbolt.Tx) error) error // (*bbolt.DB).Update; tests have it fail

	queueMu sync.Mutex
	// Guarded by queueMu.
	queue []*request

	mu sync.RWMutex
	// Written by who holds the token of lead with mu locked; read by that one, or with
	// mu read-locked.
	nodes    map[string]*node
	children map[string]map[string]struct{} // names, by the path of the parent
	last     int64                          // transaction
	closed   bool
	// Guarded by mu. Only who holds the token of lead takes one out.
	sessions map[int64]*Session

	// Owned by who holds the token of lead.
	journal *journal            // nil before the first transaction
	pending map[string]struct{} // paths that are in the journal, and not as they are in the store
	plain   bool                // no journal can be made
	failing bool                // the last transaction could not be written
	ailing  bool                // the journal could not be written when that was tried last
	doubt   bool                // the last transaction of bbolt failed: nobody knows which it is that the disk has

	watches watches // locked after mu
}

var (
	nodesBucket = []byte("nodes")
	storeBucket = []byte("store")
	formatKey   = []byte("format")
	journalKey  = []byte("journal")
	lastKey     = []byte("transaction")
)

// Versions of the file's layout.
const (
	format        = 1
	formatJournal = 2 // a journal belongs to it, which programs that know only format 1 would overlook
)

// Open opens the store in a file, which it makes if there is none. The directory must
// be there.
func Open(file string, opt Options) (*DB, error) {
	if opt.LockTimeout == 0 {
		opt.LockTimeout = 3 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.sync == nil {
		opt.sync = syncData
	}
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := create(file); err != nil {
			return nil, fmt.Errorf("make control store %s: %w", file, err)
		}
	}
	b, err := open(file, opt.LockTimeout)
	if err != nil {
		return nil, err
	}
	d := &DB{
		file: file, log: opt.Log, bolt: b, lead: make(chan struct{}, 1), sync: opt.sync, commit: (*bbolt.DB).Update, headLen: 2 * int64(b.Info().PageSize),
		nodes: make(map[string]*node), children: make(map[string]map[string]struct{}), sessions: make(map[int64]*Session),
		pending: make(map[string]struct{}), watches: watches{armed: make(map[watchKey][]armed)},
	}
	if err := d.harden(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.View(d.load); err != nil {
		if d.journal != nil {
			err = errors.Join(err, d.journal.f.Close())
		}
		return nil, errors.Join(err, b.Close())
	}
	return d, nil
}

func open(file string, timeout time.Duration) (*bbolt.DB, error) {
	b, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: timeout, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, fmt.Errorf("control store %s: %w", file, ErrLocked)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return nil, &CorruptError{File: file, Err: err}
	case err != nil:
		return nil, fmt.Errorf("open control store %s: %w", file, err)
	}
	return b, nil
}

// harden has on the disk what a process before has written: that was killed, maybe, before
// it had synced it, and what is read from now on must not be lost.
func (d *DB) harden() error {
	f, err := os.Open(d.file)
	if err != nil {
		return err
	}
	if err := errors.Join(d.sync(f), f.Close()); err != nil {
		return fmt.Errorf("sync control store %s: %w", d.file, err)
	}
	return nil
}

// create makes the file of an empty store, unless a journal says that there was one. It gets its name when it is complete and
// synced, because bbolt's first pages do not survive a crash half written.
func create(file string) error {
	dir, journal := filepath.Dir(file), file+journalSuffix
	if _, err := os.Stat(journal); err == nil {
		return &CorruptError{File: file, Err: fmt.Errorf("it is missing, and its journal %s is there", journal)}
	}
	tmp, err := os.CreateTemp(dir, filepath.Base(file)+".new-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	b, err := open(tmp.Name(), time.Second)
	if err != nil {
		return err
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		nodes, err := tx.CreateBucket(nodesBucket)
		if err != nil {
			return err
		}
		meta, err := tx.CreateBucket(storeBucket)
		if err != nil {
			return err
		}
		return errors.Join(
			nodes.Put([]byte("/"), (&node{}).append(nil)),
			meta.Put(formatKey, binary.BigEndian.AppendUint64(nil, format)),
			meta.Put(lastKey, binary.BigEndian.AppendUint64(nil, 0)))
	})
	if err := errors.Join(err, b.Sync(), b.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), file); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// load reads all nodes of the file.
func (d *DB) load(tx *bbolt.Tx) error {
	nodes, meta := tx.Bucket(nodesBucket), tx.Bucket(storeBucket)
	if nodes == nil || meta == nil {
		return &CorruptError{File: d.file, Err: errors.New("buckets of a control store are missing")}
	}
	got, last := meta.Get(formatKey), meta.Get(lastKey)
	if len(got) != 8 || len(last) != 8 {
		return &CorruptError{File: d.file, Err: fmt.Errorf("format of %d bytes and transaction of %d, want 8 each", len(got), len(last))}
	}
	v := binary.BigEndian.Uint64(got)
	if v != format && v != formatJournal {
		return &CorruptError{File: d.file, Err: fmt.Errorf("format %d, this version knows %d and %d", v, format, formatJournal)}
	}
	d.last = int64(binary.BigEndian.Uint64(last))
	if err := d.loadNodes(nodes); err != nil || v == format {
		return err
	}
	return d.recover(meta)
}

func (d *DB) loadNodes(nodes *bbolt.Bucket) error {
	return nodes.ForEach(func(k, v []byte) error {
		path := string(k)
		n, err := parseNode(v)
		if err != nil {
			return &CorruptError{File: d.file, Node: path, Err: err}
		}
		if path != "/" {
			parent := d.nodes[store.Parent(path)] // comes first in the order of paths
			if parent == nil {
				return &CorruptError{File: d.file, Node: path, Err: errors.New("it has no parent")}
			}
			parent.stat.Children++
			d.adopt(path)
		}
		d.nodes[path] = n
		return nil
	})
}

// adopt adds a node to the names of its parent's children.
func (d *DB) adopt(path string) {
	parent := store.Parent(path)
	names := d.children[parent]
	if names == nil {
		names = make(map[string]struct{})
		d.children[parent] = names
	}
	names[store.Name(path)] = struct{}{}
}

// disown is the opposite of adopt.
func (d *DB) disown(path string) {
	parent := store.Parent(path)
	names := d.children[parent]
	delete(names, store.Name(path))
	if len(names) == 0 {
		delete(d.children, parent)
	}
}

// Session opens a session that lives until it or the store is closed.
func (d *DB) Session(ctx context.Context) (store.Session, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return d.Open(0)
}

// Close ends all sessions and closes the file when the transaction under way is
// written.
func (d *DB) Close() error {
	d.lead <- struct{}{}
	defer func() { <-d.lead }()
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	sessions := d.sessions
	d.sessions = nil
	for _, s := range sessions {
		d.finish(s)
	}
	d.mu.Unlock()
	d.answer(d.take(), store.ErrSessionExpired)
	if err := errors.Join(d.retire(), d.bolt.Close()); err != nil {
		return fmt.Errorf("close control store %s: %w", d.file, err)
	}
	return nil
}
