// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"log/slog"
	"time"
)

// noticePeriod is how often the same is said again.
const noticePeriod = time.Minute

// notice tells the log what becomes of records: that a service fails, once until it works
// again, what is refused and what is lost, each no more than once a minute.
type notice struct {
	log     *slog.Logger
	failing bool      // as the log was told
	failed  time.Time // when it was
	refused limited
	lost    limited
}

// limited is a count that is told now and then.
type limited struct {
	told uint64
	at   time.Time
}

// due reports whether a count is to be told, and by how much it has grown.
func (l *limited) due(n uint64) (uint64, bool) {
	now := time.Now()
	if n == l.told || !l.at.IsZero() && now.Sub(l.at) < noticePeriod {
		return 0, false
	}
	grown := n - l.told
	l.told, l.at = n, now
	return grown, true
}

// told tells what came of a try.
func (n *notice) told(c Counts, left int, err error) {
	if grown, due := n.refused.due(c.Refused); due {
		n.log.Warn("the log service refuses records", "records", grown, "err", err)
	}
	if grown, due := n.lost.due(c.Lost); due {
		n.log.Warn("records are lost: too many wait for the log service", "records", grown)
	}
	switch {
	case left > 0 && !n.failing && (n.failed.IsZero() || time.Since(n.failed) >= noticePeriod):
		n.failing, n.failed = true, time.Now()
		n.log.Warn("the log service does not take records", "records", left, "err", err)
	case left == 0 && n.failing:
		n.failing = false
		n.log.Info("the log service takes records again")
	}
}

// ended tells what was lost that was not told yet.
func (n *notice) ended(c Counts) {
	if c.Lost > n.lost.told {
		n.log.Warn("records are lost: the log service has not taken them before the end", "records", c.Lost-n.lost.told)
	}
}
