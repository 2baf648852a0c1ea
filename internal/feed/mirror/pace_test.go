// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{bytes: 1 << 20}
		begun := time.Now()
		for range 40 {
			must(t, p.wait(t.Context(), p.piece()))
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("10 MiB at 1 MiB a second: got %v, want 10 s", took)
		}
		<-time.After(time.Minute) // of the bubble; nothing is saved up
		begun = time.Now()
		must(t, p.wait(t.Context(), 3<<20))
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("3 MiB after a minute: got %v, want 3 s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx, 1<<30); err == nil {
			t.Error("wait that was given up: got no error")
		}
		begun = time.Now()
		var free pace
		must(t, free.wait(t.Context(), 1<<40))
		if took := time.Since(begun); took != 0 {
			t.Errorf("without a limit: got %v, want none", took)
		}
	})
}
