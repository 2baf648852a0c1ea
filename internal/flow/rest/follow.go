// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// follow sends objects as they come, a line each, until the client goes, or may not read
// them any more.
func follow(q *request, objects func(func(json.RawMessage, error) bool)) error {
	c := http.NewResponseController(q.w)
	var failed error
	q.w.Header().Set("Content-Type", streamType)
	q.w.WriteHeader(http.StatusOK)
	q.started = true
	_ = c.Flush() // the client has gone: the next write tells
	for b, err := range objects {
		if err != nil {
			failed = err
			break
		}
		if q.ctx().Err() != nil {
			break
		}
		if _, err := q.w.Write(append(b, '\n')); err != nil || c.Flush() != nil {
			return nil // the client has gone
		}
	}
	if f, refused := context.Cause(q.ctx()).(*Fault); refused {
		return f
	}
	if q.ctx().Err() != nil {
		return nil
	}
	return failed
}

// guard ends the request's context when its token does, or when its owner may no longer
// read what the request of the path traces, or has lost a tenant that it had: the viewer
// goes on with those of the start. What the viewer knows of who owns what is found out
// again each time. The function that it returns ends the guard.
func (q *request) guard(v *viewer) (end func()) {
	ctx, cancel := context.WithCancelCause(q.ctx())
	began := q.who
	asking := *q // before the context ends with what it finds
	q.r = q.r.WithContext(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(q.server.opts.Recheck)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if f := asking.refused(ctx, &began); f != nil {
				cancel(f)
				return
			}
			v.stale.Store(true)
		}
	}()
	return func() {
		cancel(nil)
		<-done
	}
}

// refused returns why the request would not be served now as it was to who it began
// with, nil if it would or if that cannot be told. It is compared with the start, not
// with the time before: what could not be told then is not forgotten.
func (q *request) refused(ctx context.Context, began *Identity) *Fault {
	ctx, cancel := context.WithTimeout(ctx, q.server.opts.Timeout)
	defer cancel()
	q.r = q.r.WithContext(ctx)
	err := q.identify()
	if err == nil && !q.who.may(q.route) || err == nil && q.who.Role != began.Role {
		err = faultf(http.StatusForbidden, "the role has changed to %s", q.who.Role)
	}
	if err == nil && slices.ContainsFunc(began.Tenants, func(tenant string) bool { return !q.who.owns(tenant) }) {
		err = faultf(http.StatusForbidden, "the account has lost a tenant")
	}
	if err == nil {
		_, err = q.tracedBy()
	}
	if err == nil {
		return nil
	}
	switch f := q.server.fault(err); {
	case f.Status == http.StatusUnauthorized, f.Status == http.StatusForbidden:
		return f
	case f.Status == http.StatusNotFound && q.who.Role != Admin: // another tenant may give the id to a request
		return f
	}
	return nil
}
