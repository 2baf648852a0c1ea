// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/hosts"
	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run returns a fleet of a registry's hosts, which runs.
func run(t *testing.T, r *hosts.Registry, o Options) *Fleet {
	t.Helper()
	o.Hosts, o.Delay, o.Log = r.List, poll.MinDelay, slog.New(slog.DiscardHandler)
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return f
}

func names(f *Fleet) map[string]bool {
	all := make(map[string]bool)
	f.Up(func(host string, up bool) { all[host] = up })
	return all
}

// Hosts come and go with the registry; what they tell is there for all who ask.
func TestFleet(t *testing.T) {
	when, err := alarm.Compile("load1 > 5", poll.MetricByName)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r := hosts.New(hosts.Options{Log: log})
	busy := polltest.Default("busy")
	busy.Load = 7.5
	daemon := &polltest.Daemon{Answer: polltest.Steady(busy)}
	r.Configure(
		hosts.Registration{Name: "busy", Address: daemon.Start(t), Group: "rack1"},
		hosts.Registration{Name: "calm", Address: (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("calm"))}).Start(t)},
		hosts.Registration{Name: "dead", Address: "127.0.0.1:1"},
		hosts.Registration{Name: "mute"},
	)
	f := run(t, r, Options{Rules: []alarm.Rule{{ID: "load", When: when, Level: "crit", Note: "much"}}, Select: []string{"/proc/vmstat", "/proc/net/snmp"}})
	wait.Until(t, "two are up and one is known to be down", func() bool {
		s := f.Statistics("dead")
		n := names(f)
		return n["busy"] && n["calm"] && s != nil && s.State == "down"
	})
	if n := names(f); len(n) != 3 || n["dead"] {
		t.Errorf("asked: %v", n)
	}
	if s := f.Statistics("mute"); s != nil {
		t.Errorf("a host that answers nowhere: %+v", s)
	}
	wait.Until(t, "the alarm", func() bool { return len(f.Alarms()) == 1 })
	s := f.Statistics("busy")
	if s.State != "up" || s.Values["load1"] != 7.5 || s.Values["ncpu"] != 2 || len(s.Alarms) != 1 || s.Alarms[0] != "load" || s.Level != "crit" || s.Read.IsZero() {
		t.Errorf("%+v", s)
	}
	if a := f.Alarms()[0]; a.Host != "busy" || a.Alarm != "load" || a.State != "firing" || a.Level != "crit" || a.Note != "much" || *a.Value != 7.5 {
		t.Errorf("%+v", a)
	}
	list, last, more := f.AlarmsAfter(0)
	if len(list) != 1 || last != 1 || list[0].Host != "busy" || more == nil {
		t.Errorf("alarms %+v, %d", list, last)
	}
	if list, last, _ = f.AlarmsAfter(1); len(list) != 0 || last != 1 {
		t.Errorf("behind the last one: %+v, %d", list, last)
	}
	if list, _, _ = f.AlarmsAfter(77); len(list) != 1 {
		t.Errorf("behind one of another run: %+v", list)
	}
	if all, err := f.All(); err != nil || len(all) != 3 || all["busy"].Values != nil || all["dead"].Reason == "" {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := f.All("load1", "ncpu"); err != nil || all["busy"].Values["load1"] != 7.5 || len(all["busy"].Values) != 2 || len(all["dead"].Values) != 0 {
		t.Errorf("with numbers: %+v, %v", all, err)
	}
	if _, err := f.All("load1", "weight"); err == nil || !strings.Contains(err.Error(), "weight") {
		t.Errorf("a number that hosts do not have: %v", err)
	}
	if lines := daemon.Lines(0); !strings.Contains(lines, "\non /proc/vmstat /proc/net/snmp\nsend\n") {
		t.Errorf("asked with\n%s", lines)
	}
	told := map[string]string{}
	f.Messages(func(host string, message []byte) bool { told[host] = string(message); return true })
	if len(told) != 2 || !strings.Contains(told["busy"], "<load1>7.50</load1>") || !strings.Contains(told["calm"], "<hostname>calm</hostname>") {
		t.Errorf("messages of %d hosts", len(told))
	}
	seen := 0
	f.Messages(func(string, []byte) bool { seen++; return false })
	if seen != 1 {
		t.Errorf("%d messages after the first was enough", seen)
	}

	peer := netip.MustParseAddr("127.0.0.1")
	late := (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("late"))}).Start(t)
	if _, err := r.Register(hosts.Registration{Name: "late", Address: late, Peer: peer}); err != nil {
		t.Fatal(err)
	}
	f.Update()
	wait.Until(t, "the new one is up", func() bool { return names(f)["late"] })
	if err := r.Remove("late", peer); err != nil {
		t.Fatal(err)
	}
	f.Update()
	wait.Until(t, "it is asked no more", func() bool { _, asked := names(f)["late"]; return !asked })
}

// Without selectors no messages are kept.
func TestWithoutMessages(t *testing.T) {
	r := hosts.New(hosts.Options{Log: slog.New(slog.DiscardHandler)})
	r.Configure(hosts.Registration{Name: "n1", Address: (&polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}).Start(t)})
	f := run(t, r, Options{})
	wait.Until(t, "it is up", func() bool { return names(f)["n1"] })
	f.Messages(func(host string, _ []byte) bool { t.Errorf("a message of %s", host); return true })
}
