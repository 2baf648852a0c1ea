// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/inventory"
	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/bolt"
)

// cutStore is a store that can be cut off: then it refuses, or does not answer.
type cutStore struct {
	store.Store
	cut, silent *atomic.Bool
}

func (c cutStore) Session(ctx context.Context) (store.Session, error) {
	if err := c.reach(ctx); err != nil {
		return nil, err
	}
	s, err := c.Store.Session(ctx)
	return cutSession{s, c}, err
}

func (c cutStore) reach(ctx context.Context) error {
	if c.silent.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.cut.Load() {
		return store.ErrUnavailable
	}
	return nil
}

type cutSession struct {
	store.Session
	store cutStore
}

func (s cutSession) Get(ctx context.Context, path string, w *store.Watcher) ([]byte, store.Stat, error) {
	if err := s.store.reach(ctx); err != nil {
		return nil, store.Stat{}, err
	}
	return s.Session.Get(ctx, path, w)
}

func (s cutSession) Children(ctx context.Context, path string, w *store.Watcher) ([]string, error) {
	if err := s.store.reach(ctx); err != nil {
		return nil, err
	}
	return s.Session.Children(ctx, path, w)
}

func (s cutSession) Exists(ctx context.Context, path string, w *store.Watcher) (store.Stat, bool, error) {
	if err := s.store.reach(ctx); err != nil {
		return store.Stat{}, false, err
	}
	return s.Session.Exists(ctx, path, w)
}

func (s cutSession) Multi(ctx context.Context, ops ...store.Op) ([]store.Result, error) {
	if err := s.store.reach(ctx); err != nil {
		return nil, err
	}
	return s.Session.Multi(ctx, ops...)
}

// TestStoreOutOfReach asks by every route while the store is cut off, and while it does
// not answer.
func TestStoreOutOfReach(t *testing.T) {
	f := newFixture(t)
	db, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := cutStore{db, new(atomic.Bool), new(atomic.Bool)}
	v, err := inventory.Open(t.Context(), c, inventory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := f.inventory.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Import(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
	routes := f.server.routes
	paths := make([]string, len(routes))
	f.inventory, f.server.opts.Inventory = v, v
	for i, rt := range routes {
		paths[i] = variables(f, rt.path)
	}
	before := f.want(http.StatusOK, root, "GET", "/topology", "").body
	f.server.opts.Timeout = 10 * time.Millisecond
	for _, state := range []*atomic.Bool{c.cut, c.silent} {
		state.Store(true)
		for i, rt := range routes {
			if rt.open || rt.path == "/" || rt.path == "/openapi.json" {
				continue
			}
			body := ""
			if rt.takes {
				body = `{"type":"Reject","peerId":"` + bluePort + `","portId":"` + bluePort + `","interfaceName":"x","port":"` + bluePort + `",
					"frame":"ffffffffffff0200000000010800","name":"n","condition":{},"deviceType":"PORT","deviceId":"` + bluePort + `",
					"addr":"10.0.0.7","hostId":"` + host1 + `","ipAddress":"192.0.2.7"}`
				switch {
				case strings.HasSuffix(rt.path, "rules"):
					body = `{"type":"drop"}`
				case strings.HasSuffix(rt.path, "s/{id}/ports") && !strings.HasPrefix(rt.path, "/hosts") && !strings.HasPrefix(rt.path, "/port_groups"), rt.path == "/ports/{id}":
					body = `{}`
				case strings.HasPrefix(rt.path, "/tunnel_zones") && !strings.HasSuffix(rt.path, "hosts"):
					body = `{"name":"z"}`
				case rt.document:
					body = `{"bridges":[{"name":"b"}]}`
				}
			}
			if got := f.do(root, rt.method, paths[i], body); got.status != http.StatusServiceUnavailable {
				t.Errorf("%s %s: %d, want 503: %s", rt.method, paths[i], got.status, got.body)
			}
		}
		state.Store(false)
	}
	f.server.opts.Timeout = time.Minute
	if after := f.want(http.StatusOK, root, "GET", "/topology", "").body; after != before {
		t.Errorf("what was refused has left something:\n%s\nbefore:\n%s", after, before)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
