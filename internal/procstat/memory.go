// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package procstat

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Memory is what a process occupied at one moment, in bytes.
type Memory struct {
	Resident int64
	Peak     int64 // of Resident, since the start
}

// ReadMemory reads the memory of a process; proc is /proc. One that has ended
// has none, also while its parent does not know yet.
func ReadMemory(proc fs.FS, pid int) (Memory, error) {
	text, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/status")
	if err != nil {
		return Memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	m, err := parseStatus(string(text))
	if err != nil {
		return m, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return m, nil
}

// parseStatus reads VmRSS and VmHWM of a process's status.
func parseStatus(text string) (Memory, error) {
	var m Memory
	for _, field := range []struct {
		name string
		to   *int64
	}{{"VmRSS:", &m.Resident}, {"VmHWM:", &m.Peak}} {
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
