// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/service"
)

// A second agent on a state directory does not start.
func TestOneAgentForAStateDirectory(t *testing.T) {
	fs := fstest.New(t, "tmpfs") // it takes root
	state := fs.Path("state")
	if err := os.MkdirAll(service.StoreDir(state), 0o700); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	first, err := journal.OpenStore(service.StoreDir(state), journal.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	feeds, err := openFeeds(t.Context(), filepath.Join(state, "agent.sock"), state, feedSettings{}, log)
	if !errors.Is(err, journal.ErrLocked) || feeds != nil {
		t.Errorf("while another has it: got %v, %v, want %v", feeds, err, journal.ErrLocked)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
}

// Where another agent serves the socket of feeds, nothing waits for feeds, and there are
// none by HTTP either.
func TestSocketOfFeedsIsTaken(t *testing.T) {
	fs := fstest.New(t, "tmpfs") // it takes root
	dir := fs.Path("run")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	socket := filepath.Join(dir, "feed.sock")
	s, err := service.New(t.Context(), service.Options{Socket: socket, StateDir: fs.Path("state"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	other, err := daemon.ListenUnix(t.Context(), socket, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	feeds := &hostFeeds{service: s, dir: dir, log: log}
	at, stop := feeds.start(ctx, true)
	if at != "" || ctx.Err() != nil {
		t.Errorf("feeds are served at %q, %v; want nowhere, at once", at, ctx.Err())
	}
	stop()
	if _, err := os.Lstat(filepath.Join(dir, "feed-http.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket of HTTP: %v, want none", err)
	}
}
