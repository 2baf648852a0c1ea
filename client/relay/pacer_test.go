// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"math"
	"testing"
	"time"
)

// paced is a pacer with the time that passes in it.
type paced struct {
	*pacer
	now time.Time
}

func newPaced(rate, most float64) *paced {
	p := newPacer(rate, most)
	return &paced{p, p.last}
}

// send sends 32 KiB at a time as fast as it may; one in again, if that is not 0,
// was sent before.
func (p *paced) send(d time.Duration, again int) (bytes int) {
	const step = 32 << 10
	for n, end := 1, p.now.Add(d); p.now.Before(end); n++ {
		p.now = p.now.Add(p.take(step, again > 0 && n%again == 0, p.now))
		bytes += step
	}
	return bytes
}

func TestPacer(t *testing.T) {
	p := newPaced(startRate, 0)
	if got := float64(p.send(400*time.Millisecond, 0)); math.Abs(got-0.4*startRate) > 200<<10 {
		t.Errorf("%v bytes in 0.4 s, want %v", got, 0.4*startRate)
	}
	p.send(2*time.Second, 0)
	if got := p.current(); got < startRate+1.5*rateStep || got > startRate+2.5*rateStep {
		t.Errorf("rate %v after 2.4 s without loss", got)
	}
	before := p.current()
	p.send(700*time.Millisecond, 50)
	if got := p.current(); got > before*0.6 || got < before*0.2 {
		t.Errorf("rate %v, before the loss %v", got, before)
	}
	p.send(20*time.Second, 10)
	if got := p.current(); got != leastRate {
		t.Errorf("rate %v after much loss, want %v", got, leastRate)
	}
}

func TestPacerLimit(t *testing.T) {
	p := newPaced(startRate, 2e6)
	if got := p.send(5*time.Second, 0); math.Abs(float64(got)-1e7) > 200<<10 {
		t.Errorf("%d bytes in 5 s, want %v", got, 1e7)
	}
}
