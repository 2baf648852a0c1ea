// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"slices"
	"strings"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
)

// loggers is what a session records of a domain of loggers: events of another domain,
// whose channel knows of its rules and does not show them. It is guarded by Session.mu.
type loggers struct {
	src   source.Loggers
	trace source.LoggersTrace
	host  *channel
	rules []*loggerRule
}

// loggerRule is a rule with that of the host.
type loggerRule struct{ own, host *agent.EventRule }

// loggersOf finds a domain of loggers by its name; nil if that is none.
func (d *Daemon) loggersOf(domain string) source.Loggers {
	for _, l := range d.opts.Loggers {
		if l.Domain() == domain {
			return l
		}
	}
	return nil
}

// loggers returns what the session records of a domain of loggers, nil if that is
// nothing.
func (s *Session) loggers(src source.Loggers) *loggers {
	for _, l := range s.logging {
		if l.src == src {
			return l
		}
	}
	return nil
}

// beginLoggers has the session record a domain of loggers.
func (s *Session) beginLoggers(by Caller, src source.Loggers, done *agent.Done) (*loggers, error) {
	if l := s.loggers(src); l != nil {
		return l, nil
	}
	if err := src.Check(); err != nil {
		return nil, err
	}
	domain, name := src.Host()
	m, err := s.domain(by, domain, true)
	if err != nil {
		return nil, err
	}
	c := m.channel(name)
	if c == nil {
		if c, err = m.addChannel(name, agent.ChannelSettings{}, done); err != nil {
			return nil, err
		}
	}
	l := &loggers{src: src, trace: src.Open(s.name, s.uid), host: c}
	s.logging = append(s.logging, l)
	for _, context := range c.contexts {
		s.tellLoggers(c, context)
	}
	return l, nil
}

// tellLoggers has programs of loggers tell a context that the channel has got, if it is
// one that programs tell.
func (s *Session) tellLoggers(c *channel, context string) {
	provider, name, ok := appContext(context)
	if !ok {
		return
	}
	for _, l := range s.logging {
		if l.host == c {
			l.trace.AddContext(provider, name)
		}
	}
}

// enableLoggers adds rules about loggers, or enables them.
func (s *Session) enableLoggers(by Caller, src source.Loggers, r agent.EnableEvents, done *agent.Done) error {
	if _, name := src.Host(); r.Channel != "" && r.Channel != name {
		return problemf(agent.CodeChannelNotFound, "domain %s has channel %s alone, got %s", src.Domain(), name, r.Channel)
	}
	host, _ := src.Host()
	begun, known, channels := s.loggers(src) != nil, s.known(host), s.channelCount(host)
	l, err := s.beginLoggers(by, src, done)
	if err != nil {
		return err
	}
	if err = eachRule(r.Rules, done, l.enable); err != nil && !begun {
		err = errors.Join(err, s.takeBackLoggers(by, l, known, channels))
	}
	return err
}

// takeBackLoggers undoes what a command has begun that is refused. A channel beside others
// stays: it takes nothing from them.
func (s *Session) takeBackLoggers(by Caller, l *loggers, known bool, channels int) error {
	l.trace.Close()
	s.logging = slices.DeleteFunc(s.logging, func(o *loggers) bool { return o == l })
	host, _ := l.src.Host()
	for _, m := range s.domains {
		if m.src.Domain() == host && channels == 0 {
			return m.takeBack(by, known)
		}
	}
	return nil
}

// channelCount is how many channels a domain has.
func (s *Session) channelCount(domain string) int {
	for _, m := range s.domains {
		if m.src.Domain() == domain {
			return len(m.channels)
		}
	}
	return 0
}

// enable adds a rule, or enables it.
func (l *loggers) enable(r agent.EventRule, done *agent.Done) error {
	for _, o := range l.rules {
		if !sameRule(o.own, &r) {
			continue
		}
		if o.own.Enabled {
			return problemf(agent.CodeUSTEventExists, "event rule %s exists already in domain %s", r.Pattern, l.src.Domain())
		}
		return l.set(o, true)
	}
	host, err := l.src.Rule(&r)
	if err != nil {
		return err
	}
	warnings, err := l.host.AddRule(&host)
	for _, w := range warnings {
		warn(done, agent.CodeInvalid, w.Error())
	}
	if err != nil {
		return coded(agent.CodeInvalid, err)
	}
	r.Enabled = true
	made := &loggerRule{&r, &host}
	l.rules = append(l.rules, made)
	l.trace.SetRule(&r, true)
	return nil
}

// set enables or disables a rule.
func (l *loggers) set(r *loggerRule, on bool) error {
	if r.own.Enabled == on {
		return nil
	}
	if err := l.host.SetRule(r.host, on); err != nil {
		return err
	}
	r.own.Enabled = on
	l.trace.SetRule(r.own, on)
	return nil
}

// disableLoggers disables rules.
func (s *Session) disableLoggers(src source.Loggers, r agent.DisableEvents) error {
	l := s.loggers(src)
	if l == nil {
		return problemf(agent.CodeUSTEventNotFound, "session %s records nothing of domain %s", s.name, src.Domain())
	}
	found := make(map[string]bool)
	for _, o := range l.rules {
		if !r.All && !slices.Contains(r.Patterns, o.own.Pattern) {
			continue
		}
		found[o.own.Pattern] = true
		if err := l.set(o, false); err != nil {
			return err
		}
	}
	for _, p := range r.Patterns {
		if !found[p] {
			return problemf(agent.CodeUSTEventNotFound, "domain %s has no event rule %s", src.Domain(), p)
		}
	}
	return nil
}

// endLoggers has agents hand over nothing more for the session.
func (s *Session) endLoggers() {
	for _, l := range s.logging {
		l.trace.Close()
	}
	s.logging = nil
}

// document describes the domain: its channel is the host's, whose settings are there.
func (l *loggers) document() agent.Domain {
	c := agent.Channel{Name: l.host.name, Enabled: l.host.enabled, Events: []agent.EventRule{}}
	for _, r := range l.rules {
		c.Events = append(c.Events, *r.own)
	}
	return agent.Domain{Name: l.src.Domain(), Channels: []agent.Channel{c}}
}

// noLoggers refuses what domains of loggers do not have.
func (d *Daemon) noLoggers(domain string) error {
	src := d.loggersOf(domain)
	if src == nil {
		return nil
	}
	host, name := src.Host()
	return problemf(agent.CodeNotSupported, "domain %s has no channels of its own: its events are in channel %s of domain %s", domain, name, host)
}

// appContext splits the name of a context that programs tell, $app.PROVIDER:NAME.
func appContext(text string) (provider, name string, ok bool) {
	rest, ok := strings.CutPrefix(text, "$app.")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}
