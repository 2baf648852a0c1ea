// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// requests are the operations that need no open feed.
var requests = map[client.Op]func(context.Context, *conn, client.Frame) ([]byte, error){
	client.OpList: func(_ context.Context, c *conn, _ client.Frame) ([]byte, error) {
		return json.Marshal(c.s.opts.Manager.List(c.caller))
	},
	client.OpSources: func(_ context.Context, c *conn, _ client.Frame) ([]byte, error) {
		all, err := c.s.opts.Manager.Sources(c.caller)
		if err != nil {
			return nil, err
		}
		return json.Marshal(all)
	},
	client.OpCreate: with(func(ctx context.Context, c *conn, o client.CreateOptions) (any, error) {
		return c.s.opts.Manager.Create(ctx, c.caller, o)
	}),
	client.OpDestroy: with(func(ctx context.Context, c *conn, r client.Ref) (any, error) {
		return nil, c.s.opts.Manager.Destroy(ctx, c.caller, r.Feed)
	}),
	client.OpInfo: with(func(_ context.Context, c *conn, r client.Ref) (any, error) {
		return c.s.opts.Manager.Info(c.caller, r.Feed)
	}),
	client.OpReset: with(func(ctx context.Context, c *conn, r client.ResetRequest) (any, error) {
		return c.s.opts.Manager.Reset(ctx, c.caller, r.Feed, r.From, r.Rescan)
	}),
	client.OpSet: with(func(ctx context.Context, c *conn, r client.SetRequest) (any, error) {
		return c.s.opts.Manager.Set(ctx, c.caller, r.Feed, r.Options)
	}),
	client.OpRescan: with(func(ctx context.Context, c *conn, r client.Ref) (any, error) {
		return nil, c.s.opts.Manager.Rescan(ctx, c.caller, r.Feed)
	}),
	client.OpResolve: with(func(ctx context.Context, c *conn, r client.ResolveRequest) (any, error) {
		f, err := changelog.ParseFID(r.FID)
		if err != nil {
			return nil, client.Errorf(client.CodeBadArgument, "%v", err)
		}
		paths, err := c.s.opts.Manager.Paths(ctx, c.caller, r.Source, f)
		answer := client.ResolveAnswer{Paths: make([]client.Path, len(paths))}
		for i, p := range paths {
			answer.Paths[i] = client.Path(p)
		}
		return answer, err
	}),
	client.OpFIFO: with(func(_ context.Context, c *conn, r client.FIFORequest) (any, error) {
		return nil, c.s.fifo(c.caller, r)
	}),
}

// with makes of a function what carries out a request with a JSON body.
func with[R any](do func(context.Context, *conn, R) (any, error)) func(context.Context, *conn, client.Frame) ([]byte, error) {
	return func(ctx context.Context, c *conn, f client.Frame) ([]byte, error) {
		var r R
		if err := decode(f, &r); err != nil {
			return nil, err
		}
		answer, err := do(ctx, c, r)
		if err != nil || answer == nil {
			return nil, err
		}
		return json.Marshal(answer)
	}
}
