// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
)

const (
	// monitorPeriod is how often a condition is looked at where no channel says.
	monitorPeriod = time.Second
	// minMonitorPeriod bounds what a channel may say; it is also how soon to look
	// again at a session that is busy.
	minMonitorPeriod = 10 * time.Millisecond
)

// monitor looks at the condition of a trigger until that ends, and fires it each
// time that it becomes true.
func (d *Daemon) monitor(t *trigger) {
	var id uint64 // of the session for which the condition is true; 0: none
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-timer.C:
		}
		period, now := monitorPeriod, uint64(0)
		if s, err := d.session(t.by, t.Condition.Session); err == nil {
			holds, known, again := s.holds(t.ctx, &t.Condition)
			switch {
			case !known:
				now = id
			case holds:
				now = s.id
			}
			period = again
			if now != 0 && now != id {
				d.fire(t, 1, s.name)
			}
		}
		id = now
		timer.Reset(max(period, minMonitorPeriod))
	}
}

// holds reports whether a condition about a session is true, and when to look
// again. While a command is carried out that is not known.
func (s *Session) holds(ctx context.Context, c *agent.TriggerCondition) (holds, known bool, again time.Duration) {
	if !s.mu.TryLock() {
		return false, false, minMonitorPeriod
	}
	defer s.mu.Unlock()
	if s.gone {
		return false, true, monitorPeriod
	}
	if c.Type == onConsumedSize {
		return s.written(ctx) >= c.Bytes, true, monitorPeriod
	}
	for _, m := range s.running() {
		ch := m.channel(c.Channel)
		if ch == nil {
			continue
		}
		again = ch.settings.MonitorTimer
		if again <= 0 {
			again = monitorPeriod
		}
		var st handover.Status
		if m.proc.Call(ctx, handover.OpStatus, struct{}{}, &st) != nil {
			return false, false, again
		}
		fullest := 0.0
		for _, r := range st.Streams {
			if r.Channel == ch.id && r.RingBytes > 0 {
				fullest = max(fullest, float64(r.Usage)/float64(r.RingBytes))
			}
		}
		if c.Type == onUsageLow {
			return fullest <= c.Ratio, true, again
		}
		return fullest >= c.Ratio, true, again
	}
	return false, true, monitorPeriod
}
