// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"log/slog"
	"time"
)

// Complaints about agents are told so many times in a period: whoever can connect could
// fill the log.
const (
	maxComplaints   = 64
	complaintPeriod = time.Minute
)

// complaints counts those of a period. It is guarded by Source.mu.
type complaints struct {
	since time.Time
	n     int
}

// allow reports whether one may be told now, and whether it is the first that may not.
func (c *complaints) allow(now time.Time) (ok, last bool) {
	if now.Sub(c.since) >= complaintPeriod {
		c.since, c.n = now, 0
	}
	c.n++
	return c.n <= maxComplaints, c.n == maxComplaints+1
}

// complain tells of an agent that was not served, or is not any more.
func (s *Source) complain(log *slog.Logger, text string, args ...any) {
	s.mu.Lock()
	ok, last := s.complaints.allow(time.Now())
	s.mu.Unlock()
	switch {
	case ok:
		log.Warn(text, args...)
	case last:
		s.log.Warn("agents are refused or dropped again and again: for a minute no more of that is told")
	}
}
