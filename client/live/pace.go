// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"time"
)

const (
	firstPause  = time.Millisecond
	perQuestion = 500 * time.Microsecond // of a pause, at least
)

// pace measures the pauses between questions that bring nothing.
type pace struct {
	max   time.Duration
	last  time.Duration // pause; 0 after an event
	asked int           // questions since then
}

// reset takes note of an event.
func (p *pace) reset() { p.last, p.asked = 0, 0 }

// wait lets the next pause pass.
func (p *pace) wait(ctx context.Context) error {
	p.last = min(max(2*p.last, firstPause), p.max)
	pause := max(p.last, time.Duration(p.asked)*perQuestion)
	p.asked = 0
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
