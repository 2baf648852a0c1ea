// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package procstat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Host returns the /proc of this host, which the functions of this package
// read.
func Host() fs.FS { return os.DirFS("/proc") }

// Gone reports whether reading failed because the process or thread had ended.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on all Linux platforms.
const tick = 10 * time.Millisecond

// stat is what is needed of a process's stat.
type stat struct {
	parent int
	ran    time.Duration // user and system time
}

func readStat(proc fs.FS, pid string) (stat, error) {
	text, err := fs.ReadFile(proc, pid+"/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// parseStat reads a process's stat. The second field, the command's name in
// parentheses, may hold spaces and parentheses.
func parseStat(text string) (stat, error) {
	const afterName, parentField, userField, systemField = 3, 4, 14, 15 // from 1, as proc(5) counts
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= systemField-afterName {
		return stat{}, fmt.Errorf("stat: got %d fields behind the name, want at least %d", len(fields), systemField-afterName+1)
	}
	var numbers [3]int64
	for i, field := range []int{parentField, userField, systemField} {
		var err error
		if numbers[i], err = strconv.ParseInt(fields[field-afterName], 10, 64); err != nil {
			return stat{}, fmt.Errorf("stat: field %d: got %q, want a number", field, fields[field-afterName])
		}
	}
	return stat{int(numbers[0]), time.Duration(numbers[1]+numbers[2]) * tick}, nil
}

// Children returns the child processes of a process; proc is /proc.
func Children(proc fs.FS, pid int) ([]int, error) {
	all, err := childrenOfAll(proc)
	return all[pid], err
}

// Family returns a process and its descendants, the process first; proc is
// /proc.
func Family(proc fs.FS, pid int) ([]int, error) {
	children, err := childrenOfAll(proc)
	if err != nil {
		return nil, err
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// childrenOfAll returns the children of all processes that have some.
func childrenOfAll(proc fs.FS) (map[int][]int, error) {
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
		s, err := readStat(proc, entry.Name())
		if Gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list processes: process %d: %w", id, err)
		}
		children[s.parent] = append(children[s.parent], id)
	}
	return children, nil
}
