// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/topology"
)

// parseFlow returns the flow of a pair.
func parseFlow(key, value []byte) (Flow, error) {
	var v flowValue
	if err := json.Unmarshal(value, &v); err != nil {
		return Flow{}, fmt.Errorf("flow %x: %w", key, err)
	}
	f := Flow{Time: keyTime(key), Ingress: v.Ingress, Host: v.Host, Hosts: v.Hosts, Verdict: v.Verdict, Header: v.Header, Dropped: v.dropped()}
	copy(f.ID[:], key[8:])
	return f, nil
}

// Flows returns flows of a request, in the order of their times.
func (a *Archive) Flows(ctx context.Context, request topology.ID, sel Select) ([]Flow, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	flows, _, err := a.selected(request, &sel, sel.limit())
	return flows, err
}

// selected returns the flows that a selection wants, and the number of the last flow
// whose verdict is known, both of one moment. There are at most limit flows.
func (a *Archive) selected(request topology.ID, sel *Select, limit int) (flows []Flow, last uint64, err error) {
	err = a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return nil
		}
		last = s.done.Sequence()
		for key, value := range walk(s.flows.Cursor(), sel) {
			f, err := parseFlow(key, value)
			if err != nil {
				return err
			}
			if sel.matches(&f) {
				flows = append(flows, f)
			}
			if len(flows) == limit {
				return nil
			}
		}
		return nil
	})
	return flows, last, err
}

// walk yields the pairs whose times a selection covers, in its order.
func walk(c *bbolt.Cursor, sel *Select) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		var k, v []byte
		switch {
		case sel.Descending && sel.Until.IsZero():
			k, v = c.Last()
		case sel.Descending:
			if k, v = c.Seek(timeKey(sel.Until)); k == nil {
				k, v = c.Last()
			}
			for k != nil && !keyTime(k).Before(sel.Until) {
				k, v = c.Prev()
			}
		case sel.Since.IsZero():
			k, v = c.First()
		default:
			k, v = c.Seek(timeKey(sel.Since))
		}
		for k != nil && sel.covers(keyTime(k)) && yield(k, v) {
			if sel.Descending {
				k, v = c.Prev()
			} else {
				k, v = c.Next()
			}
		}
	}
}

// Flow returns a flow of a request.
func (a *Archive) Flow(ctx context.Context, request, flow topology.ID) (f Flow, err error) {
	if err := context.Cause(ctx); err != nil {
		return f, err
	}
	err = a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return ErrNotFound
		}
		at := s.index.Get(flow[:])
		if at == nil {
			return ErrNotFound
		}
		key := flowKey(at, flow)
		f, err = parseFlow(key, s.flows.Get(key))
		return err
	})
	return f, err
}

// storedEvent is an event with what it is sorted by.
type storedEvent struct {
	eventView
	data json.RawMessage
}

// events returns all events of a flow: of the ingress host first, then of the others
// by their first times, of each by number, because clocks differ.
func (a *Archive) events(request, flow topology.ID) (all []storedEvent, err error) {
	err = a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil || s.index.Get(flow[:]) == nil {
			return ErrNotFound
		}
		c := s.events.Cursor()
		for k, v := c.Seek(flow[:]); bytes.HasPrefix(k, flow[:]); k, v = c.Next() {
			e := storedEvent{data: bytes.Clone(v)}
			if err := json.Unmarshal(v, &e.eventView); err != nil {
				return fmt.Errorf("event %x: %w", k, err)
			}
			e.Seq = binary.BigEndian.Uint64(k[32:])
			all = append(all, e)
		}
		return nil
	})
	type place struct {
		egress bool
		first  int64
	}
	places := make(map[topology.ID]place)
	for _, e := range all {
		p, seen := places[e.Host]
		if !seen || e.Time < p.first {
			p.first = e.Time
		}
		p.egress = e.Role == egress
		places[e.Host] = p
	}
	slices.SortStableFunc(all, func(x, y storedEvent) int {
		p, q := places[x.Host], places[y.Host]
		switch {
		case p.egress != q.egress && p.egress:
			return 1
		case p.egress != q.egress:
			return -1
		}
		return cmp.Or(cmp.Compare(p.first, q.first), bytes.Compare(x.Host[:], y.Host[:]), cmp.Compare(x.Seq, y.Seq))
	})
	return all, err
}

// Events returns the events of a flow in their order.
func (a *Archive) Events(ctx context.Context, request, flow topology.ID, sel Select) ([]json.RawMessage, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	all, err := a.events(request, flow)
	if err != nil {
		return nil, err
	}
	if sel.Descending {
		slices.Reverse(all)
	}
	limit := sel.limit()
	if sel.Unbounded {
		limit = len(all)
	}
	var out []json.RawMessage
	for _, e := range all {
		if sel.covers(time.Unix(0, e.Time)) && len(out) < limit {
			out = append(out, e.data)
		}
	}
	return out, nil
}

// FollowFlows yields the flows that Flows returns and whose verdict is known, and goes
// on with others as theirs become known, until the context ends, or the limit is
// reached if there is one. All that is kept comes first: whoever follows must not miss
// what lies between the first of a limit and now. An error is the last element.
func (a *Archive) FollowFlows(ctx context.Context, request topology.ID, sel Select) iter.Seq2[Flow, error] {
	return func(yield func(Flow, error) bool) {
		news := a.news()
		flows, last, err := a.selected(request, &sel, math.MaxInt)
		for n := 0; ; {
			for _, f := range flows {
				if f.Verdict == "" {
					continue
				}
				if n++; !yield(f, nil) || n == sel.Limit {
					return
				}
			}
			if err != nil {
				yield(Flow{}, err)
				return
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			}
			news = a.news()
			flows, last, err = a.doneSince(request, last, &sel)
		}
	}
}

// doneSince returns the flows whose verdict has become known after one of a number.
func (a *Archive) doneSince(request topology.ID, after uint64, sel *Select) (flows []Flow, last uint64, err error) {
	last = after
	err = a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return nil
		}
		if s.done.Sequence() < after { // the request was deleted, and has flows again
			last = 0
		}
		c := s.done.Cursor()
		for k, key := c.Seek(number(last + 1)); k != nil; k, key = c.Next() {
			last = binary.BigEndian.Uint64(k)
			f, err := parseFlow(key, s.flows.Get(key))
			if err != nil {
				return err
			}
			if sel.matches(&f) {
				flows = append(flows, f)
			}
		}
		return nil
	})
	return flows, last, err
}

// eventKey identifies an event of a flow.
type eventKey struct {
	host topology.ID
	seq  uint64
}

// FollowEvents yields the events that Events returns, and goes on with others as they
// come, until the context ends, or the limit is reached if there is one. An error is the
// last element.
func (a *Archive) FollowEvents(ctx context.Context, request, flow topology.ID, sel Select) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		seen := make(map[eventKey]bool)
		for n := 0; ; {
			news := a.news()
			all, err := a.events(request, flow)
			if err != nil {
				yield(nil, err)
				return
			}
			if sel.Descending && len(seen) == 0 {
				slices.Reverse(all)
			}
			for _, e := range all {
				key := eventKey{e.Host, e.Seq}
				if seen[key] || !sel.covers(time.Unix(0, e.Time)) {
					continue
				}
				seen[key] = true
				if n++; !yield(e.data, nil) || n == sel.Limit {
					return
				}
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Status returns how the hosts count for a request, in the order of their ids.
func (a *Archive) Status(ctx context.Context, request topology.ID) (all []HostStatus, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	err = a.db.View(func(tx *bbolt.Tx) error {
		s := open(tx, request)
		if s == nil {
			return nil
		}
		return s.hosts.ForEach(func(_, v []byte) error {
			var h HostStatus
			if err := json.Unmarshal(v, &h); err != nil {
				return err
			}
			all = append(all, h)
			return nil
		})
	})
	return all, err
}
