// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPID is the kernel's PID_MAX_LIMIT.
const maxPID = 1 << 22

// SetPIDs lets only these threads be recorded; without any, all are. Their
// children follow with option event-fork. There is a moment between the old
// list and the new one in which all are recorded.
func (in *Instance) SetPIDs(tids []int) error { return in.setPIDs("set_event_pid", tids, unix.O_TRUNC) }

// AddPIDs adds threads to those that are recorded.
func (in *Instance) AddPIDs(tids ...int) error {
	return in.setPIDs("set_event_pid", tids, unix.O_APPEND)
}

// SetNotracePIDs keeps these threads from being recorded; without any, none is.
// Threads that they start later follow with option event-fork only.
func (in *Instance) SetNotracePIDs(tids []int) error {
	return in.setPIDs("set_event_notrace_pid", tids, unix.O_TRUNC)
}

// AddNotracePIDs adds threads to those that are not recorded.
func (in *Instance) AddNotracePIDs(tids ...int) error {
	return in.setPIDs("set_event_notrace_pid", tids, unix.O_APPEND)
}

func (in *Instance) setPIDs(file string, tids []int, flags int) error {
	if len(tids) == 0 && flags&unix.O_APPEND != 0 {
		return nil
	}
	var text strings.Builder
	for _, tid := range tids {
		if tid < 0 || tid > maxPID { // the kernel would take the low bits
			return fmt.Errorf("%s: thread %d: %w", file, tid, unix.EINVAL)
		}
		text.WriteString(strconv.Itoa(tid))
		text.WriteByte(' ')
	}
	return in.lost(in.fs.write(in.dir+"/"+file, text.String(), flags))
}

// PIDs lists the threads that are recorded; none means all.
func (in *Instance) PIDs() ([]int, error) { return in.pids("set_event_pid") }

// NotracePIDs lists the threads that are not recorded.
func (in *Instance) NotracePIDs() ([]int, error) { return in.pids("set_event_notrace_pid") }

func (in *Instance) pids(file string) ([]int, error) {
	s, err := in.get(file)
	if err != nil {
		return nil, err
	}
	var tids []int
	for word := range strings.FieldsSeq(s) {
		tid, err := strconv.Atoi(word)
		if err != nil {
			return nil, &FileError{Op: "read", Path: in.dir + "/" + file, Err: err}
		}
		tids = append(tids, tid)
	}
	return tids, nil
}
