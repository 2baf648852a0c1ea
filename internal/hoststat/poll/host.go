// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
)

// State is what is known of the way to a host.
type State uint8

// States: see the package's comment.
const (
	Connecting State = iota
	OK
	Overdue
	Stale
	Down
	Denied
	BadProto
)

// String returns the word for a state.
func (s State) String() string {
	return [...]string{"connecting", "up", "late", "stale", "down", "denied", "badproto"}[s]
}

// Target says which host to watch, and how.
type Target struct {
	Name    string // by which it is shown; unique
	Address string // host:port, or the path of a socket
	Group   string
	TLS     bool
	// Enrolled says that it has a certificate of its hub for this name: see Config.
	Enrolled bool
	Problem  string // why it cannot be asked; "": it can
}

// Host is a host that is watched.
type Host struct {
	Target // immutable

	// Owned by the loop.
	link     *link
	phase    uint32    // what its slot is made of
	deadline time.Time // of what is under way, or when to try again; zero: none
	attempts int       // since a message came
	wordless int       // sessions in a row that the host ended without a word
	want     Want      // beyond what all are asked for
	answered bool      // since it was due
	queued   bool      // in line to be dialled
	gone     bool      // no target any more

	// Guarded by Cluster.mu.
	state    State
	reason   string // why it is not up
	messages uint64
	lastData time.Time // when the last message came, by the monitor's clock
	told     facts
	values   [metricCount]float64
	nets     rows
	disks    rows
	fs       rows
	sensors  rows
	swaps    rows
	arrays   rows
	cpus     rows
	tasks    []Task
	history  *history
	rules    []alarm.Rule   // not to be changed
	alarms   []alarm.Status // by rule

	counters counters
}

// facts are what a host tells of itself that is no number.
type facts struct {
	hostname, ip, release, localTime, model string
	clock, cache                            string
	stamp                                   time.Duration // of the last message, by its own clock
	btime                                   int64
}

func newHost(t Target, withHistory bool) *Host {
	h := &Host{Target: t, phase: phaseOf(t.Name)}
	h.nets = rows{values: netValues, counts: netCounters}
	h.disks = rows{values: diskValues, counts: diskCounters}
	h.fs = rows{values: fsValues}
	h.sensors = rows{values: sensorValues}
	h.swaps = rows{values: swapValues}
	h.arrays = rows{values: arrayValues}
	h.cpus = rows{values: 1, counts: cpuFields}
	for i := range h.values {
		h.values[i] = missing
	}
	h.values[Up], h.values[Late] = 0, 0
	if withHistory {
		h.history = new(history)
	}
	return h
}

// phaseOf spreads hosts over a period, each at the same place every time (FNV-1a).
func phaseOf(name string) uint32 {
	hash := uint32(2166136261)
	for _, c := range []byte(name) {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return hash
}

// State returns what is known of the way to the host.
func (h *Host) State() State { return h.state }

// Reason returns why the host is not up.
func (h *Host) Reason() string { return h.reason }

// Messages returns how many messages have been taken.
func (h *Host) Messages() uint64 { return h.messages }

// LastData returns when the last message came, by the monitor's clock; the zero
// time if none has.
func (h *Host) LastData() time.Time { return h.lastData }

// Value returns a number of the host, math.NaN if there is none.
func (h *Host) Value(m Metric) float64 {
	if m == Lag {
		if h.lastData.IsZero() {
			return missing
		}
		return time.Since(h.lastData).Seconds()
	}
	return h.values[m]
}

// Values returns all numbers by metric, not to be kept.
func (h *Host) Values() []float64 {
	h.values[Lag] = h.Value(Lag)
	return h.values[:]
}

// Hostname returns the name that the host gives itself.
func (h *Host) Hostname() string { return h.told.hostname }

// IP returns the address that the host gives itself.
func (h *Host) IP() string { return h.told.ip }

// Release returns the release of the kernel.
func (h *Host) Release() string { return h.told.release }

// Model returns the model, clock in MHz and cache in KB of the processors.
func (h *Host) Model() (model, clock, cache string) { return h.told.model, h.told.clock, h.told.cache }

// LocalTime returns the time of day at the host.
func (h *Host) LocalTime() string { return h.told.localTime }

// SectionTime returns when the last message was taken, by the host's clock.
func (h *Host) SectionTime() time.Time {
	if h.told.stamp == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(h.told.stamp))
}

// BootTime returns when the host booted; the zero time if it does not tell.
func (h *Host) BootTime() time.Time {
	if h.told.btime == 0 {
		return time.Time{}
	}
	return time.Unix(h.told.btime, 0)
}

// Nets returns the interfaces, their values as the constants Net… tell.
func (h *Host) Nets() []Row { return h.nets.list }

// Disks returns the disks, their values as the constants Disk… tell.
func (h *Host) Disks() []Row { return h.disks.list }

// Filesystems returns the file systems, their values as the constants FS… tell.
func (h *Host) Filesystems() []Row { return h.fs.list }

// Sensors returns the sensors, their values as the constants Sensor… tell.
func (h *Host) Sensors() []Row { return h.sensors.list }

// Swaps returns the swap areas, their values as the constants Swap… tell.
func (h *Host) Swaps() []Row { return h.swaps.list }

// Arrays returns the arrays of disks, their values as the constants Array… tell, and
// their state and level as text.
func (h *Host) Arrays() []Row { return h.arrays.list }

// CPUs returns the CPUs, of each the share in which it was busy.
func (h *Host) CPUs() []Row { return h.cpus.list }

// Tasks returns the processes.
func (h *Host) Tasks() []Task { return h.tasks }

// Rules returns the alarms that the host can have.
func (h *Host) Rules() []alarm.Rule { return h.rules }

// Alarms returns the alarms of the host, by rule.
func (h *Host) Alarms() []alarm.Status { return h.alarms }

// Recent returns a headline metric at the last polls, the oldest first.
func (h *Host) Recent(m Metric, into []float32) []float32 {
	if h.history == nil || headline(m) < 0 {
		return into
	}
	h.history.points.each(headline(m), func(v float32) { into = append(into, v) })
	return into
}

// Minutes returns means and bounds of a headline metric by minute, the oldest
// first.
func (h *Host) Minutes(m Metric) (mean, lowest, highest []float32) {
	if h.history == nil || headline(m) < 0 {
		return nil, nil, nil
	}
	at := headline(m)
	h.history.means.each(at, func(v float32) { mean = append(mean, v) })
	h.history.lowest.each(at, func(v uint16) { lowest = append(lowest, long(v)) })
	h.history.highest.each(at, func(v uint16) { highest = append(highest, long(v)) })
	return mean, lowest, highest
}

// Total returns what a rate is the growth of, since the host booted; it is missing
// for what is no rate.
func (h *Host) Total(m Metric) float64 {
	for i, counter := range statCounters {
		if counter.metric == m && h.counters.statsKnown {
			return float64(h.counters.stats[i])
		}
	}
	for i, metric := range netMetrics {
		if metric == m {
			return h.nets.total(i, func(name string) bool { return name != "lo" })
		}
	}
	for _, d := range diskMetrics {
		if d.metric == m && d.value != DiskRowUtil {
			whole := ""
			return h.disks.total(d.value, func(name string) bool {
				if partOf(name, whole) || virtual(name) {
					return false
				}
				whole = name
				return true
			}) * d.unit
		}
	}
	return missing
}

// total adds up a counter of the rows that count.
func (r *rows) total(i int, counts func(name string) bool) float64 {
	sum := missing
	for k := range r.list {
		row := &r.list[k]
		if !row.known || !counts(row.Name) {
			continue
		}
		if sum != sum {
			sum = 0
		}
		sum += float64(row.before[i])
	}
	return sum
}
