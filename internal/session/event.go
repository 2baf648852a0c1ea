// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
)

func sizeRounded(what string, from, to uint64) string {
	return fmt.Sprintf("%s %d is rounded up to %d", what, from, to)
}

// EnableEvents adds event rules to a channel. Rules that are refused do not keep
// out the others.
func (d *Daemon) EnableEvents(_ context.Context, by Caller, name string, r agent.EnableEvents) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if src := d.loggersOf(r.Domain); src != nil {
			return s.enableLoggers(by, src, r, &done)
		}
		known := s.known(r.Domain)
		m, err := s.domain(by, r.Domain, true)
		if err != nil {
			return err
		}
		before := len(m.channels)
		c, err := m.channelForNew(r.Channel, &done)
		if err == nil {
			err = eachRule(r.Rules, &done, func(r agent.EventRule, done *agent.Done) error { return s.addRule(c, r, done) })
		}
		if err != nil && before == 0 {
			err = errors.Join(err, m.takeBack(by, known))
		}
		return err
	})
	return done, err
}

// eachRule adds rules. It fails if none could be added.
func eachRule(rules []agent.EventRule, done *agent.Done, add func(agent.EventRule, *agent.Done) error) error {
	var first error
	added := 0
	for _, r := range rules {
		switch err := add(r, done); {
		case err == nil:
			added++
		case first == nil:
			first = err
		default:
			warn(done, agent.CodeInvalid, err.Error())
		}
	}
	if added > 0 && first != nil {
		warn(done, agent.CodeInvalid, first.Error())
		first = nil
	}
	return first
}

// channelFor is the channel of a name, the only one, or the default one.
func (m *domain) channelFor(name string) (*channel, error) {
	if name == "" {
		if len(m.channels) == 1 {
			return m.channels[0], nil
		}
		name = defaultChannel
	}
	if c := m.channel(name); c != nil {
		return c, nil
	}
	return nil, problemf(agent.CodeChannelNotFound, "session %s has no channel %s of domain %s", m.s.name, name, m.src.Domain())
}

// channelForNew is the channel that new rules go to. One that is not there is made, as
// LTTng's daemon does: without a name only where there is no other.
func (m *domain) channelForNew(name string, done *agent.Done) (*channel, error) {
	c, err := m.channelFor(name)
	if err == nil {
		return c, nil
	}
	if name == "" && len(m.channels) > 0 {
		return nil, problemf(agent.CodeNeedChannelName, "session %s has %d channels of domain %s and none of them is %s: name one (-c)", m.s.name, len(m.channels), m.src.Domain(), defaultChannel)
	}
	return m.addChannel(cmp.Or(name, defaultChannel), agent.ChannelSettings{}, done)
}

// addRule adds a rule, or enables it.
func (s *Session) addRule(c *channel, r agent.EventRule, done *agent.Done) error {
	if err := c.settleLevel(&r); err != nil {
		return err
	}
	if old := c.rule(&r); old != nil {
		if old.Enabled {
			return problemf(agent.CodeKernelEventExists, "event rule %s exists already in channel %s", r.Pattern, c.name)
		}
		old.Enabled = true
		return c.SetRule(old, true)
	}
	if err := c.checkPeriod(&r); err != nil {
		return err
	}
	r.Enabled = true
	warnings, err := c.AddRule(&r)
	for _, w := range warnings {
		warn(done, agent.CodeInvalid, w.Error())
	}
	if err != nil {
		return coded(agent.CodeInvalid, err)
	}
	c.rules = append(c.rules, &r)
	return nil
}

// settleLevel gives the level of a rule its full name, by which rules are compared and told.
// What is no level stays: the channel says what it wants.
func (c *channel) settleLevel(r *agent.EventRule) error {
	if r.LogLevel == "" {
		return nil
	}
	l, ok := c.Channel.(source.Leveled)
	if !ok {
		return problemf(agent.CodeNotSupported, "event rule %s: events of channel %s have no log level", r.Pattern, c.name)
	}
	if name, ok := l.Level(r.LogLevel); ok {
		r.LogLevel = name
	}
	return nil
}

// checkPeriod refuses periods of events that have none, and such as cannot be.
func (c *channel) checkPeriod(r *agent.EventRule) error {
	if r.Period == 0 {
		return nil
	}
	p, ok := c.Channel.(source.Periodic)
	if !ok {
		return problemf(agent.CodeNotSupported, "event rule %s: events of channel %s have no period", r.Pattern, c.name)
	}
	if least, most := p.Periods(); r.Period < least || r.Period > most {
		return problemf(agent.CodeInvalid, "event rule %s: period %v, want %v to %v", r.Pattern, r.Period, least, most)
	}
	return nil
}

// rule finds a rule that is the same.
func (c *channel) rule(r *agent.EventRule) *agent.EventRule {
	for _, o := range c.rules {
		if sameRule(o, r) {
			return o
		}
	}
	return nil
}

// sameRule reports whether two rules are the same, enabled or not.
func sameRule(a, b *agent.EventRule) bool {
	return a.Type == b.Type && a.Pattern == b.Pattern && a.Filter == b.Filter && a.Location == b.Location && a.Period == b.Period &&
		a.LogLevel == b.LogLevel && a.LogLevelOnly == b.LogLevelOnly && slices.Equal(a.Exclusions, b.Exclusions)
}

// DisableEvents disables rules.
func (d *Daemon) DisableEvents(_ context.Context, by Caller, name string, r agent.DisableEvents) (done agent.Done, err error) {
	err = d.with(by, name, func(s *Session) error {
		if src := d.loggersOf(r.Domain); src != nil {
			return s.disableLoggers(src, r)
		}
		m, err := s.domain(by, r.Domain, false)
		if err != nil {
			return err
		}
		c, err := m.channelFor(r.Channel)
		if err != nil {
			return err
		}
		found := make(map[string]bool)
		for _, rule := range c.rules {
			if !r.All && !slices.Contains(r.Patterns, rule.Pattern) || r.Type != "" && r.Type != rule.Type {
				continue
			}
			found[rule.Pattern] = true
			if !rule.Enabled {
				continue
			}
			rule.Enabled = false
			if err := c.SetRule(rule, false); err != nil {
				return err
			}
		}
		for _, p := range r.Patterns {
			if !found[p] {
				return problemf(agent.CodeNoEvent, "channel %s has no event rule %s", c.name, p)
			}
		}
		return nil
	})
	return done, err
}

// Track restricts a domain to processes. Of those that are tracked already it warns, as LTTng
// does.
func (d *Daemon) Track(_ context.Context, by Caller, name string, r agent.Track) (done agent.Done, err error) {
	users := func(have, given []int64) ([]int64, error) { return included(r.All, have, given, &done), nil }
	err = d.setTracked(by, name, r, users, func(pids []int32) ([]int32, error) {
		if r.All {
			return nil, nil
		}
		for _, p := range r.PIDs {
			if slices.Contains(pids, p) {
				warn(&done, agent.CodeInvalid, fmt.Sprintf("process %d is tracked already", p))
				continue
			}
			pids = append(pids, p)
		}
		return pids, nil
	})
	return done, err
}

// Untrack takes processes out. Without any left, none is recorded. Of those that are not
// tracked it warns, as LTTng does; the others are taken out.
func (d *Daemon) Untrack(_ context.Context, by Caller, name string, r agent.Track) (done agent.Done, err error) {
	users := func(have, given []int64) ([]int64, error) { return excluded(r.All, have, given, &done), nil }
	err = d.setTracked(by, name, r, users, func(pids []int32) ([]int32, error) {
		if r.All {
			return []int32{}, nil
		}
		for _, p := range r.PIDs {
			if !slices.Contains(pids, p) {
				warn(&done, agent.CodeInvalid, fmt.Sprintf("process %d is not tracked", p))
			}
		}
		left := slices.DeleteFunc(slices.Clone(pids), func(p int32) bool { return slices.Contains(r.PIDs, p) })
		return left, nil
	})
	return done, err
}

func (d *Daemon) setTracked(by Caller, name string, r agent.Track, users func(have, given []int64) ([]int64, error), change func([]int32) ([]int32, error)) error {
	return d.with(by, name, func(s *Session) error {
		m, err := s.domain(by, r.Domain, true)
		if err != nil {
			return err
		}
		if done, err := m.trackUsers(r, users); err != nil || done && len(r.PIDs) == 0 {
			return err
		}
		before := s.pids[r.Domain]
		after, err := change(slices.Clone(before))
		if err != nil {
			return err
		}
		s.pids[r.Domain] = after
		if err := m.track(); err != nil {
			s.pids[r.Domain] = before
			return err
		}
		return nil
	})
}
