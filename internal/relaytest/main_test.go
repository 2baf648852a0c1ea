// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hub"
	"github.com/weir-io/weir/internal/tail"
)

// serveIn names the directory of a relay that this executable is to be instead
// of a test.
const serveIn = "RELAYTEST_SERVE_IN"

// TestMain is three programs: the tests, a relay to be killed by them, and that
// relay's guard, which must never run the tests again instead.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "guard" {
		os.Exit(tail.GuardMain(os.Args[2]))
	}
	if dir := os.Getenv(serveIn); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is a hub with its files in dir. It prints its ports on one line and
// runs until SIGTERM.
func serve(dir string) error {
	cfg := config.Default()
	cfg.Hub.StateDir, cfg.Hub.OutputDir = filepath.Join(dir, "state"), filepath.Join(dir, "out")
	cfg.Relay.ControlURL, cfg.Relay.DataURL = []string{"tcp://127.0.0.1:0"}, []string{"tcp://127.0.0.1:0"}
	cfg.Relay.DataUDP = true
	cfg.Relay.LiveURL, cfg.HTTP.Listen = nil, "127.0.0.1:0"
	h, err := hub.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return h.Run(ctx, func(a hub.Addresses) { fmt.Println(strings.Join(append(a.Control, a.Data...), " ")) })
}
