// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

var loadHosts = flag.Int("load.hosts", 500, "hosts of TestKeyToScreen")

// TestKeyToScreen tells how long keys take until the screen is drawn while many
// hosts are polled. With -load.hosts 4000 it is the figure of docs/benchmarks.md.
func TestKeyToScreen(t *testing.T) {
	address := polltest.Fleet(t)
	c, err := poll.New(poll.Config{Delay: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	targets := make([]poll.Target, *loadHosts)
	for i := range targets {
		targets[i] = poll.Target{Name: fmt.Sprintf("node%04d", i), Address: address, Group: fmt.Sprint(i % 16)}
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
	wait.Until(t, "all are up", func() bool {
		up := 0
		c.View(func(hosts []*poll.Host) {
			for _, h := range hosts {
				if h.State() == poll.OK {
					up++
				}
			}
		})
		return up == *loadHosts
	})
	a, _ := start(t, c, 160, 50, Options{})
	worst, worstKey := time.Duration(0), ""
	var sum time.Duration
	n := 0
	for round := range 5 {
		for _, key := range []string{"{Down}", "s", "s", "r", "{End}", "g", "v", "s", "s", "n", "d", "l", "{Up}"} {
			begin := time.Now()
			press(a, key)
			took := time.Since(begin)
			if round == 0 {
				continue // buffers grow
			}
			sum += took
			n++
			if took > worst {
				worst, worstKey = took, key
			}
		}
	}
	t.Logf("%d hosts: %v from a key to the screen, at most %v (%s)", *loadHosts, sum/time.Duration(n), worst, worstKey)
	if mean := sum / time.Duration(n); mean > 500*time.Millisecond {
		t.Errorf("%v from a key to the screen", mean)
	}
}
