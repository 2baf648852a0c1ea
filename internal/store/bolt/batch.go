// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-io/weir/internal/store"
)

// maxBatch is how many bytes of transactions share a sync.
const maxBatch = 8 << 20

// request is a transaction that waits to be written.
type request struct {
	session *Session
	ops     []store.Op
	ends    bool // the session ends: ops are not known before

	// Set before done is closed.
	results []store.Result
	err     error
	done    chan struct{}
}

// submit has a transaction written, by this caller or another. When the context ends
// first, a transaction that is not being written yet is withdrawn.
func (d *DB) submit(ctx context.Context, r *request) error {
	r.done = make(chan struct{})
	d.queueMu.Lock()
	d.queue = append(d.queue, r)
	d.queueMu.Unlock()
	for {
		select {
		case <-r.done:
			return r.err
		case d.lead <- struct{}{}:
			d.write()
			<-d.lead
		case <-ctx.Done():
			d.withdraw(r)
			select {
			case <-r.done:
				return r.err
			default:
				return context.Cause(ctx)
			}
		}
	}
}

func (d *DB) withdraw(r *request) {
	d.queueMu.Lock()
	defer d.queueMu.Unlock()
	if i := slices.Index(d.queue, r); i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
	}
}

// take takes the next transactions off the queue.
func (d *DB) take() []*request {
	d.queueMu.Lock()
	defer d.queueMu.Unlock()
	n, size := 0, 0
	for n < len(d.queue) && size < maxBatch {
		size += store.Size(d.queue[n].ops...)
		n++
	}
	batch := slices.Clone(d.queue[:n])
	d.queue = slices.Delete(d.queue, 0, n)
	return batch
}

func (d *DB) answer(batch []*request, err error) {
	for _, r := range batch {
		if err != nil && r.err == nil {
			r.err = err
		}
		close(r.done)
	}
}

// write writes the next transactions with one sync, makes their changes visible and
// answers. Who calls it holds the token of lead.
func (d *DB) write() {
	batch := d.take()
	if len(batch) == 0 {
		return
	}
	if d.closed {
		d.answer(batch, store.ErrSessionExpired)
		return
	}
	all, last := newLayer(func(path string) *node { return d.nodes[path] }), d.last
	ending := make(map[*Session]bool)
	for _, r := range batch {
		if !d.alive(r.session) || ending[r.session] {
			r.err = store.ErrSessionExpired
			continue
		}
		if r.ends {
			ending[r.session] = true
			r.ops = farewell(all, r.session)
		}
		one := newLayer(all.node)
		if r.results, r.err = one.transact(r.ops, r.session.id, last+1); r.err == nil {
			all.merge(one)
			last++
		}
	}
	err := d.persist(all, last)
	if len(all.dirty) > 0 {
		d.tell(err)
	}
	if err != nil {
		d.refuse(batch, fmt.Errorf("%w: write %s: %w", store.ErrUnavailable, d.file, err))
		return
	}
	d.publish(all, last, ending)
	d.answer(batch, nil)
}

// refuse answers with an error of the file. Sessions that end do so all the same: their
// nodes are not in the file, and nobody asks again for one whose time is over.
func (d *DB) refuse(batch []*request, err error) {
	all, last := newLayer(func(path string) *node { return d.nodes[path] }), d.last
	ending := make(map[*Session]bool)
	for _, r := range batch {
		switch {
		case r.err != nil:
		case !r.ends:
			r.err = err
		default:
			ending[r.session] = true
			one := newLayer(all.node)
			if r.results, r.err = one.transact(farewell(all, r.session), r.session.id, last+1); r.err == nil {
				all.merge(one)
				last++
			}
		}
	}
	d.publish(all, last, ending)
	d.answer(batch, nil)
}

// tell has the log say when the file cannot be written, and when it can be again.
func (d *DB) tell(err error) {
	switch {
	case err != nil && !d.failing:
		d.log.Error("the control store cannot be written: changes are refused", "file", d.file, "error", err)
	case err == nil && d.failing:
		d.log.Info("the control store can be written again", "file", d.file)
	}
	d.failing = err != nil
}

// alive reports whether a session has not ended. It may begin meanwhile, so that mu is
// needed also by who holds the token of lead.
func (d *DB) alive(s *Session) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.sessions[s.id] == s
}

// transact makes all operations of a transaction or says which one failed.
func (l *layer) transact(ops []store.Op, session, transaction int64) ([]store.Result, error) {
	results := make([]store.Result, len(ops))
	for i := range ops {
		var err error
		if results[i], err = l.apply(&ops[i], session, transaction); err != nil {
			return nil, store.OpError(ops, i, err)
		}
	}
	return results, nil
}

// farewell returns the operations that remove a session's nodes.
func farewell(l *layer, s *Session) []store.Op {
	mine := maps.Clone(s.nodes)
	for path, n := range l.nodes {
		if n != nil && n.stat.Owner == s.id {
			mine[path] = struct{}{}
		}
	}
	var ops []store.Op
	for _, path := range slices.Sorted(maps.Keys(mine)) {
		if n := l.node(path); n != nil && n.stat.Owner == s.id {
			ops = append(ops, store.Delete(path, store.AnyVersion))
		}
	}
	return ops
}

// publish puts changes into the tree, fires watches and ends sessions.
func (d *DB) publish(l *layer, last int64, ending map[*Session]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = last
	for path, n := range l.nodes {
		old := d.nodes[path]
		if old != nil && old.stat.Owner != 0 {
			if s := d.sessions[old.stat.Owner]; s != nil {
				delete(s.nodes, path)
			}
		}
		switch {
		case n != nil:
			d.nodes[path] = n
			if old == nil {
				d.adopt(path)
			}
			if s := d.sessions[n.stat.Owner]; s != nil {
				s.nodes[path] = struct{}{}
			}
		case old != nil:
			delete(d.nodes, path)
			d.disown(path)
		}
	}
	d.watches.fire(l.events)
	for s := range ending {
		delete(d.sessions, s.id)
		d.finish(s)
	}
}
