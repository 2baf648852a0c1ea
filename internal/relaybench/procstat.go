// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on all Linux platforms.
const tick = 10 * time.Millisecond

// cpuClock is what a process had run at one moment.
type cpuClock struct {
	threads map[string]time.Duration // run time by thread id, from schedstat
	process time.Duration            // all threads, also those that ended, in whole ticks
}

// readCPU adds up the clocks of processes; proc is /proc. Children that end
// meanwhile are left out, the first process must be there.
func readCPU(proc fs.FS, pids ...int) (cpuClock, error) {
	sum := cpuClock{threads: map[string]time.Duration{}}
	for i, pid := range pids {
		c, err := readProcessCPU(proc, strconv.Itoa(pid))
		if i > 0 && gone(err) {
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

// gone reports whether reading failed because the process or thread had ended.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

func readProcessCPU(proc fs.FS, pid string) (cpuClock, error) {
	c := cpuClock{threads: map[string]time.Duration{}}
	tasks, err := fs.ReadDir(proc, pid+"/task")
	if err != nil {
		return c, err
	}
	for _, task := range tasks {
		text, err := fs.ReadFile(proc, pid+"/task/"+task.Name()+"/schedstat")
		if gone(err) {
			continue
		}
		if err != nil {
			return c, err
		}
		if c.threads[task.Name()], err = parseSchedstat(string(text)); err != nil {
			return c, fmt.Errorf("thread %s: %w", task.Name(), err)
		}
	}
	text, err := fs.ReadFile(proc, pid+"/stat")
	if err != nil {
		return c, err
	}
	s, err := parseStat(string(text))
	c.process = s.ran
	return c, err
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

// processStat is what is needed of a process's stat.
type processStat struct {
	parent int
	ran    time.Duration // user and system time
}

// parseStat reads a process's stat. The second field, the command's name in
// parentheses, may hold spaces and parentheses.
func parseStat(text string) (processStat, error) {
	const afterName, parentField, userField, systemField = 3, 4, 14, 15 // from 1, as proc(5) counts
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= systemField-afterName {
		return processStat{}, fmt.Errorf("stat: got %d fields behind the name, want at least %d", len(fields), systemField-afterName+1)
	}
	var numbers [3]int64
	for i, field := range []int{parentField, userField, systemField} {
		var err error
		if numbers[i], err = strconv.ParseInt(fields[field-afterName], 10, 64); err != nil {
			return processStat{}, fmt.Errorf("stat: field %d: got %q, want a number", field, fields[field-afterName])
		}
	}
	return processStat{int(numbers[0]), time.Duration(numbers[1]+numbers[2]) * tick}, nil
}

// family returns a process and its descendants, the process first; proc is
// /proc.
func family(proc fs.FS, pid int) ([]int, error) {
	entries, err := fs.ReadDir(proc, ".")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // not a process
		}
		text, err := fs.ReadFile(proc, entry.Name()+"/stat")
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		s, err := parseStat(string(text))
		if err != nil {
			return nil, fmt.Errorf("list processes: process %d: %w", id, err)
		}
		children[s.parent] = append(children[s.parent], id)
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// memory is what a process occupied at one moment, in bytes.
type memory struct {
	resident int64
	peak     int64 // of resident, since the start
}

// readMemory reads the memory of a process; proc is /proc.
func readMemory(proc fs.FS, pid int) (memory, error) {
	text, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/status")
	if err != nil {
		return memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	m, err := parseStatus(string(text))
	if err != nil {
		return m, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return m, nil
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
