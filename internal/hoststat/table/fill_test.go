// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// watch asks hosts until the test ends.
func watch(t *testing.T, targets ...poll.Target) *poll.Cluster {
	t.Helper()
	c, err := poll.New(poll.Config{Delay: poll.MaxDelay})
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

// host returns the state of a host, and how often it has told something.
func host(c *poll.Cluster, name string) (state poll.State, messages uint64) {
	c.View(func(hosts []*poll.Host) {
		for _, h := range hosts {
			if h.Name == name {
				state, messages = h.State(), h.Messages()
			}
		}
	})
	return state, messages
}

// What a host told before it went wrong is no part of the cluster's sums.
func TestSummaryOfBadHosts(t *testing.T) {
	good := polltest.Steady(polltest.Default("good"))
	liar := &polltest.Daemon{Answer: func(s, n int) []byte {
		if n > 0 {
			return []byte("HTTP/1.1 400 no\n")
		}
		return good(s, n)
	}}
	c := watch(t, poll.Target{Name: "good", Address: (&polltest.Daemon{Answer: good}).Start(t)}, poll.Target{Name: "liar", Address: liar.Start(t)})
	for _, name := range []string{"good", "liar"} {
		wait.Until(t, name+" has told something", func() bool { _, n := host(c, name); return n == 1 })
	}
	c.PollNow()
	wait.Until(t, "one has gone wrong", func() bool { state, _ := host(c, "liar"); return state == poll.BadProto })
	var table Table
	v, _ := ViewByName("load")
	table.Fill(c, v, &Options{})
	if s := table.Summary; s.Hosts != 2 || s.Up != 1 || s.Down != 1 || s.Load != 0.5 || s.MemTotal != 8<<30 {
		t.Errorf("%+v", s)
	}
}

// Absolute are the counters themselves, also of disks and interfaces.
func TestAbsolute(t *testing.T) {
	m := polltest.Default("n1")
	at := m.Boot.Add(1000 * time.Second)
	d := &polltest.Daemon{Answer: func(int, int) []byte { return polltest.Frame(m.Message(at)) }}
	c := watch(t, poll.Target{Name: "n1", Address: d.Start(t)})
	wait.Until(t, "it has told something", func() bool { _, n := host(c, "n1"); return n == 1 })
	var table Table
	for _, tt := range []struct {
		view, part string
		want       map[string]float64
	}{
		{"disks", "sda", map[string]float64{
			"reads": 10e3, "writes": 20e3, "read_bytes": 1000 << 20, "write_bytes": 2000 << 20, "await": 2, "queue": math.NaN(), "util": math.NaN(),
		}},
		{"net", "eth0", map[string]float64{"net_rx": 1e6, "net_tx": 5e5, "net_rx_packets": 1e4, "net_tx_packets": 5e3, "net_err": 0, "net_coll": 0}},
		{"net", "", map[string]float64{"net_rx": 1e6, "net_tx": 5e5}},
	} {
		v, _ := ViewByName(tt.view)
		table.Fill(c, v, &Options{Absolute: true, All: true})
		found := false
		for i := range table.Rows {
			r := &table.Rows[i]
			if r.Part != tt.part {
				continue
			}
			found = true
			for key, want := range tt.want {
				if got := r.Cells[v.place(key)].Number; got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
					t.Errorf("%s %s: %s is %v, want %v", tt.view, tt.part, key, got, want)
				}
			}
		}
		if !found {
			t.Errorf("%s: no row %q", tt.view, tt.part)
		}
	}
}
