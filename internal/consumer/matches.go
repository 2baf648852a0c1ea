// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// noticePeriod is how far apart notices of one ring about its events are, at
// least: a rule that matches a million times a second is told ten times.
const noticePeriod = 100 * time.Millisecond

// matches counts the events that the daemon wants to hear of. It belongs to the
// drain's goroutine.
type matches struct {
	notice func(handover.Op, any)
	events uint64 // not told
	told   time.Time
}

// tell tells of what has come, if that is due. A ring whose events are told is
// read at least as often as its read timer says, so that the last ones are not
// forgotten.
func (m *matches) tell(channel uint32, now time.Time) {
	if m.events == 0 || now.Sub(m.told) < noticePeriod {
		return
	}
	m.notice(handover.NoticeMatched, handover.Matched{Channel: channel, Events: m.events})
	m.events, m.told = 0, now
}
