// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
)

// noSource is a domain that cannot be opened.
type noSource struct{ source.Source }

func (noSource) Domain() string   { return ruleDomain }
func (noSource) Check(bool) error { return agent.NewProblem(agent.CodeKernelUnavailable, "no kernel") }

func testDaemon(t *testing.T) *Daemon {
	t.Helper()
	d, err := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Sources: []source.Source{noSource{}}, Consumer: []string{"/nosuch"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTriggerRefused(t *testing.T) {
	d := testDaemon(t)
	notify := []agent.TriggerAction{{Type: doNotify}}
	for name, tt := range map[string]struct {
		t    agent.Trigger
		code agent.Code
	}{
		"no condition":     {agent.Trigger{Actions: notify}, agent.CodeInvalid},
		"no action":        {agent.Trigger{Condition: agent.TriggerCondition{Type: onRotationStarts}}, agent.CodeInvalid},
		"unknown action":   {agent.Trigger{Condition: agent.TriggerCondition{Type: onRotationStarts}, Actions: []agent.TriggerAction{{Type: "x"}}}, agent.CodeInvalid},
		"action on none":   {agent.Trigger{Condition: agent.TriggerCondition{Type: onRotationStarts}, Actions: []agent.TriggerAction{{Type: doStop}}}, agent.CodeInvalid},
		"no rule":          {agent.Trigger{Condition: agent.TriggerCondition{Type: onEvent}, Actions: notify}, agent.CodeInvalid},
		"no size":          {agent.Trigger{Condition: agent.TriggerCondition{Type: onConsumedSize, Session: "s"}, Actions: notify}, agent.CodeInvalid},
		"ratio above 1":    {agent.Trigger{Condition: agent.TriggerCondition{Type: onUsageHigh, Session: "s", Channel: "c", Ratio: 1.1}, Actions: notify}, agent.CodeInvalid},
		"no kernel":        {agent.Trigger{Condition: agent.TriggerCondition{Type: onEvent, Rule: &agent.EventRule{}}, Actions: notify}, agent.CodeKernelUnavailable},
		"channel of no se": {agent.Trigger{Condition: agent.TriggerCondition{Type: onUsageLow, Channel: "c"}, Actions: notify}, agent.CodeInvalid},
	} {
		_, err := d.AddTrigger(t.Context(), Caller{}, tt.t)
		var p *agent.Problem
		if !errors.As(err, &p) || p.Code != tt.code {
			t.Errorf("%s: %v, want code %d", name, err, tt.code)
		}
	}
	if all := d.Triggers(Caller{}); len(all) != 0 {
		t.Errorf("triggers %v are left", all)
	}
}

// TestTriggerFires fires a trigger more often than it can act: each time counts,
// and the last one is acted on.
func TestTriggerFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDaemon(t)
		ctx, cancel := context.WithCancel(t.Context())
		notices := d.Watch(ctx, Caller{UID: 5}, "")
		synctest.Wait()
		tr, err := d.AddTrigger(t.Context(), Caller{UID: 5}, agent.Trigger{
			Condition: agent.TriggerCondition{Type: onConsumedSize, Session: "s", Bytes: 1}, Actions: []agent.TriggerAction{{Type: doNotify}},
		})
		if err != nil || tr.Name != "trigger0" {
			t.Fatal(tr, err)
		}
		d.mu.Lock()
		for range 1000 {
			d.triggers[0].fireLocked(2, "s")
		}
		d.mu.Unlock()
		n := <-notices
		if want := (agent.Notice{Time: n.Time, Session: "s", Type: "trigger", Text: "trigger0"}); n != want {
			t.Errorf("notice %+v, want %+v", n, want)
		}
		<-time.After(3 * monitorPeriod) // of the bubble: there is no session to look at
		synctest.Wait()
		if all := d.Triggers(Caller{UID: 5}); len(all) != 1 || all[0].Fired != 2000 {
			t.Errorf("triggers %+v, want one that has fired 2000 times", all)
		}
		if all := d.Triggers(Caller{UID: 6}); len(all) != 0 {
			t.Errorf("another user sees %+v", all)
		}
		if err := d.RemoveTrigger(t.Context(), Caller{UID: 6}, "trigger0"); err == nil {
			t.Error("another user removes it")
		}
		cancel()
		if err := d.Close(t.Context()); err != nil { // with the trigger
			t.Error(err)
		}
		if _, err := d.AddTrigger(t.Context(), Caller{}, tr); err == nil {
			t.Error("a stopped daemon takes a trigger")
		}
	})
}

func TestTriggersAreBounded(t *testing.T) {
	d := testDaemon(t)
	add := func(by Caller) error {
		_, err := d.AddTrigger(t.Context(), by, agent.Trigger{Condition: agent.TriggerCondition{Type: onRotationStarts}, Actions: []agent.TriggerAction{{Type: doNotify}}})
		return err
	}
	for i := range maxTriggers {
		if err := add(Caller{UID: uint32(i % 8)}); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := add(Caller{}); err == nil {
		t.Errorf("more than %d triggers", maxTriggers)
	}
	names := make(map[string]bool)
	for _, tr := range d.Triggers(Caller{UID: 1}) {
		if names[tr.Name] {
			t.Errorf("two triggers %s", tr.Name)
		}
		names[tr.Name] = true
	}
	if err := d.RemoveTrigger(t.Context(), Caller{UID: 1}, fmt.Sprintf("trigger%d", 7)); err != nil {
		t.Error(err)
	}
	if err := add(Caller{UID: 1}); err != nil || len(d.Triggers(Caller{UID: 1})) != len(names) {
		t.Errorf("after one is removed: %v", err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSets(t *testing.T) {
	var done agent.Done
	set := included(false, nil, []int64{3, 4, 3}, &done)
	if fmt.Sprint(set) != "[3 4]" || len(done.Warnings) != 1 || done.Warnings[0].Message != "user or group 3 is tracked already" {
		t.Errorf("what is tracked is added: %v, %v", set, done)
	}
	done = agent.Done{}
	if set = excluded(false, set, []int64{3}, &done); fmt.Sprint(set) != "[4]" || len(done.Warnings) != 0 {
		t.Error(set, done)
	}
	if set = excluded(false, append(set, 5), []int64{3, 5}, &done); fmt.Sprint(set) != "[4]" || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0].Message, "user or group 3 is not tracked") {
		t.Errorf("what is not tracked is taken out: %v, %v", set, done)
	}
	if all := excluded(false, nil, []int64{3}, &done); all != nil || len(done.Warnings) != 2 {
		t.Errorf("where all are tracked: %v, %v, want all still, and a warning", all, done)
	}
	if set = excluded(true, set, nil, &done); set == nil || len(set) != 0 || len(done.Warnings) != 2 {
		t.Errorf("none: %v, %v", set, done)
	}
	if set = included(true, set, nil, &done); set != nil || len(done.Warnings) != 2 {
		t.Errorf("all: %v, %v", set, done)
	}
}
