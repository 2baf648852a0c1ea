// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
)

// append writes a feed's value: Source, Cancelled, Document.
func (f *Feed) append(b []byte) []byte {
	b = append(b, f.Source[:]...)
	b = binary.BigEndian.AppendUint64(b, f.Cancelled)
	return append(b, f.Document...)
}

// feedOf reads a feed.
func feedOf(key, value []byte) (Feed, error) {
	const fixed = len(UUID{}) + 8
	if len(key) != 1+4 || len(value) < fixed {
		return Feed{}, fmt.Errorf("a feed of %d bytes, want at least %d", len(value), fixed)
	}
	return Feed{
		ID:        binary.BigEndian.Uint32(key[1:]),
		Source:    UUID(value),
		Cancelled: binary.BigEndian.Uint64(value[len(UUID{}):]),
		Document:  append([]byte(nil), value[fixed:]...),
	}, nil
}

// placedFeed is a feed and its place in the order of commits.
type placedFeed struct {
	Feed
	order uint64
}

// Feeds lists the feeds of all journals, by ID.
func (d *database) Feeds() ([]Feed, error) {
	if err := d.users.enter(); err != nil {
		return nil, err
	}
	defer d.users.exit()
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Feed
	for _, id := range slices.Sorted(maps.Keys(d.feeds)) {
		all = append(all, d.feeds[id].Feed)
	}
	return all, nil
}

// NextFeed hands out an ID that was never handed out before, durably.
func (d *database) NextFeed() (uint32, error) {
	if err := d.users.enter(); err != nil {
		return 0, err
	}
	defer d.users.exit()
	d.idMu.Lock()
	defer d.idMu.Unlock()
	d.lastFeed++
	id := d.lastFeed
	err := d.put(context.Background(), appendMeta(nil, metaFeed), binary.BigEndian.AppendUint32(nil, id), nil)
	return id, err
}

// PutFeed sets a feed's state, durably when it returns.
func (d *database) PutFeed(ctx context.Context, f Feed) error {
	if err := d.users.enter(); err != nil {
		return err
	}
	defer d.users.exit()
	f.Document = append([]byte(nil), f.Document...)
	t := d.turns.take(f)
	if d.hasFeed(f.ID) { // one after the other, new ones would wait long
		if with, begun := d.gathering.join(t, time.Now()); with != nil {
			return d.putGathered(ctx, with, begun)
		}
	}
	return d.putAll(ctx, []*turn{t})
}

func (d *database) hasFeed(id uint32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.feeds[id]
	return ok
}

// DeleteFeed forgets a feed.
func (d *database) DeleteFeed(ctx context.Context, id uint32) error {
	if err := d.users.enter(); err != nil {
		return err
	}
	defer d.users.exit()
	asked := d.turns.now()
	pb := d.db.NewBatch()
	if err := pb.Delete(appendFeed(nil, id), nil); err != nil {
		return err
	}
	return d.commitChange(ctx, change{
		Batch: pb,
		enter: func() error {
			d.turns.passAll(asked, func(f *Feed) bool { return f.ID == id })
			return nil
		},
		done: func(uint64) {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.feeds, id)
		},
	})
}
