// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// Conditions and actions of triggers, as LTTng names them.
const (
	onEvent            = "event-rule-matches"
	onUsageHigh        = "channel-buffer-usage-ge"
	onUsageLow         = "channel-buffer-usage-le"
	onConsumedSize     = "session-consumed-size-ge"
	onRotationStarts   = "session-rotation-starts"
	onRotationFinishes = "session-rotation-finishes"

	doNotify   = "notify"
	doStart    = "start-session"
	doStop     = "stop-session"
	doRotate   = "rotate-session"
	doSnapshot = "snapshot-session"
)

// trigger is a trigger with its owner. A goroutine of its own carries out its
// actions, one after the other: what fires meanwhile is counted, and done once
// more.
type trigger struct {
	agent.Trigger // Fired is guarded by Daemon.mu; the rest is immutable

	by     Caller
	about  string        // session that it fired about last; guarded by Daemon.mu
	rule   *Session      // of a condition about events; guarded by Daemon.mu
	fired  chan struct{} // has room for one; never closed
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // its goroutines
}

// Triggers lists those of a caller; root sees all.
func (d *Daemon) Triggers(by Caller) []agent.Trigger {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []agent.Trigger{}
	for _, t := range d.triggers {
		if by.UID == 0 || by.UID == t.by.UID {
			all = append(all, t.Trigger)
		}
	}
	return all
}

// AddTrigger adds one.
func (d *Daemon) AddTrigger(ctx context.Context, by Caller, want agent.Trigger) (agent.Trigger, error) {
	if err := checkTrigger(&want); err != nil {
		return want, err
	}
	want.Fired = 0
	t := &trigger{Trigger: want, by: by, fired: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if err := d.enter(t); err != nil {
		t.cancel()
		return want, err
	}
	t.work.Go(func() { d.act(t) })
	switch t.Condition.Type {
	case onEvent:
		if err := d.openRule(ctx, t); err != nil {
			if d.leave(t) {
				err = errors.Join(err, d.end(t, (*Session).destroyNow))
			}
			return want, err
		}
	case onUsageHigh, onUsageLow, onConsumedSize:
		t.work.Go(func() { d.monitor(t) })
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return t.Trigger, nil
}

func checkTrigger(t *agent.Trigger) error {
	c := &t.Condition
	switch c.Type {
	case onRotationStarts, onRotationFinishes:
	case onEvent:
		if c.Rule == nil {
			return problemf(agent.CodeInvalid, "condition %s needs an event rule", c.Type)
		}
	case onUsageHigh, onUsageLow:
		if c.Session == "" || c.Channel == "" || !(c.Ratio >= 0 && c.Ratio <= 1) {
			return problemf(agent.CodeInvalid, "condition %s needs a session, a channel and a ratio from 0 to 1", c.Type)
		}
	case onConsumedSize:
		if c.Session == "" || c.Bytes == 0 {
			return problemf(agent.CodeInvalid, "condition %s needs a session and a size", c.Type)
		}
	default:
		return problemf(agent.CodeInvalid, "condition %q: unknown", c.Type)
	}
	if len(t.Actions) == 0 {
		return problemf(agent.CodeInvalid, "a trigger needs an action")
	}
	for _, a := range t.Actions {
		switch a.Type {
		case doNotify:
		case doStart, doStop, doRotate, doSnapshot:
			if a.Session == "" {
				return problemf(agent.CodeInvalid, "action %s needs a session", a.Type)
			}
		default:
			return problemf(agent.CodeInvalid, "action %q: unknown", a.Type)
		}
	}
	return nil
}

// Limits of triggers. Each rule about events is a process.
const (
	maxTriggers     = 256
	maxRuleTriggers = 16
)

// enter gives a trigger its place, and a name if it has none.
func (d *Daemon) enter(t *trigger) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var owners, ofRules []uint32
	named := func(name string) bool {
		return slices.ContainsFunc(d.triggers, func(o *trigger) bool { return o.by.UID == t.by.UID && o.Name == name })
	}
	for _, o := range d.triggers {
		owners = append(owners, o.by.UID)
		if o.Condition.Type == onEvent {
			ofRules = append(ofRules, o.by.UID)
		}
	}
	switch {
	case d.stopped:
		return problemf(agent.CodeNoDaemon, "the session daemon is stopping")
	case t.Name != "" && named(t.Name):
		return problemf(agent.CodeTriggerExists, "trigger %s exists already", t.Name)
	}
	err := triggerQuota.check(t.by.UID, owners)
	if err == nil && t.Condition.Type == onEvent {
		err = ruleTriggerQuota.check(t.by.UID, ofRules)
	}
	if err != nil {
		return err
	}
	for i := 0; t.Name == ""; i++ {
		if name := fmt.Sprintf("trigger%d", i); !named(name) {
			t.Name = name
		}
	}
	d.triggers = append(d.triggers, t)
	return nil
}

// RemoveTrigger removes one of the caller's.
func (d *Daemon) RemoveTrigger(_ context.Context, by Caller, name string) error {
	d.mu.Lock()
	var found *trigger
	for _, t := range d.triggers {
		if t.Name == name && (t.by.UID == by.UID || by.UID == 0 && found == nil) {
			found = t
		}
	}
	d.mu.Unlock()
	if found == nil || !d.leave(found) {
		return problemf(agent.CodeTriggerNotFound, "trigger %s not found", name)
	}
	return d.end(found, (*Session).destroyNow)
}

// leave takes a trigger's place away; false if it has none.
func (d *Daemon) leave(t *trigger) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.triggers, t)
	if i < 0 {
		return false
	}
	d.triggers = slices.Delete(d.triggers, i, i+1)
	return true
}

// endTriggers ends all, within the time of ctx.
func (d *Daemon) endTriggers(ctx context.Context) {
	d.mu.Lock()
	all := d.triggers
	d.triggers = nil
	d.mu.Unlock()
	var wg sync.WaitGroup
	for _, t := range all {
		wg.Go(func() {
			if err := d.end(t, func(s *Session) error { return s.endNow(ctx) }); err != nil {
				d.log.Warn("trigger not ended", "name", t.Name, "err", err)
			}
		})
	}
	wg.Wait()
}

// end ends a trigger that has no place any more, and waits for it. The session of
// its rule is ended by a function.
func (d *Daemon) end(t *trigger, end func(*Session) error) (err error) {
	t.cancel()
	d.mu.Lock()
	rule := t.rule
	d.mu.Unlock()
	if rule != nil {
		err = end(rule)
	}
	t.work.Wait()
	return err
}

// react fires the triggers whose condition has come true.
func (d *Daemon) react(s *Session, kind, text string) {
	if kind != "rotation" {
		return
	}
	want := map[string]string{"started": onRotationStarts, "finished": onRotationFinishes}[text]
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.triggers {
		if t.Condition.Type == want && (t.Condition.Session == "" || t.Condition.Session == s.name) && (t.by.UID == 0 || t.by.UID == s.uid) {
			t.fireLocked(1, s.name)
		}
	}
}

// fire tells a trigger that its condition has come true a number of times.
func (d *Daemon) fire(t *trigger, times uint64, about string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.fireLocked(times, about)
}

func (t *trigger) fireLocked(times uint64, about string) {
	t.Fired += times
	t.about = about
	select {
	case t.fired <- struct{}{}:
	default:
	}
}

// act carries out a trigger's actions until it ends. They are commands of their
// own, given when their session is free.
func (d *Daemon) act(t *trigger) {
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.fired:
		}
		d.mu.Lock()
		about := t.about
		d.mu.Unlock()
		for _, a := range t.Actions {
			var err error
			switch a.Type {
			case doNotify:
				d.spread(agent.Notice{Time: time.Now(), Session: about, Type: "trigger", Text: t.Name}, t.by.UID)
			case doStart:
				_, err = d.Start(t.ctx, t.by, a.Session)
			case doStop:
				_, err = d.Stop(t.ctx, t.by, a.Session, true)
			case doRotate:
				_, err = d.Rotate(t.ctx, t.by, a.Session, true)
			case doSnapshot:
				_, err = d.SnapshotRecord(t.ctx, t.by, a.Session, agent.SnapshotOutput{})
			}
			if err != nil && !ended(t.ctx) {
				d.log.Warn("trigger", "name", t.Name, "action", a.Type, "err", err)
			}
		}
	}
}
