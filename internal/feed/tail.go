// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"

	client "github.com/weir-io/weir/client/feed"
)

// Tail opens a transient feed: it lives as long as its consumer, and nothing is kept for
// it but what that has not read yet, up to a limit.
func (m *Manager) Tail(ctx context.Context, c Caller, o client.CreateOptions) (*Consumer, error) {
	o.Name, o.Owner, o.Start = "", nil, ""
	o.Restricted = !c.Admin
	f, p, err := m.newFeed(c, o)
	if err != nil {
		return nil, err
	}
	f.transient = true
	s, err := m.watch(ctx, p, false)
	if err != nil {
		return nil, err
	}
	if err := m.register(ctx, f, s, ""); err != nil {
		return nil, err
	}
	n, err := m.attach(c, f)
	if err != nil {
		_ = m.remove(ctx, f) // err says more
		return nil, err
	}
	return n, nil
}
