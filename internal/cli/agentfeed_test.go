// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

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
	feeds, err := openFeeds(filepath.Join(state, "agent.sock"), state, feedSettings{}, log)
	if !errors.Is(err, journal.ErrLocked) || feeds != nil {
		t.Errorf("while another has it: got %v, %v, want %v", feeds, err, journal.ErrLocked)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
}
