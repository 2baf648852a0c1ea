// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/journal"
)

// Times between two attempts to open a store, and how often one is asked for that another
// process has.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	askLock    = 100 * time.Millisecond
)

// maxAbandoned is how many databases may be left behind, which keep memory each.
const maxAbandoned = 16

// keeper keeps a store open, with the manager of its feeds. A store that cannot be opened,
// or not be written any more, for a reason that may pass is tried again and again, as when
// the disk is full or cannot be written; one that is damaged, or a newer weir's, is not.
type keeper struct {
	// Immutable after newKeeper.
	open     func() (journal.Store, *feed.Manager, error)
	log      *slog.Logger
	arrivals chan *feed.Manager // each that there is; never closed
	part     func()             // called when there is no manager any more
	// wait is how long the n-th attempt after a failure is put off.
	wait func(n int) time.Duration

	// Owned by begin, then by run, then by close.
	store     journal.Store // nil: it is not open
	abandoned int
	told      string // error that the log has told of

	mu      sync.Mutex
	manager *feed.Manager // guarded by mu; nil: there is none
	why     *client.Error // there is none; guarded by mu
	passing bool          // it may be tried again; guarded by mu
}

func newKeeper(open func() (journal.Store, *feed.Manager, error), part func(), log *slog.Logger) *keeper {
	return &keeper{
		open: open, part: part, log: log, arrivals: make(chan *feed.Manager, 1),
		wait: func(n int) time.Duration { return min(firstRetry<<min(n, 10), lastRetry) },
	}
}

// door is a feed.Door.
func (k *keeper) door() (*feed.Manager, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.manager == nil {
		return nil, k.why
	}
	return k.manager, nil
}

// begin opens the store for the first time. It waits for another process that has it, but
// not longer than it may take that to end, and fails then.
func (k *keeper) begin(ctx context.Context, patience time.Duration) error {
	tick := time.NewTicker(askLock)
	defer tick.Stop()
	for since := time.Now(); ; {
		err := k.try()
		if !errors.Is(err, journal.ErrLocked) {
			return nil
		}
		if time.Since(since) >= patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// try opens the store, and keeps why it could not.
func (k *keeper) try() error {
	store, m, err := k.open()
	if err != nil {
		k.refused(err)
		return err
	}
	k.store = store
	k.mu.Lock()
	k.manager, k.why = m, nil
	k.mu.Unlock()
	if k.told != "" {
		k.log.Info("store of feeds is open: feeds are served")
		k.told = ""
	}
	return nil
}

// refused notes why there is no manager, and logs it when it is another reason than before.
func (k *keeper) refused(err error) {
	if errors.Is(err, journal.ErrAbandoned) {
		k.abandoned++
	}
	again := passes(err) && k.abandoned < maxAbandoned
	hint := "and not before the agent is started again"
	if again {
		hint = "the agent tries again"
	}
	k.mu.Lock()
	k.manager, k.passing = nil, again
	k.why = client.Errorf(client.CodeStore, "no feeds are served: %v; %s", err, hint)
	why := k.why.Message
	k.mu.Unlock()
	if why != k.told && !errors.Is(err, journal.ErrLocked) {
		k.told = why
		k.log.Error("store of feeds cannot be opened", "error", err, "again", again)
	}
}

// passes reports whether a reason may pass without anybody doing something about the store:
// what the system refuses, and that another process has it.
func passes(err error) bool {
	switch {
	case errors.As(err, new(*journal.CorruptError)), errors.As(err, new(*journal.VersionError)):
		return false
	case errors.Is(err, journal.ErrLocked):
		return true
	}
	return errors.As(err, new(syscall.Errno))
}

// run has the manager run, and opens the store where it is not, until the end of ctx.
func (k *keeper) run(ctx context.Context) error {
	for n := 0; ; n++ {
		if k.store != nil {
			if err := k.serve(ctx); ctx.Err() != nil {
				return err
			}
			n = 0
		}
		if !k.pause(ctx, n) {
			return nil
		}
		_ = k.try() // door tells
	}
}

// pause waits before another attempt. It is false at the end of ctx.
func (k *keeper) pause(ctx context.Context, n int) bool {
	k.mu.Lock()
	again := k.passing
	k.mu.Unlock()
	var elapsed <-chan time.Time
	if again {
		timer := time.NewTimer(k.wait(n))
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-elapsed:
		return true
	}
}

// errStoreFailed is what consumers are told of the end of a manager that is not the agent's.
var errStoreFailed = errors.New("the store of feeds could not be written and is opened again; the log of the agent says more")

// serve has the manager run until the end of ctx, or of the store, which is closed then.
func (k *keeper) serve(ctx context.Context) error {
	m, err := k.door()
	if err != nil {
		return err
	}
	select {
	case k.arrivals <- m:
	case <-ctx.Done():
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	go func() { // ends with inner; awaited below
		defer close(stopped)
		select {
		case <-k.store.Failed():
			cancel(errStoreFailed)
		case <-inner.Done():
		}
	}()
	err = m.Run(inner)
	cancel(nil)
	<-stopped
	if ctx.Err() == nil {
		k.refused(errors.Join(err, k.close())) // with what it was that the disk refused
		k.part()
	}
	return err
}

// close closes the store, if it is open.
func (k *keeper) close() error {
	if k.store == nil {
		return nil
	}
	store := k.store
	k.store = nil
	return store.Close()
}
