// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package stopping

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Those who record an event that is about to be recorded no more are asked, once, and
// told when it is not; nobody waits for one who does not answer for longer than patience.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked, told int
		unregister := Register(func(ctx context.Context) func() {
			asked++
			<-ctx.Done()
			return func() { told++ }
		}, "go:a", "go:b")
		defer Register(func(context.Context) func() {
			t.Error("one is asked whose events nobody records")
			return func() {}
		}, "go:c")()
		recorded := func(event string) bool { return event == "go:a" || event == "go:b" }
		begin := time.Now()
		over := Flush(recorded)
		if took := time.Since(begin); asked != 1 || told != 0 || took != patience {
			t.Errorf("asked %d times, told %d times after %v, want once, not yet, %v", asked, told, took, patience)
		}
		over()
		unregister()
		Flush(recorded)()
		if asked != 1 || told != 1 {
			t.Errorf("asked %d times, told %d times, want once each", asked, told)
		}
	})
}
