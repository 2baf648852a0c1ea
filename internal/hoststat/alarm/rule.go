// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package alarm

import "time"

// Guard is the least time between two changes of an alarm that are told.
const Guard = 10 * time.Second

// State is how far an alarm is.
type State uint8

// States, in the order of their urgency.
const (
	OK State = iota
	Pending
	Firing
)

// String returns the word for a state.
func (s State) String() string { return [...]string{"ok", "pending", "firing"}[s] }

// Rule is an alarm that hosts can have.
type Rule struct {
	ID    string
	When  *Expr
	Clear *Expr         // nil: when When is false
	For   time.Duration // how long When holds before the alarm fires
	Level string        // what to call its urgency: info, warn, crit
	Note  string
}

// Same reports whether another rule is in the same words but for its level and note.
func (r *Rule) Same(o *Rule) bool {
	return r.ID == o.ID && r.For == o.For && r.When.Same(o.When) && r.Clear.Same(o.Clear)
}

// Status is the alarm of one rule at one host. Its zero value is ok.
type Status struct {
	State State
	Since time.Time // when the state began

	changed time.Time // when firing began or ended, as it was told
}

// Step judges values. It reports whether the alarm began or ceased to fire.
func (r *Rule) Step(s *Status, now time.Time, values []float64) (changed bool) {
	when := r.When.True(values)
	quiet := s.changed.IsZero() || now.Sub(s.changed) >= Guard
	switch {
	case s.State == Firing:
		clear := !when
		if r.Clear != nil {
			clear = r.Clear.True(values)
		}
		if !clear || !quiet {
			return false
		}
		s.State, s.Since, s.changed = OK, now, now
		return true
	case !when:
		if s.State == Pending {
			s.State, s.Since = OK, now
		}
		return false
	case s.State == OK:
		s.State, s.Since = Pending, now
	}
	if now.Sub(s.Since) < r.For || !quiet {
		return false
	}
	s.State, s.Since, s.changed = Firing, now, now
	return true
}
