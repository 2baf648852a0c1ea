// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"net/netip"
	"sync"
	"time"
)

// maxAddresses bounds the addresses whose attempts are counted one by one.
const maxAddresses = 1024

// attempts counts refused enrolments by address, so that nobody can keep a hub busy with
// them. Secrets cannot be guessed in any case.
type attempts struct {
	now func() time.Time

	mu    sync.Mutex
	begun time.Time          // guarded by mu: of the period that is counted
	by    map[netip.Addr]int // guarded by mu; the zero address is all that have no place
}

func newAttempts(now func() time.Time) attempts {
	return attempts{now: now, by: make(map[netip.Addr]int)}
}

// allowed tells whether an address may try now; wait is how long it may not.
func (a *attempts) allowed(from netip.Addr) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	age := now.Sub(a.begun)
	if age >= attemptPeriod || age < 0 { // or the clock was set back
		a.begun = now
		clear(a.by)
		return 0, true
	}
	return attemptPeriod - age, a.by[a.place(from)] < attemptsPerPeer
}

// failed counts an attempt.
func (a *attempts) failed(from netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.by[a.place(from)]++
}

// place is where the attempts of an address are counted, a.mu held.
func (a *attempts) place(from netip.Addr) netip.Addr {
	from = from.Unmap().WithZone("")
	if from.Is6() {
		p, err := from.Prefix(64) // which is one machine's to choose from
		if err == nil {
			from = p.Addr()
		}
	}
	if _, known := a.by[from]; !known && len(a.by) >= maxAddresses {
		return netip.Addr{}
	}
	return from
}
