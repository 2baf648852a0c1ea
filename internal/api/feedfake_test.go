// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/weir-io/weir/changelog"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
)

// fakeFeeds is a feed called cl1-audit of records that a test appends.
type fakeFeeds struct {
	mu        sync.Mutex
	records   []changelog.Record
	cancelled uint64
	consumer  *fakeConsumer
	reads     int
	lists     int
	rewinds   int
	changed   chan struct{} // closed and replaced by each append
	filter    func(*changelog.Record) bool
	refuse    error // to create feeds
	closed    error // nobody serves feeds, and this is why
}

const fakeUUID = "01020304-0506-0708-090a-0b0c0d0e0f10"

func newFakeFeeds(n int) *fakeFeeds {
	f := &fakeFeeds{changed: make(chan struct{})}
	f.append(n)
	return f
}

// append appends n records of new files.
func (f *fakeFeeds) append(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		i := uint64(len(f.records) + 1)
		name := []byte("file" + strconv.FormatUint(i, 10))
		f.records = append(f.records, changelog.Record{Index: i, Time: int64(i), Type: changelog.Create, Name: name, Path: name})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func fakeCaller(net.Conn) (feed.Caller, error) { return feed.Caller{Admin: true}, nil }

func (f *fakeFeeds) Sources(feed.Caller) ([]capture.Status, error) {
	if f.closed != nil {
		return nil, f.closed
	}
	return []capture.Status{{
		UUID: fakeUUID, Dir: "/srv", Kind: "ext4", State: capture.StateActive, Events: 5,
		Records: map[string]uint64{"CREAT": 3}, GapReasons: map[string]uint64{"overflow": 1}, By: map[string]uint64{"pidfd": 2},
		Commit: 1500 * time.Millisecond, First: 1, Last: 3, Bytes: 300,
	}}, nil
}

func (f *fakeFeeds) Served() error { return f.closed }

func (f *fakeFeeds) Rescan(context.Context, feed.Caller, string) error { return nil }

func (f *fakeFeeds) Paths(context.Context, feed.Caller, string, changelog.FID) ([]string, error) {
	return []string{"d/a", "d/\xff"}, nil
}

func (f *fakeFeeds) info() feedclient.Info {
	i := feedclient.Info{
		ID: "cl1", Name: "audit", Source: fakeUUID, Kind: "persistent", State: "active", Mode: feedclient.ModeOneshot,
		Last: uint64(len(f.records)), Cancelled: f.cancelled, Available: uint64(len(f.records)) - f.cancelled, Records: 7,
	}
	if f.consumer != nil {
		i.Consumer = &feedclient.Lease{Held: 2}
	}
	return i
}

func (f *fakeFeeds) List(feed.Caller) ([]feedclient.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.closed != nil {
		return nil, f.closed
	}
	return []feedclient.Info{f.info()}, nil
}

func (f *fakeFeeds) Info(_ feed.Caller, ref string) (feedclient.Info, error) {
	if ref != "cl1" && ref != "audit" && ref != "cl1-audit" {
		return feedclient.Info{}, feedclient.Errorf(feedclient.CodeNotFound, "feed %q: there is none", ref)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.info(), nil
}

func (f *fakeFeeds) Create(_ context.Context, c feed.Caller, o feedclient.CreateOptions) (feedclient.Info, error) {
	if f.refuse != nil {
		return feedclient.Info{}, f.refuse
	}
	if o.Source == "/proc" {
		return feedclient.Info{}, feedclient.Errorf(feedclient.CodeUnsupported, "proc cannot be watched")
	}
	if o.Name == "audit" {
		return feedclient.Info{}, feedclient.Errorf(feedclient.CodeExists, "feed audit exists")
	}
	return f.Info(c, "cl1")
}

func (f *fakeFeeds) Set(_ context.Context, c feed.Caller, ref string, o feedclient.CreateOptions) (feedclient.Info, error) {
	i, err := f.Info(c, ref)
	i.Filter = o.Filter
	if o.AbortTimeout != nil {
		i.AbortTimeout = *o.AbortTimeout
	}
	return i, err
}

func (f *fakeFeeds) Destroy(_ context.Context, c feed.Caller, ref string) error {
	_, err := f.Info(c, ref)
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.consumer; err == nil && n != nil {
		n.err = feedclient.Errorf(feedclient.CodeNotFound, "feed cl1 was destroyed")
		close(n.done)
		f.consumer = nil
	}
	return err
}

func (f *fakeFeeds) Reset(_ context.Context, c feed.Caller, ref, _ string, _ bool) (feedclient.Info, error) {
	return f.Info(c, ref)
}

func (f *fakeFeeds) Attach(c feed.Caller, ref string, _ bool) (FeedConsumer, error) {
	if _, err := f.Info(c, ref); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.consumer != nil {
		err := feedclient.Errorf(feedclient.CodeBusy, "feed cl1 is read")
		err.Holder = &feedclient.Lease{UID: 12}
		return nil, err
	}
	f.consumer = &fakeConsumer{f: f, delivered: f.cancelled, done: make(chan struct{})}
	return f.consumer, nil
}

func (f *fakeFeeds) Tail(_ context.Context, c feed.Caller, o feedclient.CreateOptions) (FeedConsumer, error) {
	f.mu.Lock()
	f.cancelled = uint64(len(f.records))
	f.mu.Unlock()
	return f.Attach(c, "cl1", false)
}

// isRead reports whether the feed has a consumer.
func (f *fakeFeeds) isRead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.consumer != nil
}

// fakeConsumer reads the fake feed.
type fakeConsumer struct {
	f         *fakeFeeds
	delivered uint64
	done      chan struct{}
	err       error
}

func (n *fakeConsumer) Info() feedclient.Info {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	return n.f.info()
}

func (n *fakeConsumer) Read(ctx context.Context, o feedclient.ReadOptions, add func(*changelog.Record) int) (feed.Result, error) {
	n.f.mu.Lock()
	n.f.reads++
	if !o.Keep {
		n.f.cancelled = max(n.f.cancelled, n.delivered)
	}
	n.f.mu.Unlock()
	var late <-chan time.Time
	if o.Wait > 0 {
		late = time.After(o.Wait)
	}
	for {
		n.f.mu.Lock()
		var r feed.Result
		for ; n.delivered < uint64(len(n.f.records)) && r.Count < o.MaxRecords; n.delivered++ {
			rec := n.f.records[n.delivered]
			if n.f.filter == nil || n.f.filter(&rec) {
				add(&rec)
				r.Count++
			}
		}
		r.Through, r.More = n.delivered, n.delivered < uint64(len(n.f.records))
		changed := n.f.changed
		n.f.mu.Unlock()
		if r.Count > 0 || o.Wait == 0 {
			return r, nil
		}
		select {
		case <-changed:
		case <-late:
			return r, nil
		case <-n.done:
			return r, n.err
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

func (n *fakeConsumer) Seek(through uint64) error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if through > uint64(len(n.f.records)) {
		return feedclient.Errorf(feedclient.CodeBadArgument, "record out of range")
	}
	n.delivered = max(through, n.f.cancelled)
	return nil
}

func (n *fakeConsumer) Rewind() error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	n.f.rewinds++
	n.delivered = n.f.cancelled
	return nil
}

func (n *fakeConsumer) Cancel(_ context.Context, through uint64) (uint64, error) {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if through > uint64(len(n.f.records)) {
		return 0, feedclient.Errorf(feedclient.CodeBadArgument, "record out of range")
	}
	n.f.cancelled = max(n.f.cancelled, through)
	return n.f.cancelled, nil
}

func (n *fakeConsumer) Close(_ context.Context, commit bool) error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if commit {
		n.f.cancelled = max(n.f.cancelled, n.delivered)
	}
	if n.f.consumer == n {
		n.f.consumer = nil
	}
	return nil
}

func (n *fakeConsumer) Done() <-chan struct{} { return n.done }
func (n *fakeConsumer) Err() error            { return n.err }
