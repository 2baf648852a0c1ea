// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"fmt"
	"strconv"

	"github.com/weir-io/weir/xmlsysd"
)

// trigger is a pressure stall trigger that hosts are given.
type trigger struct {
	words string
	rate  Metric  // the share of time that tasks wait
	least float64 // of it, when the trigger fires
}

// StallMetric returns the metric that a trigger is about, the share of time in which
// tasks wait, in percent.
func StallMetric(t xmlsysd.Trigger) (Metric, bool) {
	for _, line := range pressureLines {
		if line.source == t.Resource && line.kind == t.Kind {
			return line.rate, true
		}
	}
	return 0, false
}

// StallCondition returns the condition of an alarm for a trigger: that tasks wait for
// such a share of time. A host that has no triggers is judged by it at its polls.
func StallCondition(t xmlsysd.Trigger) (string, error) {
	m, ok := StallMetric(t)
	if !ok {
		return "", fmt.Errorf("no stalls of %s %s are kept: want cpu some, memory some, memory full, io some or io full", t.Resource, t.Kind)
	}
	return m.String() + " >= " + strconv.FormatFloat(t.Percent(), 'f', -1, 64), nil
}

// newTriggers prepares triggers; those that no metric is about are none.
func newTriggers(list []xmlsysd.Trigger) []trigger {
	var all []trigger
	for _, t := range list {
		if m, ok := StallMetric(t); ok {
			all = append(all, trigger{t.String(), m, t.Percent()})
		}
	}
	return all
}

// lines sets triggers up. Daemons that know none go by them.
func lines(triggers []trigger) string {
	if len(triggers) == 0 {
		return ""
	}
	text := "on triggers\n"
	for _, t := range triggers {
		text += "trigger " + t.words + "\n"
	}
	return text
}

// takeTriggers raises the shares of stalls whose triggers have fired since the
// message before: over the time between two messages they may be smaller.
func (m *message) takeTriggers() {
	if len(m.asked) == 0 {
		return
	}
	c := &m.h.counters
	if c.fired == nil {
		c.fired = make([]uint64, len(m.asked))
	}
	for row := range m.Rows(m.triggers) {
		n, ok := m.CellUint(m.triggers, row, m.slots.fired[0])
		if !ok {
			continue
		}
		for i := range m.asked {
			t := &m.asked[i]
			if t.words != string(m.Key(m.triggers, row, 0)) {
				continue
			}
			// Below, the session has begun anew, and so have its counters.
			if n > c.fired[i] || n < c.fired[i] && n > 0 {
				if v := &m.h.values[t.rate]; !(*v >= t.least) {
					*v = t.least
				}
			}
			c.fired[i] = n
		}
	}
}
