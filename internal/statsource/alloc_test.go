// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/source"
)

// ticker returns what takes one sample of this host for rules, writes it and has a
// consumer take it, none of which allocates of itself. It returns how many bytes that
// were.
func ticker(t testing.TB, patterns ...string) func() int {
	t.Helper()
	e, err := hoststat.New(hoststat.Options{Budget: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	var rules []agent.EventRule
	for _, p := range patterns {
		rules = append(rules, agent.EventRule{Pattern: p, Period: leastPeriod})
	}
	r := newRecording(t, engineHost{e}, source.SessionInfo{}, agent.ChannelSettings{}, rules...)
	s := newSampler(r.channel)
	t.Cleanup(s.reader.Close)
	s.due = *r.channel.active.Load()
	for _, rule := range s.due {
		rule.period = 2 // nothing is shared with the tick before
	}
	packet := make([]byte, 2*handover.MaxPacket)
	ctx := context.Background()
	return func() (bytes int) {
		s.tick(ctx)
		r.mu.Lock()
		err := r.out.End()
		r.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		for {
			n, err := unix.Read(r.conn.FD(), packet)
			if err != nil {
				return bytes
			}
			bytes += n
		}
	}
}

// fastSections are read by the kernel at once, whatever state the host is in.
var fastSections = []string{
	"stat", "meminfo", "vmstat", "net/*", "loadavg", "uptime", "diskstats", "pressure", "interrupts", "/proc/interrupts/irq/cpu", "softirqs", "sys",
	"proc/stat/cpu[id=0]", "system/clock",
}

// A sample costs no memory, from the kernel's files to the consumer's socket.
func TestSampleDoesNotAllocate(t *testing.T) {
	tick := ticker(t, fastSections...)
	bytes := 0
	for range 3 {
		bytes = tick()
	}
	if bytes < 5000 {
		t.Errorf("a sample has %d bytes, want more", bytes)
	}
	measure := func() { bytes = min(bytes, tick()) }
	least := testing.AllocsPerRun(50, measure)
	for range 4 { // others may allocate meanwhile
		least = min(least, testing.AllocsPerRun(50, measure))
	}
	if bytes < 5000 {
		t.Errorf("one of the samples has %d bytes, want more", bytes)
	}
	if least >= 1 {
		t.Errorf("%v allocations a sample, want none", least)
	}
}

func BenchmarkSample(b *testing.B) {
	for name, patterns := range map[string][]string{"legacy": {"legacy"}, "fast": fastSections, "default": {"default"}, "tasks": {"tasks"}} {
		b.Run(name, func(b *testing.B) {
			tick := ticker(b, patterns...)
			tick()
			b.ReportAllocs()
			bytes, n := 0, 0
			for b.Loop() {
				bytes, n = bytes+tick(), n+1
			}
			b.ReportMetric(float64(bytes/n), "bytes/sample")
		})
	}
}
