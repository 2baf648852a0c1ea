// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"strconv"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// counters are what the next rates of a host begin at.
type counters struct {
	clock                  clock
	identity               identity
	stat, net, disk, tasks source
	pressure               [len(pressureLines)]source
	pressureTotal          [len(pressureLines)]uint64
	fired                  []uint64 // by trigger; nil: none was told of
	cpu                    [cpuFields]uint64
	cpuKnown, cpuAll       bool // cpu is filled; from all fields
	ncpu                   int
	stats                  [len(statCounters)]uint64
	statsKnown             bool
}

// statCounters are the single counters of /proc/stat and their bounds.
var statCounters = [...]struct {
	metric Metric
	most   float64
}{
	{BlocksIn, mostUnknown},
	{BlocksOut, mostUnknown},
	{SwapIn, mostUnknown},
	{SwapOut, mostUnknown},
	{Interrupts, 1e9},
	{Switches, 1e9},
	{Forks, mostEvents},
	{OOMKill, mostEvents},
}

// message is a message on its way into a host.
type message struct {
	*slots
	*xmlsysd.Reading
	h      *Host
	step   time.Duration // that the host's clock was set
	period time.Duration
	now    time.Time // of the monitor
	asked  []trigger // that the session has
}

// apply takes what a message tells. Who calls holds the cluster's lock.
func (m *message) apply() {
	h := m.h
	m.takeFacts()
	m.takeClock()
	m.takeStat()
	m.takeMemory()
	m.takeLoad()
	m.takePressure()
	m.takeTriggers()
	m.takeNets()
	m.takeDisks()
	m.takeFilesystems()
	m.takeSensors()
	m.takeRest()
	m.takeTasks()
	h.values[Up] = 1
}

// text replaces a text where it has changed, so that nothing is allocated as a
// rule. A text that is not in a message stays.
func (m *message) text(into *string, s xmlsysd.Slot) {
	if b := m.Text(s); b != nil && string(b) != *into {
		*into = string(b)
	}
}

// gauge takes a number as it is.
func (m *message) gauge(metric Metric, s xmlsysd.Slot) {
	v, ok := m.Float(s)
	if !ok {
		v = missing
	}
	m.h.values[metric] = v
}

func (m *message) takeFacts() {
	t := &m.h.told
	m.text(&t.hostname, m.hostname)
	m.text(&t.ip, m.hostip)
	m.text(&t.release, m.release)
	m.text(&t.localTime, m.localTime)
	if m.Rows(m.cpuinfo) > 0 {
		for i, into := range []*string{&t.model, &t.clock, &t.cache} {
			if b := m.CellText(m.cpuinfo, 0, m.model[i]); string(b) != *into {
				*into = string(b)
			}
		}
	}
}

// takeClock finds out how far the clock was set, and whether the host has booted.
func (m *message) takeClock() {
	h, c := m.h, &m.h.counters
	wall := stamp(m.Reading, m.clockStamp)
	us, ok := m.Uint(m.monotonic)
	if ok && wall > 0 && us < 1<<53 {
		m.step = c.clock.step(wall, time.Duration(us)*time.Microsecond)
	}
	h.told.stamp = max(wall, stamp(m.Reading, m.statStamp), stamp(m.Reading, m.timeStamp))
	h.values[ClockOffset] = missing
	if h.told.stamp > 0 {
		h.values[ClockOffset] = (h.told.stamp - time.Duration(m.now.UnixNano())).Seconds()
	}
	now := identity{boot: c.identity.boot}
	m.text(&now.boot, m.bootID)
	if v, ok := m.Uint(m.btime); ok && v < 1<<40 {
		now.btime = int64(v)
		h.told.btime = now.btime
	}
	now.uptime, _ = m.Float(m.uptime)
	if c.identity.rebooted(&now, m.step) {
		clk := c.clock
		*c = counters{clock: clk}
		m.step = 0
		h.forget()
	}
	c.identity = now
	m.gauge(Uptime, m.uptime)
	m.gauge(Users, m.users)
}

// forget makes all rates begin anew.
func (h *Host) forget() {
	for _, list := range []*rows{&h.nets, &h.disks, &h.cpus} {
		for i := range list.list {
			list.list[i].known = false
		}
	}
	h.tasks = nil
}

func (m *message) takeStat() {
	h, c := m.h, &m.h.counters
	now := stamp(m.Reading, m.statStamp)
	if now == 0 {
		return
	}
	s := c.stat.advance(now, m.step, m.period)
	h.values[NCPU] = missing
	if n := m.Rows(m.cpus); n > 0 {
		h.values[NCPU] = float64(n)
	}
	m.gauge(ProcsRunning, m.procsRunning)
	m.gauge(ProcsBlocked, m.procsBlocked)
	m.takeCPU(s)
	m.takeEachCPU(s)
	for i, slot := range [...]xmlsysd.Slot{m.pageIn, m.pageOut, m.swapIn, m.swapOut, m.intr, m.ctxt, m.processes, m.oomKill} {
		v, ok := m.Uint(slot)
		if s.kind == keep && c.statsKnown {
			continue
		}
		metric := statCounters[i].metric
		h.values[metric] = missing
		if ok && s.kind == rated && c.statsKnown {
			h.values[metric] = rate(c.stats[i], v, s.seconds, statCounters[i].most) * m.unit(metric)
		}
		c.stats[i] = v
	}
	c.statsKnown = true
}

// unit turns pages into KiB.
func (m *message) unit(metric Metric) float64 {
	if metric != SwapIn && metric != SwapOut {
		return 1
	}
	size, ok := m.Uint(m.pageSize)
	if !ok || size == 0 {
		size = 4096
	}
	return float64(size) / 1024
}

// takeCPU makes shares of the growth of all CPUs' times, by their sum and not by
// the clock.
func (m *message) takeCPU(s span) {
	h, c := m.h, &m.h.counters
	var now [cpuFields]uint64
	all, known := true, true
	for i := range now {
		v, ok := m.Uint(m.total[i])
		now[i] = v
		all = all && ok
	}
	if !all {
		now, all, known = m.sumCPUs()
	}
	if !known {
		return
	}
	if n := m.Rows(m.cpus); n != c.ncpu && !all || all != c.cpuAll {
		c.cpuKnown = false // what came or went with a CPU is no growth
	}
	if s.kind == keep && c.cpuKnown {
		return
	}
	if c.cpuKnown && s.kind == rated {
		h.shares(&c.cpu, &now, all)
	} else {
		for _, metric := range []Metric{CPUUser, CPUSystem, CPUIdle, CPUWait, CPUSteal, CPUBusy} {
			h.values[metric] = missing
		}
	}
	c.cpu, c.cpuKnown, c.cpuAll, c.ncpu = now, true, all, m.Rows(m.cpus)
	h.values[Duty] = missing
	if busy, sum := busyOf(&[cpuFields]uint64{}, &now, all); sum > 0 {
		h.values[Duty] = 100 * busy / sum
	}
}

// sumCPUs adds up the CPUs of a message without a sum.
func (m *message) sumCPUs() (sum [cpuFields]uint64, all, known bool) {
	all = m.Rows(m.cpus) > 0
	known = all
	for row := range m.Rows(m.cpus) {
		for i, column := range m.cpu {
			v, ok := m.CellUint(m.cpus, row, column)
			sum[i] += v
			all = all && ok
			known = known && (ok || i >= cpuIdleField)
		}
	}
	return sum, all, known
}

// busyOf returns how much was done between two readings, and what could have been.
// The daemon of 2002 tells neither idle nor waiting times.
func busyOf(before, now *[cpuFields]uint64, all bool) (busy, sum float64) {
	grown := func(i int) float64 { return climb(before[i], now[i]) }
	if !all {
		return grown(cpuUserField) + grown(cpuNiceField) + grown(cpuSysField), grown(cpuTotField)
	}
	for i := range cpuFields {
		if i != cpuTotField {
			sum += grown(i)
		}
	}
	return sum - grown(cpuIdleField) - grown(cpuWaitField), sum
}

func (h *Host) shares(before, now *[cpuFields]uint64, all bool) {
	busy, sum := busyOf(before, now, all)
	if sum == 0 {
		return // nothing has moved: the shares of before are as good
	}
	share := func(fields ...int) float64 {
		v := 0.0
		for _, i := range fields {
			v += climb(before[i], now[i])
		}
		return min(100, 100*v/sum)
	}
	h.values[CPUBusy] = min(100, 100*busy/sum)
	h.values[CPUUser] = share(cpuUserField, cpuNiceField)
	if !all {
		h.values[CPUSystem] = share(cpuSysField)
		h.values[CPUIdle], h.values[CPUWait], h.values[CPUSteal] = missing, missing, missing
		return
	}
	h.values[CPUSystem] = share(cpuSysField, cpuIRQField, cpuSoftIRQField)
	h.values[CPUIdle], h.values[CPUWait] = share(cpuIdleField), share(cpuWaitField)
	h.values[CPUSteal] = share(cpuStealField)
}

// takeEachCPU makes rows of CPUs, if all their fields are there.
func (m *message) takeEachCPU(s span) {
	cpus := &m.h.cpus
	cpus.begin()
	for row := range m.Rows(m.cpus) {
		if _, ok := m.CellUint(m.cpus, row, m.cpu[cpuIdleField]); !ok {
			break
		}
		var before, now [cpuFields]uint64
		for i, column := range m.cpu {
			now[i], _ = m.CellUint(m.cpus, row, column)
		}
		r := cpus.row(m.Key(m.cpus, row, 0))
		if s.kind == keep && r.known {
			continue
		}
		copy(before[:], r.before)
		if busy, sum := busyOf(&before, &now, true); r.known && s.kind == rated && sum > 0 {
			r.Values[0] = 100 * busy / sum
		}
		copy(r.before, now[:])
		r.known = true
	}
	cpus.end()
}

func (m *message) takeMemory() {
	v := &m.h.values
	for i, metric := range [memoryFields]Metric{MemTotal, MemUsed, MemFree, MemShared, MemBuffers, MemCached, MemAvail} {
		m.gauge(metric, m.memory[i])
	}
	if v[MemAvail] != v[MemAvail] { // as far as the daemon of 2002 tells
		v[MemAvail] = v[MemFree] + v[MemBuffers] + v[MemCached]
	}
	v[MemPct] = share(v[MemTotal]-v[MemAvail], v[MemTotal])
	m.gauge(SwapTotal, m.swap[0])
	m.gauge(SwapUsed, m.swap[1])
	v[SwapPct] = share(v[SwapUsed], v[SwapTotal])
}

// share is a part of a whole in percent; nothing of nothing is 0.
func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * part / whole
}

func (m *message) takeLoad() {
	m.gauge(Load1, m.load[0])
	m.gauge(Load5, m.load[1])
	m.gauge(Load15, m.load[2])
	m.gauge(Running, m.running)
	m.gauge(Threads, m.threads)
}

func (m *message) takePressure() {
	c := &m.h.counters
	for i, line := range pressureLines {
		p := &m.pressure[i]
		m.gauge(line.average, p.avg10)
		total, ok := m.Uint(p.total)
		now := stamp(m.Reading, p.stamp)
		if !ok || now == 0 {
			continue
		}
		s := c.pressure[i].advance(now, m.step, m.period)
		if s.kind == keep {
			continue
		}
		m.h.values[line.rate] = missing
		if s.kind == rated {
			m.h.values[line.rate] = min(100, 100*rate(c.pressureTotal[i], total, s.seconds, 1e6)/1e6)
		}
		c.pressureTotal[i] = total
	}
}

// atoi reads a small number of a text; 0 for none.
func atoi(b []byte) int {
	n, _ := strconv.Atoi(string(b))
	return n
}
