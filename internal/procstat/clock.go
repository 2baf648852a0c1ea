// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package procstat

import (
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Clock is what processes had run at one moment. The zero value is that of a
// process that has not run yet.
type Clock struct {
	threads map[string]time.Duration // run time by thread id, from schedstat
	process time.Duration            // all threads, also those that ended, in whole ticks
}

// ReadClock adds up the clocks of processes; proc is /proc. Processes that have
// ended are left out, but the first one must be there.
func ReadClock(proc fs.FS, pids ...int) (Clock, error) {
	sum := Clock{threads: map[string]time.Duration{}}
	for i, pid := range pids {
		c, err := readClock(proc, strconv.Itoa(pid))
		if i > 0 && Gone(err) {
			continue
		}
		if err != nil {
			return sum, fmt.Errorf("read CPU time of process %d: %w", pid, err)
		}
		maps.Copy(sum.threads, c.threads) // thread ids are unique in the system
		sum.process += c.process
	}
	return sum, nil
}

func readClock(proc fs.FS, pid string) (Clock, error) {
	c := Clock{threads: map[string]time.Duration{}}
	tasks, err := fs.ReadDir(proc, pid+"/task")
	if err != nil {
		return c, err
	}
	for _, task := range tasks {
		text, err := fs.ReadFile(proc, pid+"/task/"+task.Name()+"/schedstat")
		if Gone(err) {
			continue
		}
		if err != nil {
			return c, err
		}
		if c.threads[task.Name()], err = parseSchedstat(string(text)); err != nil {
			return c, fmt.Errorf("thread %s: %w", task.Name(), err)
		}
	}
	s, err := readStat(proc, pid)
	c.process = s.ran
	return c, err
}

// Since returns what was run after an earlier reading. Threads that ended
// between the two are missing in schedstat; then, and when the two sources
// differ by more than their rounding explains, the coarser one that counts all
// threads is taken.
func (c Clock) Since(before Clock) time.Duration {
	var threads time.Duration
	ended := false
	for id, ran := range c.threads {
		threads += ran - before.threads[id]
	}
	for id := range before.threads {
		if _, ok := c.threads[id]; !ok {
			ended = true
		}
	}
	const rounding = 4 * tick // two readings of two rounded numbers
	process := c.process - before.process
	if process > threads && (ended || process-threads > rounding) {
		return process
	}
	return threads
}

// parseSchedstat returns the run time in the first field of a thread's
// schedstat, in ns.
func parseSchedstat(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return 0, fmt.Errorf("schedstat: got %d fields, want 3", len(fields))
	}
	ns, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat: run time: got %q, want ns", fields[0])
	}
	return time.Duration(ns), nil
}
