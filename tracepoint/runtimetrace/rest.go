// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"context"
	"errors"
)

// rest is what was traced and is not recorded yet, which a session that is about to stop
// waits for.
type rest struct {
	recorded chan struct{} // closed when it is
	stopped  chan struct{} // closed when the session is, or waits no more
}

// errFlushed is that of a trace that has ended for a session that stops.
var errFlushed = errors.New("a session has stopped")

// flush has the rest recorded, unless ctx ends before.
func (t *Tracer) flush(ctx context.Context) (over func()) {
	r := &rest{make(chan struct{}), make(chan struct{})}
	select {
	case t.asked <- r:
	case <-ctx.Done():
		return func() {}
	}
	select {
	case <-r.recorded:
	case <-ctx.Done():
	}
	return func() { close(r.stopped) }
}

// tell tells who waits for the rest, if one does, that it is recorded, and waits until
// the session has stopped: others may go on.
func (r *rest) tell(ctx context.Context, err error) error {
	if r == nil {
		return err
	}
	close(r.recorded)
	select {
	case <-r.stopped:
	case <-ctx.Done():
	}
	if err == nil {
		err = errFlushed
	}
	return err
}
