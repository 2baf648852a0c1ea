// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package zookeeper_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/store"
	"github.com/weir-io/weir/internal/store/storetest"
	"github.com/weir-io/weir/internal/store/zookeeper"
)

// wire connects to a server until it is cut, and again when it is mended.
type wire struct {
	mu    sync.Mutex
	isCut bool
	conns []net.Conn
}

func (w *wire) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut {
		return nil, errors.New("the wire is cut")
	}
	c, err := net.DialTimeout(network, address, timeout)
	if err == nil {
		w.conns = append(w.conns, c)
	}
	return c, err
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}

// newClient returns a store that is closed after the test.
func newClient(t testing.TB, cfg zookeeper.Config) *zookeeper.Client {
	t.Helper()
	c, err := zookeeper.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func newSession(t testing.TB, c *zookeeper.Client) store.Session {
	t.Helper()
	s, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	server := storetest.StartZooKeeper(t)
	cfg := zookeeper.Config{Servers: []string{server.Addr}}
	storetest.Run(t, storetest.Backend{
		Store: newClient(t, cfg),
		Expiring: func(t *testing.T) (store.Session, func()) {
			w := new(wire)
			short := cfg
			short.SessionTimeout, short.Dial = time.Second, w.dial
			s := newSession(t, newClient(t, short))
			return s, func() {
				witness := newSession(t, newClient(t, cfg))
				seen := store.NewWatcher()
				mine := "/of-" + strings.ReplaceAll(t.Name(), "/", "-")
				if _, err := s.Create(t.Context(), mine, nil, store.Ephemeral); err != nil {
					t.Fatal(err)
				}
				if _, ok, err := witness.Exists(t.Context(), mine, seen); !ok || err != nil {
					t.Fatal(ok, err)
				}
				w.cut()
				if _, err := seen.Next(t.Context()); err != nil { // the server has ended the session
					t.Fatal(err)
				}
				w.mend()
			}
		},
	})
}

// A server that is killed and started again goes on with the sessions, their watches
// and ephemeral nodes, and all that it has answered.
func TestServerRestarts(t *testing.T) {
	server := storetest.StartZooKeeper(t)
	c := newClient(t, zookeeper.Config{Servers: []string{server.Addr}})
	s, other := newSession(t, c), newSession(t, c)
	ctx := t.Context()
	for path, mode := range map[string]store.Mode{"/kept": store.Persistent, "/alive": store.Ephemeral} {
		if _, err := s.Create(ctx, path, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	w := store.NewWatcher()
	if _, _, err := s.Get(ctx, "/kept", w); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	brief, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := s.Create(brief, "/lost", nil, store.Persistent); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("create while the server is down: got %v, want %v", err, store.ErrUnavailable)
	}
	if _, _, err := s.Get(brief, "/kept", nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("get while the server is down: got %v, want %v", err, store.ErrUnavailable)
	}
	server.Start()
	if stat, err := retry(t, func() (store.Stat, error) { return other.Set(ctx, "/kept", []byte("y"), 0) }); err != nil || stat.Version != 1 {
		t.Fatalf("set after the server came back: got %+v, %v", stat, err)
	}
	events, err := w.Next(ctx)
	if err != nil || len(events) != 1 || events[0] != (store.Event{Change: store.Changed, Path: "/kept"}) {
		t.Errorf("a watch that was set before: got %v, %v", events, err)
	}
	stat, ok, err := s.Exists(ctx, "/alive", nil)
	if !ok || err != nil || stat.Owner != s.ID() {
		t.Errorf("an ephemeral node of before: got %+v, %v, %v", stat, ok, err)
	}
	if _, ok, err := s.Exists(ctx, "/lost", nil); ok || err != nil {
		t.Errorf("what was refused: got %v, %v, want that it is not there", ok, err)
	}
}

// retry calls until the store answers.
func retry[T any](t *testing.T, f func() (T, error)) (T, error) {
	t.Helper()
	for {
		v, err := f()
		if !errors.Is(err, store.ErrUnavailable) || t.Context().Err() != nil {
			return v, err
		}
	}
}

func TestNobodyListens(t *testing.T) {
	c := newClient(t, zookeeper.Config{Servers: []string{"127.0.0.1:1"}, RequestTimeout: 50 * time.Millisecond})
	if s, err := c.Session(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, %v, want %v", s, err, store.ErrUnavailable)
	}
}

func TestConfig(t *testing.T) {
	for _, servers := range [][]string{nil, {"host"}, {"127.0.0.1:2181", ""}} {
		if _, err := zookeeper.New(zookeeper.Config{Servers: servers}); err == nil {
			t.Errorf("servers %q: no error", servers)
		}
	}
}
