// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"time"
)

// pause is how long the last wait was.
type pause time.Duration

// Bounds of a pause.
const (
	firstPause = pause(time.Second)
	lastPause  = pause(60 * time.Second)
)

// next is how long the next wait will be.
func (p pause) next() time.Duration {
	if p == 0 {
		return time.Duration(firstPause)
	}
	return time.Duration(min(2*p, lastPause))
}

// wait waits, longer each time.
func (p *pause) wait(ctx context.Context) error {
	*p = pause(p.next())
	t := time.NewTimer(time.Duration(*p))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
