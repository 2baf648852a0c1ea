// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// Load returns all objects as they were at one moment.
func (v *Inventory) Load(ctx context.Context) (*topology.Snapshot, error) {
	f, err := v.view(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the inventory: %w", err)
	}
	going, err := f.settle(ctx)
	if err == nil && !going {
		err = store.ErrSessionExpired
	}
	if err := errors.Join(err, f.session.Close()); err != nil {
		return nil, fmt.Errorf("load the inventory: %w", err)
	}
	return f.share(), nil
}

// retryPeriod is the time between two tries to read the tree while the store does not
// answer.
const retryPeriod = time.Second

// Follow calls f with all objects, and again after each change, until the context
// ends, whose cause it returns. Changes that come close together are one. Snapshots
// are of one moment each, but when others write without a pause, and do not change.
// When the session ends, or the store does not answer, all is read anew; until then
// the last snapshot holds.
func (v *Inventory) Follow(ctx context.Context, f func(*topology.Snapshot)) error {
	for ctx.Err() == nil {
		err := v.follow(ctx, f)
		if ctx.Err() != nil {
			break
		}
		v.cfg.Log.Warn("the inventory is read anew", "error", err)
		wait := time.NewTimer(retryPeriod)
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return context.Cause(ctx)
}

// follow is Follow for one session.
func (v *Inventory) follow(ctx context.Context, f func(*topology.Snapshot)) error {
	w, err := v.view(ctx)
	if err != nil {
		return err
	}
	defer w.session.Close() // what it would say is said by the next session
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		going, err := w.settle(ctx)
		if err != nil {
			return err
		}
		if !going {
			return store.ErrSessionExpired
		}
		f(w.share())
		if err := w.watcher.Wait(ctx); err != nil {
			return err
		}
		pause.Reset(v.cfg.Coalesce)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
