// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"sync"
	"time"
)

// Pace of datagrams, in bytes and bytes a second.
const (
	startRate  = 50e6
	leastRate  = 1e6
	rateStep   = 5e6 // more, each second without much loss
	paceBurst  = 64 << 10
	ratePeriod = 500 * time.Millisecond // between changes
	lossBorder = 0.01                   // of bytes sent, those sent again
	lossSample = 64 << 10               // bytes that tell something of loss
)

// pacer is a token bucket that follows what gets lost.
type pacer struct {
	mu sync.Mutex
	// Guarded by mu.
	rate, most  float64
	tokens      float64
	last        time.Time
	sent, again float64 // bytes since
	since       time.Time
}

func newPacer(rate, most float64) *pacer {
	if most > 0 {
		rate = min(rate, most)
	}
	now := time.Now()
	return &pacer{rate: rate, most: most, tokens: paceBurst, last: now, since: now}
}

// take asks for leave to send n bytes at a time. It returns how long to wait
// before that; the next ones wait behind.
func (p *pacer) take(n int, again bool, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.adapt(now)
	p.tokens = min(p.tokens+p.rate*now.Sub(p.last).Seconds(), paceBurst)
	p.last = now
	p.tokens -= float64(n)
	p.sent += float64(n)
	if again {
		p.again += float64(n)
	}
	if p.tokens >= 0 {
		return 0
	}
	return time.Duration(-p.tokens / p.rate * float64(time.Second))
}

// adapt changes the rate by what has been lost of late.
func (p *pacer) adapt(now time.Time) {
	d := now.Sub(p.since)
	if d < ratePeriod {
		return
	}
	if p.sent >= lossSample && p.again > lossBorder*p.sent {
		p.rate = max(p.rate/2, leastRate)
	} else {
		p.rate += rateStep * min(d.Seconds(), 1)
	}
	if p.most > 0 {
		p.rate = min(p.rate, p.most)
	}
	p.sent, p.again, p.since = 0, 0, now
}

func (p *pacer) current() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate
}
