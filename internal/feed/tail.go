// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"path/filepath"

	client "github.com/weir-io/weir/client/feed"
)

// Tail opens a transient feed: it lives as long as its consumer, and nothing is kept for
// it but what that has not read yet, up to a limit.
func (m *Manager) Tail(ctx context.Context, c Caller, o client.CreateOptions) (*Consumer, error) {
	o.Name, o.Owner, o.Start = "", nil, ""
	o.Restricted = !c.Admin
	if err := m.reach(c, o.Source); err != nil {
		return nil, err
	}
	if err := checkKind(o.Kind, client.KindTransient, "a tail lives as long as its reader"); err != nil {
		return nil, err
	}
	f, p, err := m.newFeed(c, o)
	if err != nil {
		return nil, err
	}
	f.transient = true
	s, err := m.watch(ctx, p, false)
	if err != nil {
		return nil, err
	}
	defer m.joined(ctx, s)
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

// reach refuses a directory that a caller could not come to by himself: whether it is
// there is not told.
func (m *Manager) reach(c Caller, dir string) error {
	if c.Admin {
		return nil
	}
	if m.opts.Access == nil {
		return client.Errorf(client.CodeDenied, "user %d: this agent cannot check what users may see", c.UID)
	}
	if _, ok := parseUUID(dir); ok {
		return nil
	}
	if !filepath.IsAbs(dir) {
		return client.Errorf(client.CodeBadArgument, "source %q: want an absolute path or a UUID", dir)
	}
	if err := m.opts.Access.Reach(c, dir); err != nil {
		return client.Errorf(client.CodeDenied, "source: %v", err)
	}
	return nil
}
