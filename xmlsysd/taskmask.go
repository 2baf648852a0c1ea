// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"slices"
	"strconv"
	"strings"
)

// DefaultTop is how many processes are sent for the CPU time that they took, of a
// mask that says nothing of it.
const DefaultTop = 20

// Orders of processes.
const (
	SortCPU   = "cpu"
	SortRSS   = "rss"
	SortStart = "start"
)

// taskStates are the letters of /proc/PID/stat.
const taskStates = "RSDTtZXxKWPI"

// TaskMask says which processes are sent. The zero value is the default: those
// that run or wait for a disk, and the DefaultTop others that took the most CPU
// time.
type TaskMask struct {
	Names, Users []Glob // any of them; none: all
	States       string // letters; empty: all
	Top          int    // most processes; 0: the default
	Sort         string // SortCPU, SortRSS or SortStart; empty: SortCPU
	Cmdline, IO  bool   // sent as well
}

// parse reads the arguments of the verb task: a mask as a whole.
func (m *TaskMask) parse(args []string) error {
	if len(args) == 1 && strings.EqualFold(args[0], "clear") {
		return nil
	}
	for _, arg := range args {
		if err := m.take(arg); err != nil {
			return err
		}
	}
	return nil
}

func (m *TaskMask) take(arg string) error {
	name, value, assigned := strings.Cut(arg, "=")
	name = strings.ToLower(name)
	bad := refuse(CodeArg, arg, "no property of processes")
	if assigned == (name == "cmdline" || name == "io") || assigned && value == "" {
		return bad
	}
	switch name {
	case "name", "user":
		g, err := ParseGlob(value)
		if err != nil {
			return refuse(CodeRE, arg, err.Error())
		}
		if name == "name" {
			m.Names = append(m.Names, g)
		} else {
			m.Users = append(m.Users, g)
		}
	case "state":
		if strings.Trim(value, taskStates) != "" {
			return refuse(CodeArg, arg, "states are letters of "+taskStates)
		}
		m.States = value
	case "top":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 {
			return refuse(CodeArg, arg, "no count of processes")
		}
		m.Top = int(n)
	case "sort":
		if !slices.Contains([]string{SortCPU, SortRSS, SortStart}, value) {
			return refuse(CodeArg, arg, "sorted by none of cpu, rss and start")
		}
		m.Sort = value
	case "cmdline":
		m.Cmdline = true
	case "io":
		m.IO = true
	default:
		return bad
	}
	return nil
}

// Match tells whether a mask lets a process through, its order and the most that
// are sent aside.
func (m *TaskMask) Match(name, user []byte, state byte) bool {
	return matchAny(m.Names, name) && matchAny(m.Users, user) &&
		(m.States == "" || strings.IndexByte(m.States, state) >= 0)
}

func matchAny(globs []Glob, s []byte) bool {
	for i := range globs {
		if globs[i].Match(s) {
			return true
		}
	}
	return len(globs) == 0
}
