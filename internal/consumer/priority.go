// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// kernelDomain is the domain of the kernel's rings.
const kernelDomain = "kernel"

// Kinds of priority over other threads.
var (
	// overAll is before all ordinary threads, for rings that nothing but the kernel fills:
	// it waits for nobody.
	overAll = unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
	// overMost is for rings that ordinary threads fill, which leave time to empty them. To
	// push one of them aside at once costs a twentieth of what emptying does.
	overMost = unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: -10}
)

// takePriority puts all threads of this process before others; those to come are like the
// ones that make them. It is not for the threads of rings alone: a goroutine that is bound
// to its thread costs six switches between threads each time Go's scheduler lets others
// run, a tenth of all that reading a ring costs.
func takePriority(kind unix.SchedAttr) error {
	done := make(map[int]bool)
	for more := true; more; { // threads may be made meanwhile
		more = false
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list own threads: %w", err)
		}
		for _, e := range entries {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || done[tid] {
				continue
			}
			done[tid], more = true, true
			if err := unix.SchedSetAttr(tid, &kind, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("priority of thread %d: %w", tid, err)
			}
		}
	}
	return nil
}
