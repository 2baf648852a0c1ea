// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/internal/feed/service"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// startFeeds serves feeds beside a session daemon whose socket is given, and returns
// what ends that and waits for it. Where file systems cannot be watched, nothing is
// served, and the log says why.
func startFeeds(ctx context.Context, agentSocket, stateDir string, log *slog.Logger) (socket string, stop func()) {
	none := func() {}
	if os.Geteuid() != 0 {
		log.Info("no feeds of file-system changes: they take root")
		return "", none
	}
	s, err := service.New(service.Options{
		Socket: filepath.Join(filepath.Dir(agentSocket), "feed.sock"), StateDir: stateDir,
		Holder: []string{runningImage, "feed-holder"}, Log: log,
	})
	var lacks *fanotify.UnsupportedError
	if errors.As(err, &lacks) {
		log.Info("no feeds of file-system changes", "reason", err)
		return "", none
	}
	if err != nil {
		log.Error("no feeds of file-system changes", "error", err)
		return "", none
	}
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan string, 1)
	ended := make(chan struct{})
	go func() { // awaited by stop
		defer close(ended)
		if err := s.Run(ctx, func(socket string) { ready <- socket }); err != nil {
			log.Error("feeds ended", "error", err)
		}
	}()
	select {
	case socket = <-ready:
	case <-ended:
	}
	return socket, func() {
		cancel()
		<-ended
	}
}
