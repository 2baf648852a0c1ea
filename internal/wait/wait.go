// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package wait waits, in tests, for what nobody signals: counters, files, other
// programs. It is for tests only; product code has events.
package wait

import (
	"testing"
	"time"
)

// Patience bounds a wait. It is long: a test that needs it has failed.
const Patience = time.Minute

// period is the time between two looks.
const period = time.Millisecond

// Until returns when a condition holds. It fails the test when that takes longer
// than [Patience].
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(period)
	defer tick.Stop()
	late := time.NewTimer(Patience)
	defer late.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited %v in vain until %s", Patience, what)
		}
	}
}
