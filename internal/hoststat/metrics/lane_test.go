// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/internal/hoststat/collect"
	"github.com/weir-io/weir/xmlsysd"
)

// newTestLane returns a lane with a reader of its own.
func newTestLane(read func() []collect.Collector) *lane {
	return &lane{reader: read, plan: newPlan(xmlsysd.NewModel(), nodeTable), period: lanePeriod, started: time.Now(), quit: make(chan struct{})}
}

// A lane whose pages take long reads as long as someone asks, so that nobody waits,
// rests afterwards, and wakes up again.
func TestLaneAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int64
		l := newTestLane(func() []collect.Collector {
			count.Add(1)
			<-time.After(2 * lanePatience)
			return []collect.Collector{{Name: "nvme", Section: "system/agent", OK: true}}
		})
		defer l.close()
		l.take()
		for range 4 {
			<-time.After(3 * lanePeriod)
			if begin := time.Now(); l.take() == nil || time.Since(begin) > 0 {
				t.Fatalf("waited %v", time.Since(begin))
			}
		}
		reads := count.Load()
		if reads < 12 {
			t.Fatalf("%d readings, want one every %v", reads, lanePeriod)
		}
		<-time.After(2 * laneIdle * lanePeriod)
		before := count.Load()
		<-time.After(2 * laneIdle * lanePeriod)
		if reads = count.Load(); reads != before {
			t.Fatalf("%d readings that nobody asked for", reads-before)
		}
		if l.take() == nil || count.Load() != before+1 {
			t.Fatalf("%d readings, want one more than %d", count.Load(), before)
		}
	})
}

// It reads when someone asks whose page would be old, and not ahead.
func TestLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		l := newTestLane(func() []collect.Collector {
			reads++
			return []collect.Collector{{Name: "nvme", Section: "system/agent", OK: true}}
		})
		defer l.close()
		asked := func(want int) {
			t.Helper()
			if p := l.take(); p == nil || len(p.collectors) != 1 {
				t.Fatalf("%v", p)
			}
			if reads != want {
				t.Fatalf("%d readings, want %d", reads, want)
			}
		}
		asked(1)
		asked(1)
		<-time.After(lanePeriod + 1)
		asked(2)
		<-time.After(3 * lanePeriod)
		asked(3)
	})
}

// A reading that hangs costs a scrape one wait, and what was found before is not shown
// for ever.
func TestLaneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		reads := 0
		l := newTestLane(func() []collect.Collector {
			if reads++; reads == 2 {
				<-gate
			}
			return []collect.Collector{{Name: "nvme", Section: "system/agent", OK: true}}
		})
		defer l.close()
		took := func(found bool, want time.Duration) {
			t.Helper()
			begin := time.Now()
			if p := l.take(); (p != nil) != found {
				t.Fatalf("%v, want one: %v", p, found)
			}
			if d := time.Since(begin); d != want {
				t.Fatalf("waited %v, want %v", d, want)
			}
		}
		took(true, 0)
		<-time.After(lanePeriod + 1) // it hangs
		took(true, lanePatience)
		took(true, 0)
		<-time.After(2 * lanePeriod)
		took(false, 0)
		<-time.After(time.Hour)
		took(false, 0)
		close(gate)
		synctest.Wait()
		took(true, 0)
	})
}

// A page has families as they are written, and those that other hosts have, too, apart.
func TestPage(t *testing.T) {
	p := newPlan(xmlsysd.NewModel(), nodeTable)
	page := newPage(p, []collect.Collector{{Name: "hwmon", Section: "system/sensors", Took: 1500 * time.Microsecond, Families: []collect.Family{
		{Name: "node_hwmon_temp_celsius", Samples: []collect.Sample{{Labels: []string{"chip", "a\"b"}, Value: -1.5}}},
		{Name: "node_x_total", Kind: collect.Counter, Samples: []collect.Sample{{Value: 1e20}}},
	}}})
	c := page.collectors[0]
	if len(c.joined) != 1 || p.now.Load().families[c.joined[0].family].name != "node_hwmon_temp_celsius" ||
		string(c.joined[0].text) != "node_hwmon_temp_celsius{chip=\"a\\\"b\"} -1.5\n" {
		t.Errorf("%+v", c.joined)
	}
	if want := "# TYPE node_x_total counter\nnode_x_total 1e+20\n"; string(c.text[text]) != want {
		t.Errorf("%q, want %q", c.text[text], want)
	}
	if want := "# TYPE node_x counter\nnode_x_total 1e+20\n"; string(c.text[openMetrics]) != want {
		t.Errorf("%q, want %q", c.text[openMetrics], want)
	}
	if c.labels != `collector="hwmon"` || string(c.took) != "1500" || c.ok {
		t.Errorf("%s, %s, %v", c.labels, c.took, c.ok)
	}
}
