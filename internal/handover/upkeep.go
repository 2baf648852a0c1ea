// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

// Orders and notices of what goes on while a session records.
const (
	OpClockSync Op = "clock-sync" // ClockSync; written into the first stream
	OpUsers     Op = "users"      // Users; what others do is not kept

	NoticeMatched Op = "matched" // Matched; of channels that tell
)

// ClockSync tells what the clock of the day said at a time of the trace's clock.
type ClockSync struct {
	Mono  uint64 `json:"mono"` // both in ns
	Real  uint64 `json:"real"`
	Error uint64 `json:"error"` // at most, ns
}

// Users are those whose threads are recorded; nil stands for all.
type Users struct {
	UIDs []int64 `json:"uids"`
	GIDs []int64 `json:"gids"`
}

// Matched tells that events were recorded in a channel for which that is asked.
type Matched struct {
	Channel uint32 `json:"channel"`
	Events  uint64 `json:"events"` // since the last notice
}
