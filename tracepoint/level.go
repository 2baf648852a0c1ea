// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint

// Level is how severe an event is: LTTng's log levels. The more severe, the smaller.
type Level int32

// Levels.
const (
	Emergency     Level = 0
	Alert         Level = 1
	Critical      Level = 2
	Error         Level = 3
	Warning       Level = 4
	Notice        Level = 5
	Info          Level = 6
	DebugSystem   Level = 7
	DebugProgram  Level = 8
	DebugProcess  Level = 9
	DebugModule   Level = 10
	DebugUnit     Level = 11
	DebugFunction Level = 12
	DebugLine     Level = 13 // what LTTng's tracepoints have when nothing is said
	Debug         Level = 14
)
