// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// threadTimes is what the threads of a process had run at one moment, by thread
// id.
type threadTimes map[string]time.Duration

// readTimes reads the clocks of all threads of a process; proc is /proc.
func readTimes(proc fs.FS, pid int) (threadTimes, error) {
	dir := strconv.Itoa(pid) + "/task"
	tasks, err := fs.ReadDir(proc, dir)
	if err != nil {
		return nil, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	all := threadTimes{}
	for _, task := range tasks {
		text, err := fs.ReadFile(proc, dir+"/"+task.Name()+"/schedstat")
		if gone(err) {
			continue
		}
		if err == nil {
			all[task.Name()], err = parseSchedstat(string(text))
		}
		if err != nil {
			return nil, fmt.Errorf("CPU time of process %d, thread %s: %w", pid, task.Name(), err)
		}
	}
	return all, nil
}

// since returns what was run after an earlier reading. What threads ran that
// ended between the two is missing: the processes measured keep theirs.
func (t threadTimes) since(before threadTimes) time.Duration {
	var sum time.Duration
	for id, ran := range t {
		sum += ran - before[id]
	}
	return sum
}

// gone reports whether reading failed because the process or thread had ended.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// parseSchedstat returns the run time in the first field of a thread's
// schedstat, in ns.
func parseSchedstat(text string) (time.Duration, error) {
	const want = 3
	fields := strings.Fields(text)
	if len(fields) != want {
		return 0, fmt.Errorf("schedstat: got %d fields, want %d", len(fields), want)
	}
	ns, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat: run time: got %q, want ns", fields[0])
	}
	return time.Duration(ns), nil
}

// children returns the child processes of a process; proc is /proc.
func children(proc fs.FS, pid int) ([]int, error) {
	entries, err := fs.ReadDir(proc, ".")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []int
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // not a process
		}
		text, err := fs.ReadFile(proc, entry.Name()+"/stat")
		if err != nil {
			continue // it has ended
		}
		parent, err := parseParent(string(text))
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", id, err)
		}
		if parent == pid {
			all = append(all, id)
		}
	}
	return all, nil
}

// parseParent reads the parent of a process from its stat. The second field, the
// command's name in parentheses, may hold spaces and parentheses.
func parseParent(stat string) (int, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("stat: got %d fields behind the name, want at least 2", len(fields))
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0, fmt.Errorf("stat: parent: got %q, want a number", fields[1])
	}
	return parent, nil
}

// readPeak returns the peak of a process's resident memory, in MiB.
func readPeak(proc fs.FS, pid int) (float64, error) {
	text, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/status")
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return parsePeak(string(text))
}

func parsePeak(status string) (float64, error) {
	const field = "VmHWM:"
	_, rest, ok := strings.Cut(status, "\n"+field)
	line, _, _ := strings.Cut(rest, "\n")
	number, unit, _ := strings.Cut(strings.TrimSpace(line), " ")
	kib, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || unit != "kB" {
		return 0, fmt.Errorf("status: field %s got %q, want a number and kB", field, line)
	}
	return kib / 1024, nil
}
