// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

// rule is an alarm by its words.
func rule(t *testing.T, id, text string) alarm.Rule {
	t.Helper()
	when, err := alarm.Compile(text, poll.MetricByName)
	if err != nil {
		t.Fatal(err)
	}
	return alarm.Rule{ID: id, When: when, Level: "warn"}
}

// alarms tells the states of a host's alarms.
func alarms(c *poll.Cluster, name string) (text string) {
	c.View(func(hosts []*poll.Host) {
		for _, h := range hosts {
			if h.Name != name {
				continue
			}
			for i, a := range h.Alarms() {
				text += h.Rules()[i].ID + "=" + a.State.String() + " "
			}
		}
	})
	return strings.TrimSpace(text)
}

// Alarms that change leave the others and the sessions as they are; one that fires
// ends with its rule.
func TestAlarmsChange(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	events := make(chan poll.Event, 10)
	c := watch(t, poll.Config{
		Delay: fast, OnAlarm: func(e poll.Event) { events <- e },
		Rules: []alarm.Rule{rule(t, "busy", "load1 > 0.1"), rule(t, "many", "users > 1")},
	}, poll.Target{Name: "n1", Address: d.Start(t)})
	wait.Until(t, "both fire", func() bool { return alarms(c, "n1") == "busy=firing many=firing" })
	<-events
	<-events
	louder := rule(t, "busy", "load1 > 0.1")
	louder.Level = "crit"
	c.SetAlarms([]alarm.Rule{rule(t, "full", "fs_pct_max > 10"), louder}, []xmlsysd.Trigger{memory})
	if e := <-events; e.Rule.ID != "many" || e.State != alarm.OK || e.Host != "n1" {
		t.Errorf("the alarm without a rule: %+v", e)
	}
	if e := <-events; e.Rule.ID != "full" || e.State != alarm.Firing {
		t.Errorf("the new alarm: %+v", e)
	}
	if got := alarms(c, "n1"); got != "full=firing busy=firing" {
		t.Errorf("alarms %s", got)
	}
	wait.Until(t, "what the alarms are about is asked for", func() bool {
		lines := d.Lines(0)
		return strings.Contains(lines, "on filesystems\n") && strings.Contains(lines, "on triggers\ntrigger memory some 0.15 2\nsend\n")
	})
	// Without triggers a host may have sent what one of them was for.
	c.SetAlarms(nil, nil)
	for _, id := range []string{"full", "busy"} {
		if e := <-events; e.Rule.ID != id || e.State != alarm.OK {
			t.Errorf("%+v, want the end of %s", e, id)
		}
	}
	n := look(c, "n1").messages
	d.Push(polltest.Frame(polltest.Default("n1").Message(time.Now())))
	wait.Until(t, "more has come", func() bool { return look(c, "n1").messages > n+2 })
	if s := look(c, "n1"); s.state != poll.OK || d.Sessions() != 1 || alarms(c, "n1") != "" {
		t.Errorf("%+v, %d sessions, alarms %s", s, d.Sessions(), alarms(c, "n1"))
	}
	if log := c.Events(); len(log) != 6 {
		t.Errorf("%d events are kept, want 6", len(log))
	}
}
