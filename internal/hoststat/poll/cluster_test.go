// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/testport"
	"github.com/weir-io/weir/internal/wait"
)

func TestMain(m *testing.M) {
	if !polltest.ServeFleet() {
		goleak.VerifyTestMain(m)
	}
}

// watch runs a cluster until the test ends.
func watch(t testing.TB, cfg poll.Config, targets ...poll.Target) *poll.Cluster {
	t.Helper()
	c, err := poll.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.SetTargets(targets)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return c
}

// snapshot is what a test looks at of a host.
type snapshot struct {
	state    poll.State
	reason   string
	messages uint64
	busy     float64
	late     float64
}

func look(c *poll.Cluster, name string) (s snapshot) {
	c.View(func(hosts []*poll.Host) {
		for _, h := range hosts {
			if h.Name == name {
				s = snapshot{h.State(), h.Reason(), h.Messages(), h.Value(poll.CPUBusy), h.Value(poll.Late)}
			}
		}
	})
	return s
}

const fast = 250 * time.Millisecond // a period for tests: above the shortest time that makes a rate

func TestSession(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	c := watch(t, poll.Config{Delay: fast}, poll.Target{Name: "n1", Address: d.Start(t)})
	wait.Until(t, "rates are there", func() bool { s := look(c, "n1"); return s.messages > 1 && !math.IsNaN(s.busy) })
	if s := look(c, "n1"); s.state != poll.OK || s.reason != "" || math.Abs(s.busy-40) > 5 {
		t.Errorf("%+v", s)
	}
	if lines := d.Lines(0); !strings.HasPrefix(lines, "init\nindent off\noff all\non identity") || strings.Contains(lines, "tasks") || strings.Contains(lines, "filesystems") {
		t.Errorf("the session began with %q", lines)
	}
	// Without a mask it is the daemon's own.
	c.SetWant(poll.WantTasks)
	wait.Until(t, "processes are asked for", func() bool { return strings.Contains(d.Lines(0), "on tasks\ntask clear\nsend\n") })
	c.SetWant(poll.WantTasks | poll.WantCommandLines)
	wait.Until(t, "their command lines are, too", func() bool { return strings.Contains(d.Lines(0), "on tasks\ntask cmdline\nsend\n") })
	c.SetMask("user=www*")
	wait.Until(t, "some of them are asked for", func() bool {
		return strings.Contains(d.Lines(0), "on tasks\ntask user=www* cmdline\nsend\n")
	})
	if d.Sessions() != 1 {
		t.Errorf("%d sessions", d.Sessions())
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("n1"))}
	d.Serve(l)
	defer d.Close()
	c := watch(t, poll.Config{Delay: fast}, poll.Target{Name: "n1", Address: path})
	wait.Until(t, "it is up", func() bool { return look(c, "n1").state == poll.OK })
}

// Hosts that do not do as they should, and what is said of them.
func TestStates(t *testing.T) {
	good := polltest.Steady(polltest.Default("x"))
	body := func(text string) func(int, int) []byte {
		return func(int, int) []byte { return polltest.Frame([]byte(text)) }
	}
	raw := func(text string) func(int, int) []byte { return func(int, int) []byte { return []byte(text) } }
	deep := strings.Repeat("<a>", 40)
	for _, tt := range []struct {
		name   string
		daemon *polltest.Daemon
		state  poll.State
		reason string
	}{
		{"refuses", &polltest.Daemon{Refuse: true}, poll.Denied, "before it says anything"},
		{"closes", &polltest.Daemon{Answer: func(int, int) []byte { return nil }}, poll.Denied, "before it says anything"},
		{"flaps", &polltest.Daemon{Answer: func(s, n int) []byte {
			if n == 2 {
				return nil
			}
			return good(s, n)
		}}, poll.Down, "has closed the connection"},
		{"hangs", &polltest.Daemon{Answer: func(s, n int) []byte {
			if n == 1 {
				return []byte("Content-Length: 10\n")
			}
			return good(s, n)
		}}, poll.Overdue, "has not answered yet"},
		{"talks of itself", &polltest.Daemon{Greeting: []byte("220 hello\r\n"), Answer: good}, poll.BadProto, ""},
		{"huge", &polltest.Daemon{Answer: raw("Content-Length: 99999999999\n\n")}, poll.BadProto, "above the limit"},
		{"negative", &polltest.Daemon{Answer: raw("Content-Length: -1\n\n")}, poll.BadProto, "a length of digits"},
		{"no length", &polltest.Daemon{Answer: raw("HTTP/1.1 400 Bad Request\r\n\r\n")}, poll.BadProto, "a field of a header"},
		{"doctype", &polltest.Daemon{Answer: body("<!DOCTYPE a><xmlsysd></xmlsysd>")}, poll.BadProto, "document"},
		{"deep", &polltest.Daemon{Answer: body("<xmlsysd>" + deep)}, poll.BadProto, "at most 32 elements"},
		{"mismatch", &polltest.Daemon{Answer: body("<xmlsysd><a></b></xmlsysd>")}, poll.BadProto, "the end of a"},
		{"two at once", &polltest.Daemon{Answer: func(s, n int) []byte { return append(good(s, n), good(s, n)...) }}, poll.BadProto, "not asked for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := watch(t, poll.Config{Delay: fast, Jitter: func() float64 { return 0 }}, poll.Target{Name: "x", Address: tt.daemon.Start(t)})
			wait.Until(t, "it is "+tt.state.String(), func() bool { return look(c, "x").state == tt.state })
			if s := look(c, "x"); !strings.Contains(s.reason, tt.reason) {
				t.Errorf("reason %q, want %q", s.reason, tt.reason)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	address, release, err := testport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	c := watch(t, poll.Config{Delay: fast}, poll.Target{Name: "x", Address: address}, poll.Target{Name: "y", Address: "127.0.0.1:http0"}, poll.Target{Name: "z", Address: "/no/such/socket"})
	for name, reason := range map[string]string{"x": "connection refused", "y": "no port: http0", "z": "no such file"} {
		wait.Until(t, name+" is down", func() bool { return look(c, name).state == poll.Down })
		if s := look(c, name); !strings.Contains(s.reason, reason) {
			t.Errorf("%s: reason %q, want %q", name, s.reason, reason)
		}
	}
}

// A host that hangs is late, then stale, and is left; when it is back it is up.
func TestHangAndReturn(t *testing.T) {
	var hung atomic.Bool
	good := polltest.Steady(polltest.Default("x"))
	d := &polltest.Daemon{Answer: func(s, n int) []byte {
		if hung.Load() {
			return []byte("C")
		}
		return good(s, n)
	}}
	var mu sync.Mutex
	var states []string
	c := watch(t, poll.Config{Delay: fast, OnState: func(h *poll.Host, _ poll.State) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, h.State().String())
	}}, poll.Target{Name: "x", Address: d.Start(t)})
	wait.Until(t, "it is up", func() bool { return look(c, "x").state == poll.OK })
	hung.Store(true)
	wait.Until(t, "it is down", func() bool { return look(c, "x").state == poll.Down })
	if s := look(c, "x"); s.reason != "no answer in time" || s.late < 3 {
		t.Errorf("%+v", s)
	}
	hung.Store(false)
	wait.Until(t, "it is up again", func() bool { return look(c, "x").state == poll.OK })
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(states, " "); got != "up late stale down up" {
		t.Errorf("states %s", got)
	}
}

// Hosts come and go without disturbing others.
func TestTargetsChange(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("x"))}
	address := d.Start(t)
	a, b := poll.Target{Name: "a", Address: address}, poll.Target{Name: "b", Address: address}
	c := watch(t, poll.Config{Delay: fast}, a)
	wait.Until(t, "a is up", func() bool { return look(c, "a").state == poll.OK })
	c.SetTargets([]poll.Target{b, a})
	wait.Until(t, "b is up", func() bool { return look(c, "b").state == poll.OK })
	if d.Sessions() != 2 {
		t.Errorf("%d sessions, want one a host", d.Sessions())
	}
	c.SetTargets([]poll.Target{b})
	wait.Until(t, "a is gone", func() bool { return look(c, "a").messages == 0 })
}

// 300 hosts on one daemon: each has its own session, and all come up.
func TestManyHosts(t *testing.T) {
	d := &polltest.Daemon{Answer: polltest.Steady(polltest.Default("x"))}
	address := d.Start(t)
	var targets []poll.Target
	for i := range 300 {
		targets = append(targets, poll.Target{Name: fmt.Sprintf("n%03d", i), Address: address})
	}
	c := watch(t, poll.Config{Delay: time.Second}, targets...)
	wait.Until(t, "all are up", func() bool {
		up := 0
		c.View(func(hosts []*poll.Host) {
			for _, h := range hosts {
				if h.State() == poll.OK {
					up++
				}
			}
		})
		return up == len(targets)
	})
}

func TestAlarms(t *testing.T) {
	when, err := alarm.Compile("load1 > 1 && up", poll.MetricByName)
	if err != nil {
		t.Fatal(err)
	}
	m := polltest.Default("x")
	m.Load = 3
	d := &polltest.Daemon{Answer: polltest.Steady(m)}
	events := make(chan poll.Event, 10)
	c := watch(t, poll.Config{
		Delay: fast, Rules: []alarm.Rule{{ID: "busy", When: when, Level: "warn"}},
		OnAlarm: func(e poll.Event) { events <- e },
	}, poll.Target{Name: "x", Address: d.Start(t)})
	if e := <-events; e.Host != "x" || e.Rule.ID != "busy" || e.State != alarm.Firing || e.Value != 3 {
		t.Errorf("%+v", e)
	}
	if log := c.Events(); len(log) != 1 {
		t.Errorf("log %+v", log)
	}
}
