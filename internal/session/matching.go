// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// What a trigger's own session records in.
const (
	ruleDomain  = "kernel"
	ruleChannel = "trigger"
)

// openRule starts a session that nobody sees, for the condition of a trigger about
// events: it records what the rule chooses, and its consumer says so instead of
// writing it. Whether other sessions record the events makes no difference, as
// with LTTng.
func (d *Daemon) openRule(ctx context.Context, t *trigger) error {
	s := newSession(d, t.by, agent.CreateSession{Name: "trigger " + t.Name, Mode: agent.NoOutput}, false, time.Now())
	d.mu.Lock()
	d.last++
	s.id = d.last
	d.mu.Unlock()
	s.onMatch = func(events uint64) { d.fire(t, events, "") }
	if err := s.watchFor(ctx, *t.Condition.Rule); err != nil {
		_, derr := s.destroy(context.WithoutCancel(ctx), true)
		return errors.Join(err, derr)
	}
	d.mu.Lock()
	removed := !slices.Contains(d.triggers, t)
	if !removed {
		t.rule = s
	}
	d.mu.Unlock()
	if !removed {
		return nil
	}
	_, err := s.destroy(context.WithoutCancel(ctx), true)
	return errors.Join(problemf(agent.CodeTriggerNotFound, "trigger %s was removed", t.Name), err)
}

// watchFor starts to record what a rule chooses, in rings that are small.
func (s *Session) watchFor(ctx context.Context, r agent.EventRule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var done agent.Done
	if err := s.begin(ctx, agent.CreateSession{}, &done); err != nil {
		return err
	}
	m, err := s.domain(Caller{UID: s.uid, GID: s.gid, Tracing: s.tracing}, ruleDomain, true)
	if err != nil {
		return err
	}
	c, err := m.addChannel(ruleChannel, agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 64}, &done)
	if err != nil {
		return err
	}
	if err := s.addRule(c, r, &done); err != nil {
		return err
	}
	for _, w := range done.Warnings {
		s.log.Warn("event rule of a trigger", "rule", r.Pattern, "err", w.Message)
	}
	return s.startTracing(ctx, &done)
}
