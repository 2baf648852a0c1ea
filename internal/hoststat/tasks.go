// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

// TaskMask says which processes a session wants.
type TaskMask struct{}

// taskHistory is what a session was told of processes last.
type taskHistory struct{}

func newTaskHistory() *taskHistory { return new(taskHistory) }
