// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
)

// TestPriority puts all threads of this process before others, in both ways.
func TestPriority(t *testing.T) {
	peer.Root(t, "priority over others")
	defer func() {
		if err := takePriority(unix.SchedAttr{Policy: unix.SCHED_NORMAL}); err != nil {
			t.Error(err)
		}
	}()
	for _, want := range []unix.SchedAttr{overAll, overMost} {
		if err := takePriority(want); err != nil {
			t.Fatal(err)
		}
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			tid, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			got, err := unix.SchedGetAttr(tid, 0)
			if err != nil || got.Policy != want.Policy || got.Priority != want.Priority || got.Nice != want.Nice {
				t.Errorf("thread %d: policy %d, priority %d, nice %d, %v; want %d, %d, %d", tid, got.Policy, got.Priority, got.Nice, err,
					want.Policy, want.Priority, want.Nice)
			}
		}
	}
}
