// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package feedtest is an agent of feeds in the test's process: the manager, with its
// journals in memory, and its socket. It is for tests only.
package feedtest

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/server"
	"github.com/weir-io/weir/internal/wait"
)

// Agent serves feeds until the test ends.
type Agent struct {
	Socket string
	API    *client.Client

	tb testing.TB
}

// Start starts an agent.
func Start(tb testing.TB) *Agent {
	tb.Helper()
	store, err := journal.OpenMemory()
	must(tb, err)
	log := slog.New(slog.NewTextHandler(tb.Output(), nil))
	m, err := feed.New(feed.Options{Store: store, Log: log})
	must(tb, err)
	a := &Agent{Socket: filepath.Join(tb.TempDir(), "feed.sock"), tb: tb}
	l, err := daemon.ListenUnix(tb.Context(), a.Socket, 0o600, -1)
	must(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2) // received by the cleanup
	go func() { ended <- m.Run(ctx) }()
	go func() {
		ended <- server.New(server.Options{Manager: feed.DoorTo(m), Log: log, Group: -1}).Serve(ctx, l)
	}()
	tb.Cleanup(func() {
		cancel()
		must(tb, <-ended)
		must(tb, <-ended)
		must(tb, store.Close())
	})
	a.API, err = client.Dial(tb.Context(), a.Socket)
	must(tb, err)
	tb.Cleanup(func() { a.API.Close() })
	return a
}

// Create creates a feed, as soon as the agent runs.
func (a *Agent) Create(o client.CreateOptions) (info client.Info) {
	a.tb.Helper()
	var err error
	wait.Until(a.tb, "the agent to run", func() bool {
		info, err = a.API.Create(a.tb.Context(), o)
		return err == nil || !strings.Contains(err.Error(), "does not run yet")
	})
	must(a.tb, err)
	return info
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
