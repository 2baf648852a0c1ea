// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// Options say what to watch and how.
type Options struct {
	Dir    string // where the file system is mounted
	Store  journal.Store
	Holder Holder // nil: events that are not committed are lost with this process
	Log    *slog.Logger
	Dirs   bool  // keep directories only in the index
	Job    JobID // default: JobCommUID
	// MtimeInterval drops records of contents that change again within it.
	MtimeInterval time.Duration
	// Skip is a directory of which nothing is told but that it is there: that of the
	// store, which writing records changes.
	Skip      string
	MaxUnread int  // events; default: 4,000,000
	Limited   bool // let the kernel limit its queue
}

// Holder keeps descriptors for a process that may be killed.
type Holder interface {
	// Take returns what is held under a key; nil if nothing is.
	Take(key string) ([]*os.File, error)
	// Hold keeps files under a key, in the place of what was held. They stay open here.
	Hold(key string, files ...*os.File) error
	// Drop closes what is held under a key.
	Drop(key string) error
}

// Source is a file system that is watched.
type Source struct {
	// Static after Open.
	uuid      journal.UUID
	journal   journal.Journal
	holder    Holder
	log       *slog.Logger
	pid       int
	maxUnread int
	requests  chan request
	retry     chan struct{}
	ended     chan struct{} // closed by Run

	// Owned by Run.
	worker *worker

	mu      sync.Mutex // guards what follows
	status  Status
	records [32]uint64
	by      [int(changelog.ByOwner) + 1]uint64
	reasons map[string]uint64 // not changed
}

// maxUnread is how many events may wait in the kernel, which keeps about 140 bytes for
// each.
const maxUnread = 4_000_000

// kindNames are the file systems that are watched.
var kindNames = map[fanotify.Kind]string{
	fanotify.Ext4: "ext4", fanotify.XFS: "xfs", fanotify.Btrfs: "btrfs", fanotify.Tmpfs: "tmpfs",
}

// Identify returns the UUID of the file system mounted at a directory, and its kind.
// Those that cannot be watched are refused.
func Identify(dir string) (journal.UUID, string, error) {
	root, err := fanotify.OpenRoot(dir)
	if err != nil {
		return journal.UUID{}, "", err
	}
	defer root.Close()
	kind, err := root.Kind()
	if err != nil {
		return journal.UUID{}, "", err
	}
	name, ok := kindNames[kind]
	if !ok {
		return journal.UUID{}, "", &fanotify.UnsupportedError{
			Feature: fmt.Sprintf("the kind of file system at %s (%#x; ext4, xfs, btrfs and tmpfs can be)", dir, int64(kind)),
			Err:     errors.ErrUnsupported,
		}
	}
	id, err := root.UUID()
	return id, name, err
}

// Open begins to watch a file system, or goes on where an earlier process ended. Run
// must be called then.
func Open(ctx context.Context, o Options) (*Source, error) {
	id, kind, err := Identify(o.Dir)
	if err != nil {
		return nil, err
	}
	j, err := o.Store.Open(id)
	if err != nil {
		return nil, err
	}
	if o.MaxUnread == 0 {
		o.MaxUnread = maxUnread
	}
	if o.Job == "" {
		o.Job = JobCommUID
	}
	s := &Source{
		uuid: id, journal: j, holder: o.Holder, pid: os.Getpid(), maxUnread: o.MaxUnread,
		log:      o.Log.With("source", id.String(), "dir", o.Dir),
		requests: make(chan request, 16),
		retry:    make(chan struct{}, 1), ended: make(chan struct{}),
		status: Status{UUID: id.String(), Dir: o.Dir, Kind: kind, State: StateActive},
	}
	if err := s.start(ctx, o); err != nil {
		return nil, fmt.Errorf("watching %s: %w", o.Dir, err)
	}
	return s, nil
}

// UUID is the file system's.
func (s *Source) UUID() journal.UUID { return s.uuid }

// Journal is where its records are.
func (s *Source) Journal() journal.Journal { return s.journal }

// Run takes over events until the end of ctx. What the kernel has not told by then
// stays with the holder.
func (s *Source) Run(ctx context.Context) error {
	defer close(s.ended)
	w := s.worker
	stopMounts, err := s.watchMounts(ctx)
	if err != nil {
		return err
	}
	defer stopMounts()
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	err = w.run(ctx)
	w.disk.close()
	w.actors.forget()
	return errors.Join(err, w.group.Close(), w.spool.unmap(), w.quiet.kept.unmap())
}

// wake has Run look at its requests.
func (s *Source) wake() { _ = s.worker.group.Wake(time.Unix(1, 0)) }

// watchMounts has Run look at the mount whenever something was mounted or unmounted.
func (s *Source) watchMounts(ctx context.Context) (stop func(), err error) {
	mounts, err := fanotify.WatchMounts()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for mounts.Wait(ctx) == nil {
			_ = s.ask(ctx, s.worker.lookAtMount)
		}
	}()
	return func() {
		cancel()
		<-done
		mounts.Close()
	}, nil
}

// ErrEnded is the error of requests to a source that does not run any more.
var ErrEnded = errors.New("the source is not watched any more")

// request is what Run is asked to do. It is refused while the journal cannot be written:
// nobody is to wait for that without being told.
type request struct {
	do     func(context.Context) error
	refuse func(error)
}

// ErrUnderWay goes with the error of what Run has begun, and will end once the journal can be
// written.
var ErrUnderWay = errors.New("it is under way")

// ask has Run do something between two batches, and waits for it. What is begun may
// outlive the wait: it must not write to variables of the caller; askFor hands results
// over.
func (s *Source) ask(ctx context.Context, do func(context.Context) error) error {
	_, err := askFor(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// askFor is ask for what has a result.
func askFor[T any](ctx context.Context, s *Source, do func(context.Context) (T, error)) (none T, err error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	var taken atomic.Bool // by Run, which begins it, or by the caller, who waits no longer
	r := request{
		do: func(ctx context.Context) error {
			if !taken.CompareAndSwap(false, true) {
				return nil
			}
			v, err := do(ctx)
			answers <- answer{v, err}
			return nil
		},
		refuse: func(err error) { answers <- answer{err: err} },
	}
	select {
	case s.requests <- r:
	case <-s.ended:
		return none, ErrEnded
	case <-ctx.Done():
		return none, ctx.Err()
	}
	s.wake()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-s.ended:
		return none, ErrEnded
	case <-ctx.Done():
		if taken.CompareAndSwap(false, true) {
			return none, ctx.Err()
		}
		return none, errors.Join(ctx.Err(), ErrUnderWay)
	}
}

// serve does what was asked for.
func (w *worker) serve(ctx context.Context) error {
	for {
		select {
		case r := <-w.s.requests:
			w.tick()
			w.disk.refresh()
			if err := r.do(ctx); err != nil {
				return err
			}
			w.publish()
		default:
			return nil
		}
	}
}

// SetMask says which records feeds ask for.
func (s *Source) SetMask(ctx context.Context, mask changelog.Mask) error {
	return s.ask(ctx, func(context.Context) error { return s.worker.setMask(mask) })
}

func (w *worker) setMask(mask changelog.Mask) error {
	before := w.events()
	w.mask = mask
	if !w.present {
		return nil
	}
	if gone := before &^ w.events(); gone != 0 {
		if err := w.group.Unmark(w.disk.dir, gone); err != nil {
			return err
		}
	}
	return w.group.Mark(w.disk.dir, w.events())
}

// Mark appends a mark to the journal and returns its index. Where the journal has no room the
// error is ErrUnderWay: the mark is the first to be written when there is some.
func (s *Source) Mark(ctx context.Context, m changelog.Marker) (index uint64, err error) {
	return askFor(ctx, s, func(context.Context) (uint64, error) { return s.worker.tell(m) })
}

// tell appends a mark to the journal, or promises to.
func (w *worker) tell(m changelog.Marker) (index uint64, err error) {
	index = w.batch.Next()
	w.mark(m)
	err = w.commit(0)
	if errors.Is(err, errStore) {
		w.promised = append(w.promised, m)
		err = errors.Join(err, ErrUnderWay)
	}
	return index, err
}

// Rescan compares the index with the disk and returns when that is done.
func (s *Source) Rescan(ctx context.Context) error {
	done := make(chan error, 1)
	err := s.ask(ctx, func(context.Context) error { return s.worker.beginScan(false, done) })
	if err != nil {
		return err
	}
	return s.await(ctx, done)
}

func (s *Source) await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-s.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ready returns when the index has all that is on the disk.
func (s *Source) Ready(ctx context.Context) error {
	done := make(chan error, 1)
	err := s.ask(ctx, func(context.Context) error {
		switch w := s.worker; {
		case w.scanDue && w.present:
			silent := w.silentDue
			w.scanDue, w.silentDue = false, false
			return w.beginScan(silent, done)
		case w.scan != nil:
			w.scan.done = append(w.scan.done, done)
			return nil
		}
		done <- nil
		return nil
	})
	if err != nil {
		return err
	}
	return s.await(ctx, done)
}

// Retry has a source that is stalled try at once whether its journal can be written.
func (s *Source) Retry() {
	select {
	case s.retry <- struct{}{}:
	default:
	}
}

// Forget stops holding the group: changes from now on are lost. It is called when the
// last feed is gone and Run has ended.
func (s *Source) Forget() error {
	if s.holder == nil {
		return nil
	}
	return s.holder.Drop(s.key())
}

// key is what the holder knows the source by.
func (s *Source) key() string { return hex.EncodeToString(s.uuid[:]) }

// Note stores values of the caller's own with the journal.
func (s *Source) Note(ctx context.Context, values map[string]string) error {
	return s.ask(ctx, func(context.Context) error {
		for k, v := range values {
			s.worker.batch.SetMeta(k, []byte(v))
		}
		return s.worker.commit(0)
	})
}

// Paths returns all names of an object, from the root of the source; that of the root is empty.
func (s *Source) Paths(ctx context.Context, f changelog.FID) ([]string, error) {
	return askFor(ctx, s, func(context.Context) (paths []string, err error) {
		x := s.worker.index
		if f == x.root {
			return []string{""}, nil
		}
		err = s.journal.Links(f, func(parent changelog.FID, n []byte) bool {
			if p := x.appendPath(nil, parent, n); p != nil {
				paths = append(paths, string(p))
			}
			return true
		})
		return paths, err
	})
}
