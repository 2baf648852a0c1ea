// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/xmlsysd"
)

// taker takes messages into a host without a connection.
type taker struct {
	t *testing.T
	s *slots
	r *xmlsysd.Reading
	h *Host
}

func newTaker(t *testing.T) *taker {
	s := newSlots()
	return &taker{t, s, xmlsysd.NewReading(&s.all), newHost(Target{Name: "a"}, true)}
}

func (k *taker) take(body []byte, now time.Time) {
	k.t.Helper()
	if err := k.r.Read(body); err != nil {
		k.t.Fatal(err)
	}
	m := message{slots: k.s, Reading: k.r, h: k.h, period: time.Second, now: now}
	m.apply()
}

// near compares numbers as far as counters of whole ticks allow.
func near(got, want float64) bool {
	return math.IsNaN(got) && math.IsNaN(want) || math.Abs(got-want) <= 0.02*math.Abs(want)+0.01
}

func (k *taker) want(when string, values map[Metric]float64) {
	k.t.Helper()
	for m, want := range values {
		if got := k.h.Value(m); !near(got, want) {
			k.t.Errorf("%s: %v is %v, want %v", when, m, got, want)
		}
	}
}

var start = time.Unix(1700100000, 0)

// What a machine does comes out as what it does.
func TestValues(t *testing.T) {
	k := newTaker(t)
	m := polltest.Default("a")
	k.take(m.Message(start), start)
	none := math.NaN()
	k.want("first message", map[Metric]float64{
		Up: 1, NCPU: 2, Load1: 0.5, Load5: 0.25, Threads: 120, Users: 3, Uptime: 100000, MemTotal: 8 << 30, MemUsed: 2 << 30, MemPct: 25,
		SwapPct: 0, Duty: 40, FSPctMax: 44.444, TempMax: 55, ClockOffset: 0, PSICPU: 1.5, PSIIOFull: 0.5,
		CPUBusy: none, CPUUser: none, NetRx: none, DiskRead: none, Switches: none, PSICPURate: none,
	})
	later := start.Add(2 * time.Second)
	k.take(m.Message(later), later)
	rates := map[Metric]float64{
		CPUUser: 30, CPUSystem: 10, CPUWait: 5, CPUIdle: 55, CPUBusy: 40, CPUSteal: 0, NetRx: 1000, NetTx: 500, NetRxPackets: 10, NetErr: 0,
		DiskRead: 1 << 20, DiskWrite: 2 << 20, DiskReads: 10, DiskWrites: 20, DiskUtil: 25, BlocksIn: 1024, BlocksOut: 2048, SwapIn: 0,
		Interrupts: 400, Switches: 900, Forks: 2, PSICPURate: 2, OOMKill: 0,
	}
	k.want("second message", rates)
	k.take(m.Message(later), later.Add(time.Second)) // a section that was read once only
	k.want("the same again", rates)
	if got := k.h.Tasks(); len(got) != 2 || !near(got[1].CPU, 20) || got[1].Command != "worker --now" || got[0].RSS != 1<<20 {
		t.Errorf("processes %+v", got)
	}
	if d := k.h.Disks(); len(d) != 2 || !near(d[0].Values[DiskRowAwait], 2) || !near(d[0].Values[DiskRowQueue], 0.5) || d[1].Name != "sda1" {
		t.Errorf("disks %+v", d)
	}
	if c := k.h.CPUs(); len(c) != 2 || !near(c[1].Values[0], 40) {
		t.Errorf("CPUs %+v", c)
	}
}

// Clocks that are set, machines that boot, interfaces that come.
func TestRateRules(t *testing.T) {
	none := math.NaN()
	running := map[Metric]float64{CPUBusy: 40, NetRx: 1000, DiskRead: 1 << 20, Switches: 900, PSICPURate: 2}
	restarted := map[Metric]float64{CPUBusy: none, NetRx: none, DiskRead: none, Switches: none, PSICPURate: none}
	for _, tt := range []struct {
		name   string
		change func(m *polltest.Machine, body []byte) []byte
		after  time.Duration
		want   map[Metric]float64
	}{
		{"nothing", nil, time.Second, running},
		{"booted", func(m *polltest.Machine, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("<boot_id>b1<"), []byte("<boot_id>b2<"))
		}, time.Second, restarted},
		{"gap", nil, 11 * time.Second, restarted},
		{"no gap", nil, 10 * time.Second, running},
		{"clock set ahead", func(m *polltest.Machine, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`tv_sec="17001`), []byte(`tv_sec="17002`))
		}, time.Second, running},
		{"clock set back", func(m *polltest.Machine, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`tv_sec="17001`), []byte(`tv_sec="17000`))
		}, time.Second, running},
		{"another interface", func(m *polltest.Machine, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`<name>eth0<`), []byte(`<name>eth1<`))
		}, time.Second, map[Metric]float64{NetRx: none, CPUBusy: 40}},
	} {
		k := newTaker(t)
		m := polltest.Default("a")
		k.take(m.Message(start), start)
		k.take(m.Message(start.Add(time.Second)), start)
		k.want(tt.name+", before", running)
		now := start.Add(time.Second + tt.after)
		body := m.Message(now)
		if tt.change != nil {
			body = tt.change(m, body)
		}
		k.take(body, now)
		k.want(tt.name, tt.want)
	}
}

// The message of 2002 has what it has.
func TestValuesOf2002(t *testing.T) {
	k := newTaker(t)
	k.take(old(1000, 100, 10, 50, 10000), time.Unix(1000, 0))
	k.want("first", map[Metric]float64{Duty: 1.6, MemPct: 50, CPUBusy: math.NaN(), NCPU: 1})
	k.take(old(1001, 120, 20, 60, 10100), time.Unix(1001, 0))
	k.want("second", map[Metric]float64{CPUBusy: 40, CPUUser: 30, CPUSystem: 10, CPUIdle: math.NaN(), CPUWait: math.NaN()})
}

// old is a message of a machine of one CPU, as the daemon of 2002 wrote it.
func old(sec, user, nice, sys, tot int) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0"?>
<xmlsysd init="1"><proc><stat tv_sec="%d" tv_usec="0"><cpu id="0"><user>%d</user><nice>%d</nice><sys>%d</sys><tot>%d</tot></cpu></stat>
<meminfo tv_sec="%d" tv_usec="0"><memory><total>1000</total><used>700</used><free>300</free><shared>0</shared><buffers>50</buffers><cached>150</cached></memory></meminfo></proc></xmlsysd>
`, sec, user, nice, sys, tot, sec)
}

func TestNothingAllocatedForAMessage(t *testing.T) {
	k := newTaker(t)
	m := polltest.Default("a")
	m.Brief = true
	k.take(m.Message(start), start)
	k.take(m.Message(start.Add(time.Second)), start)
	body := m.Message(start.Add(2 * time.Second))
	if n := testing.AllocsPerRun(100, func() { k.take(body, start) }); n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

func TestHistory(t *testing.T) {
	h := newHost(Target{Name: "a"}, true)
	now := time.Unix(600000, 0)
	for i := range 2000 {
		var row [headlines]float32
		for j := range row {
			row[j] = float32(i) + 0.123
		}
		if i == 100 {
			row[0] = float32(missing)
		}
		h.history.push(now.Add(time.Duration(i)*time.Second), &row, PointCount, 20)
	}
	recent := h.Recent(Headlines[0], nil)
	if len(recent) != PointCount || recent[0] != 1280.123 || recent[719] != 1999.123 {
		t.Errorf("%d points from %v to %v", len(recent), recent[0], recent[len(recent)-1])
	}
	mean, low, high := h.Minutes(Headlines[1])
	if len(mean) != 20 {
		t.Fatalf("%d minutes, want 20", len(mean))
	}
	for i := range mean {
		first := float32(1980-60*(20-i)) + 0.123
		if math.Abs(float64(mean[i]-first-29.5)) > 0.01 || low[i] > first || low[i] < first*0.99 || high[i] < first+59 || high[i] > 1.01*(first+59) {
			t.Errorf("minute %d: mean %v of %v to %v, want %v of %v to %v", i, mean[i], low[i], high[i], first+29.5, first, first+59)
		}
	}
	for _, v := range []float32{0, 1, -1, 1.01, -1.01, 1e30, -1e-30, 65535} {
		if long(below(v)) > v || long(above(v)) < v {
			t.Errorf("%v is not within %v and %v", v, long(below(v)), long(above(v)))
		}
	}
}

// The history of a day takes so much memory of a host, and no more.
func TestHistoryMemory(t *testing.T) {
	h := new(history)
	var row [headlines]float32
	for i := range 60 * (MinuteCount + 10) {
		h.push(time.Unix(int64(i), 0), &row, PointCount, MinuteCount)
	}
	size := 4*cap(h.points.rows) + 4*cap(h.means.rows) + 2*cap(h.lowest.rows) + 2*cap(h.highest.rows)
	if size != 230400 {
		t.Errorf("%d bytes, want 230400", size)
	}
}
