// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/store"
)

// Present tells what the objects are now, and reads again only what has changed since it
// was last asked. It is safe for concurrent use.
type Present struct {
	v    *Inventory
	turn chan struct{} // holds one item while somebody asks
	// Owned by who has put it there.
	view *view // nil: all is to be read
	last *topology.Snapshot
}

// Present returns a Present, which reads nothing until it is asked.
func (v *Inventory) Present() *Present { return &Present{v: v, turn: make(chan struct{}, 1)} }

// Snapshot returns all objects as they are, in the same snapshot for as long as nothing
// changes. A change that was made before it was called is in it.
func (p *Present) Snapshot(ctx context.Context) (*topology.Snapshot, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	if p.view != nil && p.refresh(ctx) == nil {
		return p.last, nil
	}
	p.drop() // its session is over, or some events have been lost
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var err error
	if p.view, err = p.v.view(ctx); err == nil {
		err = p.refresh(ctx)
	}
	if err != nil {
		p.drop()
		return nil, fmt.Errorf("load the inventory: %w", unanswered(err))
	}
	return p.last, nil
}

// refresh reads what has changed.
func (p *Present) refresh(ctx context.Context) error {
	// Events of changes before this read come before its answer.
	if _, _, err := p.view.session.Exists(ctx, p.v.cfg.Root, nil); err != nil {
		return err
	}
	changed := p.view.watcher.Pending()
	going, err := p.view.settle(ctx)
	switch {
	case err != nil:
		return err
	case !going:
		return store.ErrSessionExpired
	case changed || p.last == nil:
		p.last = p.view.share()
	}
	return nil
}

func (p *Present) drop() error {
	v := p.view
	p.view, p.last = nil, nil
	if v == nil {
		return nil
	}
	return v.session.Close()
}

// Close ends the session. Who asks afterwards opens another.
func (p *Present) Close() error {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	if err := p.drop(); err != nil && !errors.Is(err, store.ErrSessionExpired) {
		return err
	}
	return nil
}
