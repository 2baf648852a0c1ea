// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	client "github.com/weir-io/weir/client/feed"
)

// Look opens a feed beside its consumer, for reading what the journal holds for it from an
// index on, and nothing else: neither its place nor its consumer is concerned. Of a feed
// that was given up it shows what is still there, and a gap in the place of what is not.
// What the consumer cancels meanwhile may be deleted before it is read; a gap tells of that,
// too.
func (m *Manager) Look(c Caller, ref string, from uint64) (*Consumer, error) {
	f, err := m.owned(c, ref)
	if err != nil {
		return nil, err
	}
	n, err := m.attach(c, f.copy(from))
	if err != nil {
		return nil, err
	}
	n.looks = f
	return n, nil
}

// copy is a feed of which nothing is stored, and that nobody else knows, at a place of its
// own in the same records.
func (f *feed) copy(from uint64) *feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &feed{id: f.id, name: f.name, source: f.source, transient: true, mode: client.ModeExplicit, state: f.state, selects: f.selects}
	c.doc.Aborted = nil
	if from > c.cancelled+1 {
		c.cancelled, c.doc.Skipped = from-1, nil
	}
	c.delivered = c.cancelled
	return c
}

// Looks reports whether the consumer was made by Look.
func (n *Consumer) Looks() bool { return n.looks != nil }

// refuseLook is what one who looks is told when he cancels.
func (n *Consumer) refuseLook() error {
	return client.Errorf(client.CodeDenied, "feed %s was opened for looking: its consumer cancels its records", feedID(n.f.id))
}
