// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// redirect makes the session's destination that of the process.
func (m *domain) redirect(ctx context.Context) error {
	next, err := m.prepare(ctx)
	if err != nil {
		return err
	}
	return next.commit(ctx)
}

// change is another place for the packets of a domain, which its process has
// prepared.
type change struct {
	m       *domain
	local   *local // nil: a relay, or none
	visited bool   // a relay
	number  uint64 // of the output
}

// prepare has the process prepare the session's destination, or leaves nothing
// behind.
func (m *domain) prepare(ctx context.Context) (*change, error) {
	c := &m.s.consumer
	m.prepared++
	o := handover.Output{Kind: handover.OutputNone, Number: m.prepared, Chunk: handover.Chunk{ID: m.s.chunk, Begin: time.Now()}, Trace: m.place(), SpoolDisk: c.spoolDisk()}
	next := &change{m: m, number: m.prepared}
	switch {
	case c.now.path != "":
		l, err := m.s.openLocal(c.now.path, m.place())
		if err != nil {
			return nil, err
		}
		o.Kind, next.local = handover.OutputDirectory, l
		if err := m.tellOutput(ctx, o, l.dir); err != nil {
			return nil, l.undo(err)
		}
	case c.now.control.Host != "":
		o.Known = m.visited
		r, err := c.takeReady(ctx, m.visited)
		if err != nil {
			return nil, err
		}
		h, err := r.Detach(ctx)
		if err != nil {
			return nil, err
		}
		defer h.Close()
		if o.Relay, err = json.Marshal(h.State); err != nil {
			return nil, err
		}
		o.Kind, next.visited = handover.OutputRelay, true
		if err := m.tellOutput(ctx, o, h.Control, h.Data); err != nil {
			return nil, err
		}
	default:
		if err := m.tellOutput(ctx, o); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// commit has packets go to the new place. If the process is gone by now its
// successor goes there.
func (n *change) commit(ctx context.Context) error {
	m := n.m
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	err := m.proc.Call(ctx, handover.OpCommit, struct{}{}, nil)
	old := m.local
	m.local, m.output, m.lostAt, m.behind = n.local, n.number, time.Time{}, nil
	m.visited = m.visited || n.visited
	switch {
	case old == nil:
	case err == nil:
		if _, err := old.straighten(); err != nil {
			m.s.log.Warn("trace is left in parts", "domain", m.src.Domain(), "err", err)
		}
		old.settle()
	default: // who knows what the process does there; it is ended
		m.left = append(m.left, fmt.Sprintf("domain %s: %s is left as it is: %v", m.src.Domain(), old.path(), err))
		old.dir.Close()
	}
	return err
}

// drop leaves everything as it was.
func (n *change) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	err := n.m.proc.Call(ctx, handover.OpDrop, struct{}{}, nil)
	if n.local == nil {
		return err
	}
	n.local.settle()
	return errors.Join(err, n.local.remove())
}

// tellOutput gives the process another place. Whoever wanted that may be gone
// meanwhile: the two must agree on where packets go all the same.
func (m *domain) tellOutput(ctx context.Context, o handover.Output, files ...*os.File) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return m.proc.Call(ctx, handover.OpOutput, o, nil, files...)
}
