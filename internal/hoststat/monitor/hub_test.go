// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package monitor_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/weir-io/weir/internal/hoststat/monitor"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/hoststat/roster"
	"github.com/weir-io/weir/internal/wait"
)

// hubDouble is a hub whose answer can be changed.
type hubDouble struct {
	mu    sync.Mutex
	hosts []roster.Host // guarded by mu
	err   error         // guarded by mu
}

func (d *hubDouble) set(err error, hosts ...roster.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts, d.err = hosts, err
}

func (d *hubDouble) ask(context.Context) ([]roster.Host, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.hosts), d.err
}

// watch runs a monitor and returns the names of the hosts that it watches, and
// which are up.
func watch(t *testing.T, o monitor.Options) func() map[string]bool {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("WULFHOSTS", "")
	t.Chdir(t.TempDir())
	o.Logger, o.Delay = slog.New(slog.DiscardHandler), poll.MinDelay
	m, err := monitor.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, m, nil)
	return func() map[string]bool {
		all := make(map[string]bool)
		m.Cluster.View(func(hosts []*poll.Host) {
			for _, h := range hosts {
				all[h.Name] = h.State() == poll.OK
			}
		})
		return all
	}
}

// A hub's hosts come and go while it is there, and stay while it is not.
func TestHubHosts(t *testing.T) {
	host := func(name string) roster.Host {
		return roster.Host{Name: name, Address: (&polltest.Daemon{Answer: polltest.Steady(polltest.Default(name))}).Start(t)}
	}
	a, b := host("a"), host("b")
	deaf := roster.Host{Name: "deaf", Problem: "it does not answer monitors"}
	for _, named := range []bool{true, false} {
		var d hubDouble
		d.set(nil, a, deaf)
		watched := watch(t, monitor.Options{Hub: &monitor.Hub{Hosts: d.ask, Named: named}})
		wait.Until(t, "a is up", func() bool { w := watched(); return len(w) == 2 && w["a"] && !w["deaf"] })
		d.set(nil, b)
		wait.Until(t, "b is there instead", func() bool { w := watched(); return len(w) == 1 && w["b"] })
		d.set(errors.New("away"))
		wait.Until(t, "b is there still", func() bool { w := watched(); return len(w) == 1 && w["b"] })
	}
}

// Who names a hub wants to know that it is away; who does not has this host.
func TestHubAway(t *testing.T) {
	var d hubDouble
	d.set(errors.New("away"))
	_, err := monitor.Open(monitor.Options{Hub: &monitor.Hub{Hosts: d.ask, Named: true}, Logger: slog.New(slog.DiscardHandler)})
	if e, ok := errors.AsType[*monitor.HubError](err); !ok || e.Error() != "away" {
		t.Errorf("a named hub: %v", err)
	}
	only := func(watched func() map[string]bool) {
		t.Helper()
		wait.Until(t, "this host is watched", func() bool { w := watched(); _, ok := w["localhost"]; return ok && len(w) == 1 })
	}
	only(watch(t, monitor.Options{Hub: &monitor.Hub{Hosts: d.ask}}))
	d.set(nil)
	only(watch(t, monitor.Options{Hub: &monitor.Hub{Hosts: d.ask}}))
	d.set(nil, roster.Host{Name: "other", Address: "127.0.0.1:1"})
	only(watch(t, monitor.Options{Hub: &monitor.Hub{Hosts: d.ask}, Local: true}))
}

// A named hub without hosts is watched until it has some.
func TestEmptyHub(t *testing.T) {
	var d hubDouble
	watched := watch(t, monitor.Options{Hub: &monitor.Hub{Hosts: d.ask, Named: true}})
	d.set(nil, roster.Host{Name: "late", Address: "127.0.0.1:1"})
	wait.Until(t, "the host is watched", func() bool { w := watched(); _, ok := w["late"]; return ok && len(w) == 1 })
}
