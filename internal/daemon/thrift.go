// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/weir-io/weir/internal/kernel/selfmap"
)

// Pauses of [Thrift]: the first one, and the longest.
const (
	thriftFirst = time.Second
	thriftLast  = time.Hour
)

// Thrift gives back memory that the program has, and does not need: after a second,
// when it has started, and then after pauses that double up to an hour. That is what
// the start has left for the garbage collector, and pages of the executable that were
// used once. It ends with ctx.
func Thrift(ctx context.Context, log *slog.Logger) {
	image, err := selfmap.Load()
	if err != nil {
		log.Debug("pages of the executable are kept", "err", err)
	}
	for pause := thriftFirst; wait(ctx, pause); pause = min(2*pause, thriftLast) {
		debug.FreeOSMemory()
		if image == nil {
			continue
		}
		bytes, err := image.Drop()
		if err != nil {
			log.Debug("pages of the executable are kept", "err", err)
			image = nil
			continue
		}
		log.Debug("memory given back", "executable_bytes", bytes)
	}
}

// wait lets time pass. It reports false when ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
