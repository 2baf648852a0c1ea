// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// request carries out an operation.
type request func(context.Context, *conn, *feed.Manager, client.Frame) ([]byte, error)

// requests are the operations that need no open feed.
var requests = map[client.Op]request{
	client.OpList: func(_ context.Context, c *conn, m *feed.Manager, _ client.Frame) ([]byte, error) {
		return json.Marshal(m.List(c.caller))
	},
	client.OpSources: func(_ context.Context, c *conn, m *feed.Manager, _ client.Frame) ([]byte, error) {
		all, err := m.Sources(c.caller)
		if err != nil {
			return nil, err
		}
		return json.Marshal(all)
	},
	client.OpCreate: with(func(ctx context.Context, c *conn, m *feed.Manager, o client.CreateOptions) (any, error) {
		return m.Create(ctx, c.caller, o)
	}),
	client.OpDestroy: with(func(ctx context.Context, c *conn, m *feed.Manager, r client.Ref) (any, error) {
		return nil, m.Destroy(ctx, c.caller, r.Feed)
	}),
	client.OpInfo: with(func(_ context.Context, c *conn, m *feed.Manager, r client.Ref) (any, error) {
		return m.Info(c.caller, r.Feed)
	}),
	client.OpReset: with(func(ctx context.Context, c *conn, m *feed.Manager, r client.ResetRequest) (any, error) {
		return m.Reset(ctx, c.caller, r.Feed, r.From, r.Rescan)
	}),
	client.OpSet: with(func(ctx context.Context, c *conn, m *feed.Manager, r client.SetRequest) (any, error) {
		return m.Set(ctx, c.caller, r.Feed, r.Options)
	}),
	client.OpRescan: with(func(ctx context.Context, c *conn, m *feed.Manager, r client.Ref) (any, error) {
		if err := m.Rescan(ctx, c.caller, r.Feed); err != nil {
			return nil, err
		}
		return m.Source(c.caller, r.Feed)
	}),
	client.OpResolve: with(func(ctx context.Context, c *conn, m *feed.Manager, r client.ResolveRequest) (any, error) {
		f, err := changelog.ParseFID(r.FID)
		if err != nil {
			return nil, client.Errorf(client.CodeBadArgument, "%v", err)
		}
		paths, err := m.Paths(ctx, c.caller, r.Source, f)
		answer := client.ResolveAnswer{Paths: make([]client.Path, len(paths))}
		for i, p := range paths {
			answer.Paths[i] = client.Path(p)
		}
		return answer, err
	}),
	client.OpFIFO: with(func(_ context.Context, c *conn, m *feed.Manager, r client.FIFORequest) (any, error) {
		return nil, c.s.fifo(m, c.caller, r)
	}),
}

// with makes of a function what carries out a request with a JSON body.
func with[R any](do func(context.Context, *conn, *feed.Manager, R) (any, error)) request {
	return func(ctx context.Context, c *conn, m *feed.Manager, f client.Frame) ([]byte, error) {
		var r R
		if err := decode(f, &r); err != nil {
			return nil, err
		}
		answer, err := do(ctx, c, m, r)
		if err != nil || answer == nil {
			return nil, err
		}
		return json.Marshal(answer)
	}
}
