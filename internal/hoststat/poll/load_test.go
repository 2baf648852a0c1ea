// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
)

var (
	loadHosts = flag.Int("load.hosts", 200, "hosts of TestLoad")
	loadTime  = flag.Duration("load.time", 3*time.Second, "how long TestLoad polls them")
	loadDelay = flag.Duration("load.delay", time.Second, "their period")
)

// TestLoad polls hosts that another process plays, and tells what that takes. With
// -load.hosts 1000 -load.time 30s it is the benchmark of docs/benchmarks.md. Its
// own bounds are wide: a machine that does other things must not fail it.
func TestLoad(t *testing.T) {
	address := polltest.Fleet(t)
	targets := make([]poll.Target, *loadHosts)
	for i := range targets {
		targets[i] = poll.Target{Name: fmt.Sprintf("node%04d", i), Address: address}
	}
	c := watch(t, poll.Config{Delay: *loadDelay}, targets...)
	count := func() (messages uint64, up int) {
		c.View(func(hosts []*poll.Host) {
			for _, h := range hosts {
				messages += h.Messages()
				if h.State() == poll.OK {
					up++
				}
			}
		})
		return messages, up
	}
	wait.Until(t, "all are up", func() bool { _, up := count(); return up == *loadHosts })
	before, _ := count()
	cpu, begin := processTime(t), time.Now()
	<-time.After(*loadTime)
	took, used := time.Since(begin), processTime(t)-cpu
	after, up := count()
	polls := float64(after - before)
	share := 100 * used.Seconds() / took.Seconds()
	t.Logf("%d hosts every %v: %.0f polls/s, %.2f %% of a core, %v a poll, %s resident, %d goroutines, %d up",
		*loadHosts, *loadDelay, polls/took.Seconds(), share, time.Duration(float64(used)/polls), resident(t), runtime.NumGoroutine(), up)
	want := float64(*loadHosts) * loadTime.Seconds() / loadDelay.Seconds()
	wait.Until(t, "all are polled as often as they are to be", func() bool {
		now, _ := count()
		return float64(now-before) >= 0.8*want
	})
	if runtime.NumGoroutine() > 20 {
		t.Errorf("%d goroutines for %d hosts", runtime.NumGoroutine(), *loadHosts)
	}
}

// processTime returns the CPU time of this process.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident returns the memory of this process as the kernel tells it.
func resident(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
