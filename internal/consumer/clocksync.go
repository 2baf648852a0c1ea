// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"os"

	"github.com/weir-io/weir/internal/handover"
)

// syncClock writes into the first stream what the clock of the day says. While
// nothing is drained there is no packet for it.
func (e *engine) syncClock(c handover.ClockSync, files []*os.File) error {
	handover.CloseAll(files)
	if !e.drains() {
		return nil
	}
	for _, s := range e.streams {
		d, ok := s.source.(*drain)
		if !ok || !d.table.Options().ClockSync {
			continue
		}
		return d.call(func() error { return d.conv.ClockSync(c.Mono, c.Real, c.Error) })
	}
	return nil
}

// drains reports whether streams are being read.
func (e *engine) drains() bool { return e.running && !e.paused && !e.hello.Snapshot }
