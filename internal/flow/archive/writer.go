// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// shelf is the buckets of a request.
type shelf struct{ all, flows, index, events, done, hosts *bbolt.Bucket }

// open opens the buckets of a request; nil if it has none.
func open(tx *bbolt.Tx, request topology.ID) *shelf {
	b := tx.Bucket(requestsBucket).Bucket(request[:])
	if b == nil {
		return nil
	}
	return &shelf{b, b.Bucket(flowsBucket), b.Bucket(indexBucket), b.Bucket(eventsBucket), b.Bucket(doneBucket), b.Bucket(hostsBucket)}
}

// makeShelf makes the buckets of a request unless they are there.
func makeShelf(tx *bbolt.Tx, request topology.ID) (*shelf, error) {
	if s := open(tx, request); s != nil {
		return s, nil
	}
	b, err := tx.Bucket(requestsBucket).CreateBucket(request[:])
	if err != nil {
		return nil, err
	}
	for _, name := range [][]byte{flowsBucket, indexBucket, eventsBucket, doneBucket, hostsBucket} {
		if _, err := b.CreateBucket(name); err != nil {
			return nil, err
		}
	}
	return open(tx, request), nil
}

// openKey is a flow of a request.
type openKey struct{ request, flow topology.ID }

// openFlow is a flow that a batch has records of.
type openFlow struct {
	shelf *shelf
	key   []byte // time, flow
	value flowValue
	grown int64 // bytes that its request does not count yet
}

// writer keeps a batch of records. What is known of flows is written at its end, once.
type writer struct {
	tx    *bbolt.Tx
	opts  *Options
	flows map[openKey]*openFlow
}

// keep keeps a record for a request.
func (w *writer) keep(request topology.ID, r *record.Record, event []byte, view *eventView) error {
	f, err := w.open(request, r)
	if err != nil {
		return err
	}
	decided := f.value.learn(r, view)
	if decided {
		if f.value.Done, err = f.shelf.done.NextSequence(); err != nil {
			return err
		}
		if err := f.shelf.done.Put(number(f.value.Done), f.key); err != nil {
			return err
		}
	}
	key := make([]byte, 0, 40)
	key = append(append(key, r.Scope.Flow[:]...), r.Scope.Host[:]...)
	key = binary.BigEndian.AppendUint64(key, r.Seq)
	if !f.admit(r.Scope.Host, r.Seq, f.shelf.events.Get(key), event, decided, w.opts) {
		return nil
	}
	return f.shelf.events.Put(key, event)
}

// open opens the flow of a record, which is made if the request does not have it.
func (w *writer) open(request topology.ID, r *record.Record) (*openFlow, error) {
	flow := r.Scope.Flow
	if f := w.flows[openKey{request, flow}]; f != nil {
		return f, nil
	}
	s, err := makeShelf(w.tx, request)
	if err != nil {
		return nil, err
	}
	f := &openFlow{shelf: s}
	if at := s.index.Get(flow[:]); at != nil {
		f.key = flowKey(at, flow)
		if err := json.Unmarshal(s.flows.Get(f.key), &f.value); err != nil {
			return nil, fmt.Errorf("flow %v: %w", flow, err)
		}
	} else {
		f.key = flowKey(timeKey(r.Time), flow)
		f.grow(flowCost)
		if err := errors.Join(s.index.Put(flow[:], f.key[:8]), s.count(1), w.trim(request, s), s.flows.Put(f.key, []byte("{}"))); err != nil {
			return nil, err
		}
	}
	w.flows[openKey{request, flow}] = f
	return f, nil
}

// flush writes what is known of flows, and makes room for them.
func (w *writer) flush() error {
	for _, f := range w.flows {
		data, err := json.Marshal(&f.value)
		if err != nil {
			return err
		}
		if err := errors.Join(f.shelf.flows.Put(f.key, data), f.shelf.grow(f.grown)); err != nil {
			return err
		}
	}
	return makeRoom(w.tx, w.opts.MaxBytes, len(w.flows)+maxExpire)
}

// flowCount returns how many flows a request has.
func (s *shelf) flowCount() uint64 { return counter(s.all, countKey) }

func (s *shelf) count(by int64) error { return addTo(s.all, countKey, by) }

// trim deletes the oldest flows of a request that has too many. The one that is being
// added is counted, but not there yet.
func (w *writer) trim(request topology.ID, s *shelf) error {
	for s.flowCount() > uint64(w.opts.MaxFlows) {
		key, value := s.flows.Cursor().First()
		if key == nil {
			return nil
		}
		key = bytes.Clone(key)
		var v flowValue
		if f := w.flows[openKey{request, topology.ID(key[8:])}]; f != nil {
			v = f.value
			if err := s.grow(f.grown); err != nil {
				return err
			}
			delete(w.flows, openKey{request, topology.ID(key[8:])})
		} else if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		if err := errors.Join(s.drop(key, &v), addTo(s.all, lostKey, 1)); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes a flow with its events.
func (s *shelf) drop(key []byte, v *flowValue) error {
	flow := key[8:]
	c := s.events.Cursor()
	var events [][]byte
	for k, _ := c.Seek(flow); bytes.HasPrefix(k, flow); k, _ = c.Next() {
		events = append(events, bytes.Clone(k))
	}
	for _, k := range events {
		if err := s.events.Delete(k); err != nil {
			return err
		}
	}
	if v.Done > 0 {
		if err := s.done.Delete(number(v.Done)); err != nil {
			return err
		}
	}
	return errors.Join(s.flows.Delete(key), s.index.Delete(flow), s.count(-1), s.grow(-v.Bytes))
}
