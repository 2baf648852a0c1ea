// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// ErrNotFound is the error of a flow that is not there.
var ErrNotFound = errors.New("no such flow")

// Options are settings of an Archive. The zero value has the defaults.
type Options struct {
	MaxAge   time.Duration    // how long flows are kept: 24 h
	MaxFlows int              // how many a request has: 10,000
	MaxBytes int64            // what all flows have together: 1 GiB
	Now      func() time.Time // time.Now
	Log      *slog.Logger     // nothing is logged

	MaxEvents    int   // how many a flow has: 10,000
	MaxFlowBytes int64 // what these have together: 16 MiB, which is what one who reads them needs in memory

	// Kept is told of records, when they are on the disk, that were not there before; it
	// must not wait. Nil: nobody is.
	Kept func([]record.Record)
}

// Archive is a store of flow traces. It is safe for concurrent use.
type Archive struct {
	// Immutable after Open.
	file string
	opts Options
	db   *bbolt.DB

	mu sync.Mutex
	// Guarded by mu.
	changed chan struct{} // closed when records have come, and replaced
}

// Names of buckets and keys.
var (
	archiveBucket  = []byte("archive")
	formatKey      = []byte("format")
	requestsBucket = []byte("requests")
	flowsBucket    = []byte("flows")  // time, flow → flowValue
	indexBucket    = []byte("index")  // flow → time
	eventsBucket   = []byte("events") // flow, host, seq → event
	doneBucket     = []byte("done")   // number → time, flow
	hostsBucket    = []byte("hosts")  // host → HostStatus
	countKey       = []byte("count")  // flows
)

// Versions of the file's layout. The first has no sizes.
const (
	formatUnmeasured = 1
	format           = 2
)

// lockTimeout is how long Open waits for a file that another process has.
const lockTimeout = 3 * time.Second

// batchDelay is how long records wait for others to share a sync with.
const batchDelay = 2 * time.Millisecond

// Open opens the archive in a file, which it makes if there is none.
func Open(file string, opts Options) (*Archive, error) {
	if opts.MaxAge == 0 {
		opts.MaxAge = 24 * time.Hour
	}
	if opts.MaxFlows == 0 {
		opts.MaxFlows = 10_000
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 1 << 30
	}
	if opts.MaxEvents == 0 {
		opts.MaxEvents = 10_000
	}
	if opts.MaxFlowBytes == 0 {
		opts.MaxFlowBytes = 16 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("flow archive %s: %w", file, err)
	}
	db.MaxBatchDelay = batchDelay
	a := &Archive{file: file, opts: opts, db: db, changed: make(chan struct{})}
	if err := db.Update(a.prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("flow archive %s: %w", file, err), db.Close())
	}
	return a, nil
}

// prepare makes what a new file needs, and checks what an old one says.
func (a *Archive) prepare(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(archiveBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucketIfNotExists(requestsBucket); err != nil {
		return err
	}
	switch have := meta.Get(formatKey); {
	case have == nil:
		return meta.Put(formatKey, number(format))
	case bytes.Equal(have, number(formatUnmeasured)):
		return errors.Join(measure(tx), meta.Put(formatKey, number(format)))
	case !bytes.Equal(have, number(format)):
		return fmt.Errorf("format %x, this version knows %x", have, number(format))
	}
	return nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.db.Close() }

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// timeKey is a time in the order of times.
func timeKey(t time.Time) []byte { return number(uint64(t.UnixNano())) }

func keyTime(b []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(b))) }

// flowKey is the key of a flow among those of a request.
func flowKey(t []byte, flow topology.ID) []byte { return append(bytes.Clone(t), flow[:]...) }

// Append keeps records for each request that they are of. When it returns without an
// error they are on the disk.
func (a *Archive) Append(ctx context.Context, batch []record.Record) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	events, views := make([][]byte, len(batch)), make([]eventView, len(batch))
	for i := range batch {
		var err error
		if events[i], err = batch[i].AppendEvent(nil); err != nil {
			return err
		}
		if err := json.Unmarshal(events[i], &views[i]); err != nil {
			return fmt.Errorf("record %s: %w", batch[i].Key(), err)
		}
	}
	var fresh []record.Record
	err := a.db.Batch(func(tx *bbolt.Tx) error {
		fresh = a.fresh(tx, batch)
		w := &writer{tx: tx, opts: &a.opts, flows: make(map[openKey]*openFlow)}
		for i := range batch {
			for _, request := range batch[i].Scope.Requests {
				if err := w.keep(request, &batch[i], events[i], &views[i]); err != nil {
					return err
				}
			}
		}
		return w.flush()
	})
	if err != nil {
		return fmt.Errorf("flow archive %s: %w", a.file, err)
	}
	a.announce()
	if len(fresh) > 0 {
		a.opts.Kept(fresh)
	}
	return nil
}

// announce wakes who follows.
func (a *Archive) announce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// news returns a channel that is closed when records come.
func (a *Archive) news() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// SetStatus keeps how a host counts for a request.
func (a *Archive) SetStatus(request topology.ID, status HostStatus) error {
	data, err := json.Marshal(status)
	if err != nil {
		return err
	}
	return a.db.Batch(func(tx *bbolt.Tx) error {
		s, err := makeShelf(tx, request)
		if err != nil {
			return err
		}
		return s.hosts.Put(status.Host[:], data)
	})
}

// ResetStatus forgets how hosts count for a request. Where they do not, nothing is
// written: requests are enabled and disabled before anything was traced.
func (a *Archive) ResetStatus(request topology.ID) error {
	if counts, err := a.has(request, func(s *shelf) bool { k, _ := s.hosts.Cursor().First(); return k != nil }); err != nil || !counts {
		return err
	}
	err := a.db.Batch(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return nil
		}
		if err := s.all.DeleteBucket(hostsBucket); err != nil {
			return err
		}
		_, err := s.all.CreateBucket(hostsBucket)
		return err
	})
	if err != nil {
		return fmt.Errorf("flow archive %s: %w", a.file, err)
	}
	return nil
}

// DeleteRequest deletes what was traced for a request. What comes for it later is kept
// again: who appends knows which requests there are.
func (a *Archive) DeleteRequest(request topology.ID) error {
	if there, err := a.has(request, func(*shelf) bool { return true }); err != nil || !there {
		return err
	}
	err := a.db.Update(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return nil
		}
		if err := s.grow(-int64(counter(s.all, bytesKey))); err != nil {
			return err
		}
		return tx.Bucket(requestsBucket).DeleteBucket(request[:])
	})
	if err != nil {
		return fmt.Errorf("flow archive %s: %w", a.file, err)
	}
	return nil
}

// Lost returns how many flows of a request have made room for others.
func (a *Archive) Lost(ctx context.Context, request topology.ID) (n uint64, err error) {
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	_, err = a.has(request, func(s *shelf) bool { n = counter(s.all, lostKey); return true })
	return n, err
}

// has reports whether there is something of a request, as f says.
func (a *Archive) has(request topology.ID, f func(*shelf) bool) (there bool, err error) {
	err = a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		there = s != nil && f(s)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("flow archive %s: %w", a.file, err)
	}
	return there, nil
}

// expirePeriod is how often Run looks for flows that are too old.
const expirePeriod = time.Minute

// Run deletes flows when they are too old, until the context ends.
func (a *Archive) Run(ctx context.Context) error {
	tick := time.NewTicker(expirePeriod)
	defer tick.Stop()
	for {
		if n, err := a.Expire(); err != nil {
			a.opts.Log.Warn("old flow traces are not deleted", "error", err)
		} else if n > 0 {
			a.opts.Log.Debug("old flow traces are deleted", "flows", n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// maxExpire is how many flows are deleted in one transaction.
const maxExpire = 1000

// Expire deletes flows that are too old, and returns how many.
func (a *Archive) Expire() (n int, err error) {
	before := timeKey(a.opts.Now().Add(-a.opts.MaxAge))
	for more := true; more; {
		more = false
		deleted := 0
		err := a.db.Update(func(tx *bbolt.Tx) error {
			deleted = 0
			return tx.Bucket(requestsBucket).ForEachBucket(func(id []byte) error {
				s := open(tx, topology.ID(id))
				for deleted < maxExpire {
					key, value := s.flows.Cursor().First()
					if key == nil || bytes.Compare(key[:8], before) >= 0 {
						return nil
					}
					var v flowValue
					if err := json.Unmarshal(value, &v); err != nil {
						return err
					}
					if err := s.drop(bytes.Clone(key), &v); err != nil {
						return err
					}
					deleted++
				}
				more = true
				return nil
			})
		})
		if err != nil {
			return n, fmt.Errorf("flow archive %s: %w", a.file, err)
		}
		n += deleted
	}
	return n, nil
}
