// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wait

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// double stands for the test that waits, and ends as a test does.
type double struct {
	testing.TB
	end string
}

func (d *double) Helper() {}

func (d *double) Fatalf(format string, args ...any) {
	d.end = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestUntil(t *testing.T) {
	for _, tt := range []struct {
		name  string
		looks int           // until the condition holds
		took  time.Duration // of waiting
		end   string
	}{
		{"at once", 1, 0, ""},
		{"later", 3, 2 * period, ""},
		{"never", int(Patience), Patience, "waited 1m0s in vain until it rains"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, looks, begin := &double{}, 0, time.Now()
			over := make(chan struct{})
			go func() { // ends with the wait, or where the double ends it
				defer close(over)
				Until(d, "it rains", func() bool { looks++; return looks == tt.looks })
			}()
			<-over
			if took := time.Since(begin); took != tt.took || d.end != tt.end {
				t.Errorf("%s: took %v and ended with %q, want %v and %q", tt.name, took, d.end, tt.took, tt.end)
			}
		})
	}
}
