// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"sync"
)

// turns lets one transaction at a time change an object. It is a courtesy: without it
// many transactions on one object would fail and be tried again. Who wants turns of
// several objects names them in the order chain, device, host, so that no two wait for
// each other.
type turns struct {
	mu sync.Mutex
	// Guarded by mu.
	held map[any]*turn
}

// turn is that of one object.
type turn struct {
	free  chan struct{} // holds a token while someone has the turn; never closed
	users int           // who have it or wait; guarded by mu of turns
}

// enter waits for the turns of objects. leave ends them.
func (t *turns) enter(ctx context.Context, objects []any) (leave func(), err error) {
	var mine []any
	leave = func() {
		for _, object := range mine {
			t.leave(object, true)
		}
	}
	for _, object := range objects {
		t.mu.Lock()
		h := t.held[object]
		if h == nil {
			h = &turn{free: make(chan struct{}, 1)}
			t.held[object] = h
		}
		h.users++
		t.mu.Unlock()
		select {
		case h.free <- struct{}{}:
			mine = append(mine, object)
		case <-ctx.Done():
			t.leave(object, false)
			leave()
			return nil, context.Cause(ctx)
		}
	}
	return leave, nil
}

func (t *turns) leave(object any, has bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.held[object]
	if has {
		<-h.free
	}
	if h.users--; h.users == 0 {
		delete(t.held, object)
	}
}
