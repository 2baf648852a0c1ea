// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on all Linux platforms.
const tick = 10 * time.Millisecond

// cpuClock is what a process had run at one moment.
type cpuClock struct {
	threads map[string]time.Duration // run time by thread id, from schedstat
	process time.Duration            // all threads, also those that ended, in whole ticks
}

// readCPU reads the clock of the process whose directory in /proc is proc.
func readCPU(proc fs.FS) (cpuClock, error) {
	c := cpuClock{threads: map[string]time.Duration{}}
	tasks, err := fs.ReadDir(proc, "task")
	if err != nil {
		return c, fmt.Errorf("read CPU time: %w", err)
	}
	for _, task := range tasks {
		text, err := fs.ReadFile(proc, "task/"+task.Name()+"/schedstat")
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread ended meanwhile
		}
		if err != nil {
			return c, fmt.Errorf("read CPU time: %w", err)
		}
		if c.threads[task.Name()], err = parseSchedstat(string(text)); err != nil {
			return c, fmt.Errorf("read CPU time of thread %s: %w", task.Name(), err)
		}
	}
	text, err := fs.ReadFile(proc, "stat")
	if err != nil {
		return c, fmt.Errorf("read CPU time: %w", err)
	}
	if c.process, err = parseStat(string(text)); err != nil {
		return c, fmt.Errorf("read CPU time: %w", err)
	}
	return c, nil
}

// since returns what the process ran since an earlier reading. Threads that
// ended between the two are missing in schedstat; then, and when the two
// sources differ by more than their rounding explains, the coarser one that
// counts all threads is taken.
func (c cpuClock) since(before cpuClock) time.Duration {
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

// parseStat returns user and system time of a process's stat. The second
// field, the command's name in parentheses, may hold spaces and parentheses.
func parseStat(text string) (time.Duration, error) {
	const afterName, userField, systemField = 3, 14, 15 // from 1, as proc(5) counts
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= systemField-afterName {
		return 0, fmt.Errorf("stat: got %d fields behind the name, want at least %d", len(fields), systemField-afterName+1)
	}
	var sum time.Duration
	for _, field := range []int{userField, systemField} {
		ticks, err := strconv.ParseInt(fields[field-afterName], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat: field %d: got %q, want ticks", field, fields[field-afterName])
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// memory is what a process occupied at one moment, in bytes.
type memory struct {
	resident int64
	peak     int64 // of resident, since the start
}

// readMemory reads the memory of the process whose directory in /proc is proc.
func readMemory(proc fs.FS) (memory, error) {
	text, err := fs.ReadFile(proc, "status")
	if err != nil {
		return memory{}, fmt.Errorf("read memory: %w", err)
	}
	return parseStatus(string(text))
}

// parseStatus reads VmRSS and VmHWM of a process's status.
func parseStatus(text string) (memory, error) {
	var m memory
	for _, field := range []struct {
		name string
		to   *int64
	}{{"VmRSS:", &m.resident}, {"VmHWM:", &m.peak}} {
		_, rest, ok := strings.Cut(text, "\n"+field.name)
		if !ok {
			return m, fmt.Errorf("status: field %s is missing", field.name)
		}
		line, _, _ := strings.Cut(rest, "\n")
		number, unit, _ := strings.Cut(strings.TrimSpace(line), " ")
		kib, err := strconv.ParseInt(number, 10, 64)
		if err != nil || unit != "kB" {
			return m, fmt.Errorf("status: field %s: got %q, want a number and kB", field.name, line)
		}
		*field.to = kib << 10
	}
	return m, nil
}
