// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"fmt"
	"testing"
	"testing/synctest"
)

func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Counter
		told := make(chan string)
		stop := c.Tell(func(done, total, events int64, end bool) {
			told <- fmt.Sprint(done, " of ", total, ", ", events, ", ", end)
		}, 100)
		want := func(text string) {
			t.Helper()
			if got := <-told; got != text {
				t.Errorf("told %q, want %q", got, text)
			}
		}
		c.Done.Add(10)
		want("10 of 100, 0, false")
		c.Done.Add(30)
		c.Events.Add(7)
		want("40 of 100, 7, false")
		go stop() // waits until the end has been told
		want("40 of 100, 7, true")
		c.Tell(nil, 1)() // nobody
	})
}
