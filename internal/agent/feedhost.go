// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"os/user"
	"strconv"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/fssource"
)

// feedHost is a manager of feeds as the domain of file-system changes asks it.
type feedHost struct{ door feed.Door }

// newFeedHost keeps a door that is nil from becoming something that is not.
func newFeedHost(d feed.Door) fssource.Feeds {
	if d == nil {
		return nil
	}
	return feedHost{d}
}

// Watched implements fssource.Feeds.
func (h feedHost) Watched() (dirs []string, err error) {
	all, err := feed.Through(h.door, func(m *feed.Manager) ([]capture.Status, error) {
		return m.Sources(feed.Caller{Admin: true})
	})
	for _, s := range all {
		dirs = append(dirs, s.Dir)
	}
	return dirs, err
}

// Open implements fssource.Feeds.
func (h feedHost) Open(ctx context.Context, uid uint32, dir string, types changelog.Mask) (fssource.Feed, error) {
	n, err := feed.Through(h.door, func(m *feed.Manager) (*feed.Consumer, error) {
		return m.Tail(ctx, feedCaller(uid), client.CreateOptions{Source: dir, Mask: types.String()})
	})
	if err != nil {
		return nil, err
	}
	return &tail{n}, nil
}

// feedCaller is the owner of a session as a caller, with the groups of the user
// database.
func feedCaller(uid uint32) feed.Caller {
	c := feed.Caller{UID: uid, GID: nobody, Admin: uid == 0}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return c
	}
	if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil {
		c.GID = uint32(gid)
	}
	ids, _ := u.GroupIds() // without them the user sees less
	for _, text := range ids {
		if gid, err := strconv.ParseUint(text, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(gid))
		}
	}
	return c
}

// tail is a transient feed.
type tail struct{ *feed.Consumer }

// Bounds of a batch: of records, and of their bytes as the journal has them. What they
// come to as events fits into half of the smallest buffer to a consumer.
const (
	tailRecords = 256
	tailBytes   = 64 << 10
)

// Read implements fssource.Feed. No record is taken back: they count for the least
// that is above nothing.
func (t *tail) Read(ctx context.Context, wait time.Duration, record func(*changelog.Record)) (int, error) {
	o := client.ReadOptions{MaxRecords: tailRecords, MaxBytes: tailBytes, Wait: wait}
	r, err := t.Consumer.Read(ctx, o, func(r *changelog.Record) int {
		record(r)
		return 1
	})
	return r.Count, err
}

// Forward implements fssource.Feed.
func (t *tail) Forward() error { return t.Seek(t.Info().Last) }

// Close implements fssource.Feed.
func (t *tail) Close() error { return t.Consumer.Close(context.Background(), false) }
