// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"

	"github.com/weir-io/weir/changelog"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
)

// managed asks the manager behind a door, and answers why there is none.
type managed struct{ door feed.Door }

// FeedsOf makes the door of a manager what Options takes; nil stays nil.
func FeedsOf(d feed.Door) Feeds {
	if d == nil {
		return nil
	}
	return managed{d}
}

// Served reports why there is no manager.
func (m managed) Served() error {
	_, err := m.door()
	return err
}

// Sources and the others are those of the interface, and of the manager.
func (m managed) Sources(c feed.Caller) ([]capture.Status, error) {
	return feed.Through(m.door, func(m *feed.Manager) ([]capture.Status, error) { return m.Sources(c) })
}

func (m managed) Rescan(ctx context.Context, c feed.Caller, source string) error {
	f, err := m.door()
	if err != nil {
		return err
	}
	return f.Rescan(ctx, c, source)
}

func (m managed) Paths(ctx context.Context, c feed.Caller, source string, f changelog.FID) ([]string, error) {
	return feed.Through(m.door, func(m *feed.Manager) ([]string, error) { return m.Paths(ctx, c, source, f) })
}

func (m managed) List(c feed.Caller) ([]feedclient.Info, error) {
	return feed.Through(m.door, func(m *feed.Manager) ([]feedclient.Info, error) { return m.List(c), nil })
}

func (m managed) Info(c feed.Caller, ref string) (feedclient.Info, error) {
	return feed.Through(m.door, func(m *feed.Manager) (feedclient.Info, error) { return m.Info(c, ref) })
}

func (m managed) Create(ctx context.Context, c feed.Caller, o feedclient.CreateOptions) (feedclient.Info, error) {
	return feed.Through(m.door, func(m *feed.Manager) (feedclient.Info, error) { return m.Create(ctx, c, o) })
}

func (m managed) Set(ctx context.Context, c feed.Caller, ref string, o feedclient.CreateOptions) (feedclient.Info, error) {
	return feed.Through(m.door, func(m *feed.Manager) (feedclient.Info, error) { return m.Set(ctx, c, ref, o) })
}

func (m managed) Destroy(ctx context.Context, c feed.Caller, ref string) error {
	f, err := m.door()
	if err != nil {
		return err
	}
	return f.Destroy(ctx, c, ref)
}

func (m managed) Reset(ctx context.Context, c feed.Caller, ref, from string, rescan bool) (feedclient.Info, error) {
	return feed.Through(m.door, func(m *feed.Manager) (feedclient.Info, error) { return m.Reset(ctx, c, ref, from, rescan) })
}

func (m managed) Attach(c feed.Caller, ref string, steal bool) (FeedConsumer, error) {
	return feed.Through(m.door, func(m *feed.Manager) (FeedConsumer, error) { return asConsumer(m.Attach(c, ref, steal)) })
}

func (m managed) Tail(ctx context.Context, c feed.Caller, o feedclient.CreateOptions) (FeedConsumer, error) {
	return feed.Through(m.door, func(m *feed.Manager) (FeedConsumer, error) { return asConsumer(m.Tail(ctx, c, o)) })
}

// asConsumer keeps a nil pointer from becoming an interface that is not nil.
func asConsumer(n *feed.Consumer, err error) (FeedConsumer, error) {
	if err != nil {
		return nil, err
	}
	return n, nil
}
