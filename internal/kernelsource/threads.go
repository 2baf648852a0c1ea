// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelsource

import (
	"fmt"
	"os"
	"strconv"
)

// lookAgain is how often threads are looked for that were made meanwhile. Each
// time fewer can have been: those of threads that the kernel knows it adds itself.
const lookAgain = 8

// cover puts the threads of processes into one of the kernel's lists, which are
// of threads: first in place of what it holds unless set is nil, then those that
// were made before the kernel knew of their makers. The list must follow forks.
func cover(pids []int32, set func([]int) error, add func(...int) error) error {
	known := make(map[int]bool)
	if set != nil {
		if err := set(fresh(pids, known)); err != nil {
			return err
		}
	}
	for range lookAgain {
		more := fresh(pids, known)
		if len(more) == 0 {
			return nil
		}
		if err := add(more...); err != nil {
			return err
		}
	}
	return nil
}

// fresh returns the threads of processes that are not known yet, and takes note of
// them. A process that is not there is its own only one: it may come.
func fresh(pids []int32, known map[int]bool) (tids []int) {
	learn := func(tid int) {
		if !known[tid] {
			known[tid] = true
			tids = append(tids, tid)
		}
	}
	for _, p := range pids {
		learn(int(p))
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if tid, err := strconv.Atoi(e.Name()); err == nil {
				learn(tid)
			}
		}
	}
	return tids
}
