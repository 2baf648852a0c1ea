// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import "strings"

// Values of interfaces. All are rates.
const (
	NetRowRx = iota
	NetRowTx
	NetRowRxPackets
	NetRowTxPackets
	NetRowErrors // with dropped packets
	NetRowCollisions
	netValues

	netCounters = netValues
)

// netMetrics are the sums of the values of interfaces.
var netMetrics = [netValues]Metric{NetRx, NetTx, NetRxPackets, NetTxPackets, NetErr, NetColl}

// diskMetrics are the sums of values of disks, and what their counters count.
var diskMetrics = [...]struct {
	metric Metric
	value  int
	unit   float64
}{
	{DiskReads, DiskRowReads, 1},
	{DiskWrites, DiskRowWrites, 1},
	{DiskRead, DiskRowReadBytes, SectorBytes},
	{DiskWrite, DiskRowWriteBytes, SectorBytes},
	{DiskUtil, DiskRowUtil, 1},
}

var mostNet = []float64{mostUnknown, mostUnknown, mostPackets, mostPackets, mostEvents, mostEvents}

// Values of disks.
const (
	DiskRowReads = iota
	DiskRowWrites
	DiskRowReadBytes
	DiskRowWriteBytes
	DiskRowReadTime
	DiskRowWriteTime
	DiskRowUtil  // percent of the time
	DiskRowQueue // requests, on average
	DiskRowAwait // ms that a request took
	diskValues

	diskCounters = DiskRowAwait
	SectorBytes  = 512
)

var mostDisk = []float64{mostEvents, mostEvents, mostUnknown / SectorBytes, mostUnknown / SectorBytes, mostEvents, mostEvents, mostMillis, mostEvents}

// Values of file systems.
const (
	FSRowSize = iota
	FSRowUsed
	FSRowAvail
	FSRowPct
	FSRowFilesPct
	FSRowStale // 1: does not answer
	fsValues
)

// Values of sensors.
const (
	SensorRowInput = iota
	SensorRowCrit
	SensorRowIsTemp
	sensorValues
)

func (m *message) takeNets() {
	h := m.h
	now := stamp(m.Reading, m.netStamp)
	if now == 0 {
		return
	}
	s := h.counters.net.advance(now, m.step, m.period)
	var sum [netValues]float64
	found := 0
	h.nets.begin()
	for row := range m.Rows(m.nets) {
		var counts [9]uint64
		for i := range counts {
			counts[i], _ = m.CellUint(m.nets, row, m.net[i])
		}
		r := h.nets.row(m.CellText(m.nets, row, m.netName))
		faults := counts[4] + counts[5] + counts[6] + counts[7]
		r.rates(s, []uint64{counts[0], counts[1], counts[2], counts[3], faults, counts[8]}, m.mostNet(row))
		if string(m.Key(m.nets, row, 0)) != "lo" && r.Values[0] == r.Values[0] {
			found++
			addTo(sum[:], r.Values)
		}
	}
	h.nets.end()
	for i, metric := range netMetrics {
		h.values[metric] = missing
		if found > 0 {
			h.values[metric] = sum[i]
		}
	}
}

// mostNet returns bounds by the speed of a link in Mb/s, if it tells.
func (m *message) mostNet(row int) []float64 {
	most := mostNet
	if speed, ok := m.CellUint(m.nets, row, m.net[9]); ok && speed > 0 && speed < 1<<30 {
		bytes := 1.1 * float64(speed) * 1e6 / 8
		most = []float64{bytes, bytes, mostPackets, mostPackets, mostEvents, mostEvents}
	}
	return most
}

// addTo adds what is there.
func addTo(sum, values []float64) {
	for i := range sum {
		if v := values[i]; v == v {
			sum[i] += v
		}
	}
}

func (m *message) takeDisks() {
	h := m.h
	now := stamp(m.Reading, m.diskStamp)
	if now == 0 {
		return
	}
	s := h.counters.disk.advance(now, m.step, m.period)
	var sum [diskValues]float64
	var util float64
	whole, found := "", 0
	h.disks.begin()
	for row := range m.Rows(m.disks) {
		var counts [diskCounters]uint64
		for i, column := range m.disk {
			counts[i], _ = m.CellUint(m.disks, row, column)
		}
		r := h.disks.row(m.Key(m.disks, row, 0))
		r.diskRates(s, counts[:])
		if partOf(r.Name, whole) || virtual(r.Name) {
			continue
		}
		whole = r.Name
		if r.Values[0] == r.Values[0] {
			found++
			addTo(sum[:], r.Values)
			util = max(util, r.Values[DiskRowUtil])
		}
	}
	h.disks.end()
	sum[DiskRowUtil] = util
	for _, v := range diskMetrics {
		h.values[v.metric] = missing
		if found > 0 {
			h.values[v.metric] = sum[v.value]
		}
	}
}

// diskRates makes values of counters: sectors are bytes, times in ms shares.
func (row *Row) diskRates(s span, counts []uint64) {
	if s.kind == keep && row.known {
		return
	}
	row.rates(s, counts, mostDisk)
	v := row.Values
	v[DiskRowReadBytes] *= SectorBytes
	v[DiskRowWriteBytes] *= SectorBytes
	v[DiskRowUtil] = min(100, v[DiskRowUtil]/10)
	v[DiskRowQueue] /= 1000
	v[DiskRowAwait] = (v[DiskRowReadTime] + v[DiskRowWriteTime]) / (v[DiskRowReads] + v[DiskRowWrites])
	if v[DiskRowReads]+v[DiskRowWrites] == 0 {
		v[DiskRowAwait] = 0
	}
}

// partOf tells partitions, which are listed behind their disk.
func partOf(name, whole string) bool {
	rest, ok := strings.CutPrefix(name, whole)
	if !ok || whole == "" || rest == "" {
		return false
	}
	rest = strings.TrimPrefix(rest, "p")
	return rest != "" && strings.Trim(rest, "0123456789") == ""
}

// virtual tells devices whose traffic is that of others.
func virtual(name string) bool {
	for _, prefix := range []string{"dm-", "md", "loop", "ram", "zram"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (m *message) takeFilesystems() {
	h := m.h
	h.values[FSPctMax] = missing
	h.fs.begin()
	for row := range m.Rows(m.fs) {
		var n [6]float64
		for i, column := range m.fsNumber {
			v, ok := m.CellFloat(m.fs, row, column)
			if !ok {
				v = missing
			}
			n[i] = v
		}
		r := h.fs.row(m.Key(m.fs, row, 0))
		if kind := m.CellText(m.fs, row, m.fsText[1]); string(kind) != r.Text {
			r.Text = string(kind)
		}
		size, free, avail, files, filesFree := n[0], n[1], n[2], n[3], n[4]
		// As df has it: what is reserved counts neither as used nor as free.
		used := size - free
		pct := share(used, used+avail)
		copy(r.Values, []float64{size, used, avail, pct, share(files-filesFree, files), n[5]})
		if pct > h.values[FSPctMax] || h.values[FSPctMax] != h.values[FSPctMax] && pct == pct {
			h.values[FSPctMax] = pct
		}
	}
	h.fs.end()
}

func (m *message) takeSensors() {
	h := m.h
	h.values[TempMax] = missing
	h.sensors.begin()
	hottest := func(v float64) {
		if v > h.values[TempMax] || h.values[TempMax] != h.values[TempMax] {
			h.values[TempMax] = v
		}
	}
	for row := range m.Rows(m.sensors) {
		input, ok := m.CellFloat(m.sensors, row, m.sensor[2])
		if !ok {
			continue
		}
		r := h.sensors.row(m.Key(m.sensors, row, 0))
		label := m.CellText(m.sensors, row, m.sensor[1])
		if string(label) != r.Text {
			r.Text = string(label)
		}
		crit, ok := m.CellFloat(m.sensors, row, m.sensor[3])
		if !ok {
			crit = missing
		}
		r.Values[SensorRowInput], r.Values[SensorRowCrit], r.Values[SensorRowIsTemp] = input, crit, 0
		if string(m.CellText(m.sensors, row, m.sensor[0])) == "temp" {
			r.Values[SensorRowIsTemp] = 1
			hottest(input)
		}
	}
	for row := range m.Rows(m.zones) {
		temp, ok := m.CellFloat(m.zones, row, m.zone[1])
		if !ok {
			continue
		}
		r := h.sensors.row(append([]byte("zone"), m.Key(m.zones, row, 0)...))
		if kind := m.CellText(m.zones, row, m.zone[0]); string(kind) != r.Text {
			r.Text = string(kind)
		}
		r.Values[SensorRowInput], r.Values[SensorRowIsTemp] = temp, 1
		hottest(temp)
	}
	h.sensors.end()
}
