// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"time"
)

// pace keeps copying to so many bytes a second. The zero value lets everything through.
type pace struct {
	bytes int64     // a second; 0: as fast as it goes
	next  time.Time // when the bytes so far are paid for
}

// Bounds of what is copied between two waits.
const (
	leastPiece = 64 << 10
	mostPiece  = 8 << 20
)

// piece is how many bytes to copy at once, so that a wait is a quarter of a second.
func (p *pace) piece() int64 {
	if p.bytes == 0 {
		return mostPiece
	}
	return min(max(p.bytes/4, leastPiece), mostPiece)
}

// wait waits until n bytes are paid for.
func (p *pace) wait(ctx context.Context, n int64) error {
	if p.bytes == 0 || n == 0 {
		return nil
	}
	left := p.pay(n)
	if left <= 0 {
		return nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pay counts n bytes and returns how long to wait. What was not used is not saved up.
func (p *pace) pay(n int64) time.Duration {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(n) / float64(p.bytes) * float64(time.Second)))
	return p.next.Sub(now)
}
