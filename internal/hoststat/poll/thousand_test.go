// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

// crowd is a thousand hosts by what becomes of them.
type crowd struct {
	targets []poll.Target
	kind    map[string]string // by name
}

func (c *crowd) add(kind string, n int, address string) {
	for i := range n {
		name := fmt.Sprintf("%s%03d", kind, i)
		c.targets = append(c.targets, poll.Target{Name: name, Address: address})
		c.kind[name] = kind
	}
}

// told is what a monitor has of the hosts of a kind.
type told struct {
	hosts, up, down int
	least           uint64 // messages of the one with the fewest
}

func (c *crowd) look(cluster *poll.Cluster) map[string]told {
	all := make(map[string]told)
	cluster.View(func(hosts []*poll.Host) {
		for _, h := range hosts {
			k := c.kind[h.Name]
			s := all[k]
			if s.hosts == 0 || h.Messages() < s.least {
				s.least = h.Messages()
			}
			s.hosts++
			switch h.State() {
			case poll.OK, poll.Overdue:
				s.up++
			case poll.Down, poll.Denied, poll.BadProto:
				s.down++
			}
			all[k] = s
		}
	})
	return all
}

// A thousand hosts, of which some are dead, some slow, some flap, some say what is
// no message: the good ones are polled as if they were alone, and in the end nothing
// is left of any.
func TestThousandHosts(t *testing.T) {
	files := openFiles(t)
	const period = 2 * time.Second
	steady := polltest.Crowd("x")
	good := &polltest.Daemon{Answer: steady}
	slow := &polltest.Daemon{Answer: func(s, n int) []byte {
		<-time.After(period * 3 / 2) // it is late for every poll, and in time for a connection to stay
		return steady(s, n)
	}}
	flapping := &polltest.Daemon{Answer: func(s, n int) []byte {
		if n == 2 {
			return nil // and the session is over
		}
		return steady(s, n)
	}}
	liar := &polltest.Daemon{Answer: func(int, int) []byte { return []byte("Content-Length: 99999999999\n\n") }}
	c := &crowd{kind: make(map[string]string)}
	c.add("good", 650, good.Start(t))
	c.add("slow", 100, slow.Start(t))
	c.add("flapping", 100, flapping.Start(t))
	c.add("liar", 50, liar.Start(t))
	c.add("dead", 100, "127.0.0.1:1")

	var mu sync.Mutex
	downs := make(map[string]int) // guarded by mu: how often a flapping host went down
	cluster, err := poll.New(poll.Config{Delay: period, OnState: func(h *poll.Host, before poll.State) {
		if h.State() == poll.Down && before == poll.OK {
			mu.Lock()
			defer mu.Unlock()
			downs[h.Name]++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := cluster.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	before := runtime.NumGoroutine()
	cluster.SetTargets(c.targets)
	wait.Until(t, "each kind is what it is", func() bool {
		s := c.look(cluster)
		return s["good"].up == 650 && s["slow"].up == 100 && s["slow"].least > 0 && s["liar"].down == 50 && s["dead"].down == 100 && s["flapping"].least > 2
	})
	// From here on the good ones miss nothing, whatever the others do.
	from := c.look(cluster)["good"].least
	wait.Until(t, "the good ones are polled on, and the flapping ones flap", func() bool {
		s := c.look(cluster)["good"]
		mu.Lock()
		defer mu.Unlock()
		return s.least >= from+3 && len(downs) == 100
	})
	if s := c.look(cluster); s["good"].up != 650 || s["dead"].up != 0 || s["liar"].up != 0 || s["liar"].least != 0 {
		t.Errorf("%+v", s)
	}
	// Of the goroutines there are those of the daemons, one a connection, and no others.
	if n := runtime.NumGoroutine() - before; n > 1000 {
		t.Errorf("%d goroutines more", n)
	}
	cancel()
	running.Wait()
	for name, n := range downs {
		if !strings.HasPrefix(name, "flapping") {
			t.Errorf("%s went down %d times", name, n)
		}
	}
	for _, d := range []*polltest.Daemon{good, slow, flapping, liar} {
		d.Close()
	}
	wait.Until(t, "descriptors are back where they were", func() bool { return openFiles(t) <= files+4 })
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
