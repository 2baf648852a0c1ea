// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/internal/tracestore"
)

const (
	// expirePeriod is how often closed streams are looked through.
	expirePeriod = time.Second
	// stuckAfter is how long a part may do nothing before it is reported;
	// the original daemon's figure.
	stuckAfter = 20 * time.Second
)

// every calls do until ctx ends.
func every(ctx context.Context, period time.Duration, do func()) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}

// sync forces stored data to disk now and then, if configured.
func (h *Hub) sync(ctx context.Context) {
	if h.cfg.Relay.Fsync != "interval" {
		return
	}
	failing := false
	every(ctx, h.cfg.Relay.FsyncInterval, func() {
		err := h.store.Sync(ctx)
		if err != nil && !failing {
			h.log.Error("stored data not forced to disk", "err", err)
		}
		failing = err != nil
	})
}

// retain removes old chunks, if there is a limit.
func (h *Hub) retain(ctx context.Context) error {
	if h.retention.Limits() == (tracestore.RetentionLimits{}) {
		return nil
	}
	return h.retention.Run(ctx)
}

// scan finishes once what a killed relay had begun in the output tree, and
// looks for what a power failure has left there.
func (h *Hub) scan(ctx context.Context, started time.Time) {
	switch n, err := h.catalog.Repair(ctx, started); {
	case err != nil && ctx.Err() == nil:
		h.log.Warn("unfinished rotations not repaired", "err", err)
	case n > 0:
		h.log.Info("unfinished rotations repaired", "chunks", n)
	}
	root, err := os.OpenRoot(h.cfg.Hub.OutputDir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			h.log.Warn("output tree not examined", "err", err)
		}
		return
	}
	defer root.Close()
	report, err := tail.NewScanner(root, h.log, started, h.store.InUse).Run(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.Warn("output tree not examined to its end", "err", err)
	}
	if report.Progress.Findings > 0 {
		h.log.Warn("output tree has damage from an earlier run",
			"findings", report.Progress.Findings, "indexes_cut", report.Progress.Cut)
	}
}

// Health returns a bit for each part that is stuck, as in the reply of
// lttng-relayd's health socket.
func (h *Hub) Health() uint64 {
	var stuck uint64
	if h.relay.Idle() > stuckAfter {
		stuck |= daemon.HealthDispatcher | daemon.HealthWorker | daemon.HealthListener
	}
	return stuck
}
