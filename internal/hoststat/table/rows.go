// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"fmt"
	"math"
	"strconv"

	"github.com/weir-io/weir/internal/hoststat/poll"
)

// byMetric adds the row of a host whose columns are all metrics.
func byMetric(f *filler, h *poll.Host) { f.add(h, "") }

// set puts a cell into the row that was added last.
func (f *filler) set(key string, c Cell) {
	r := &f.table.Rows[len(f.table.Rows)-1]
	if i := f.view.place(key); i >= 0 {
		r.Cells[i] = c
	}
}

// values puts numbers into columns that follow each other.
func (f *filler) values(from string, values ...float64) {
	r := &f.table.Rows[len(f.table.Rows)-1]
	at := f.view.place(from)
	for i, v := range values {
		r.Cells[at+i] = number(v)
	}
}

func loadRow(f *filler, h *poll.Host) {
	f.add(h, "")
	running := text("-")
	if r, t := h.Value(poll.Running), h.Value(poll.Threads); !math.IsNaN(r) && !math.IsNaN(t) {
		running.Text = fmt.Sprintf("%.0f/%.0f", r, t)
	}
	running.Number = h.Value(poll.Running)
	f.set("running", running)
	f.set("load_per_cpu", number(100*h.Value(poll.Load1)/h.Value(poll.NCPU)))
}

func netRows(f *filler, h *poll.Host) {
	f.add(h, "")
	if !f.options.expanded(h.Name) {
		return
	}
	for i := range h.Nets() {
		n := &h.Nets()[i]
		f.add(h, n.Name)
		f.set("interface", text(n.Name))
		if f.options.Absolute {
			f.values("net_rx", totals(n, len(n.Values))...)
			continue
		}
		f.values("net_rx", n.Values...)
	}
}

func systemRow(f *filler, h *poll.Host) {
	f.add(h, "")
	model, clock, cache := h.Model()
	f.set("ip", text(h.IP()))
	f.set("release", text(h.Release()))
	f.set("clock", text(clock))
	f.set("cache", text(cache))
	f.set("localtime", text(h.LocalTime()))
	f.set("model", text(model))
}

func jobRows(f *filler, h *poll.Host) {
	tasks := h.Tasks()
	for i := range tasks {
		t := &tasks[i]
		f.add(h, strconv.Itoa(t.PID))
		pid := text(strconv.Itoa(t.PID))
		pid.Number = float64(t.PID)
		f.set("pid", pid)
		f.set("user", text(t.User))
		f.set("state", text(t.State))
		f.values("cpu", t.CPU, t.RSS, t.Seconds)
		f.set("name", text(t.Name))
		f.set("command", text(t.Command))
	}
}

func diskRows(f *filler, h *poll.Host) {
	for i := range h.Disks() {
		d := &h.Disks()[i]
		f.add(h, d.Name)
		v := d.Values
		f.set("disk", text(d.Name))
		if f.options.Absolute {
			f.values("reads", diskTotals(d)...)
			continue
		}
		f.values("reads", v[poll.DiskRowReads], v[poll.DiskRowWrites], v[poll.DiskRowReadBytes], v[poll.DiskRowWriteBytes],
			v[poll.DiskRowAwait], v[poll.DiskRowQueue], v[poll.DiskRowUtil])
	}
}

// totals are the first values of a row since the host booted.
func totals(r *poll.Row, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = r.Total(i)
	}
	return all
}

// diskTotals are what a disk has done since the host booted, and how long a request
// took on average. Shares of time are of now only.
func diskTotals(d *poll.Row) []float64 {
	all := totals(d, poll.DiskRowWriteBytes+1)
	all[poll.DiskRowReadBytes] *= poll.SectorBytes
	all[poll.DiskRowWriteBytes] *= poll.SectorBytes
	requests := all[poll.DiskRowReads] + all[poll.DiskRowWrites]
	await := (d.Total(poll.DiskRowReadTime) + d.Total(poll.DiskRowWriteTime)) / max(requests, 1)
	return append(all, await, math.NaN(), math.NaN())
}

func filesystemRows(f *filler, h *poll.Host) {
	for i := range h.Filesystems() {
		r := &h.Filesystems()[i]
		f.add(h, r.Name)
		v := r.Values
		f.set("mount", text(r.Name))
		f.set("type", text(r.Text))
		f.values("size", v[poll.FSRowSize], v[poll.FSRowUsed], v[poll.FSRowAvail], v[poll.FSRowPct], v[poll.FSRowFilesPct])
		if v[poll.FSRowStale] == 1 {
			f.set("stale", text("stale"))
		}
	}
}

func sensorRows(f *filler, h *poll.Host) {
	sensors := h.Sensors()
	hottest := -1
	for i := range sensors {
		if sensors[i].Values[poll.SensorRowIsTemp] == 1 && (hottest < 0 || sensors[i].Values[0] > sensors[hottest].Values[0]) {
			hottest = i
		}
	}
	for i := range sensors {
		if i != hottest && !f.options.expanded(h.Name) {
			continue
		}
		f.add(h, sensors[i].Name)
		f.set("sensor", text(sensors[i].Name))
		f.set("label", text(sensors[i].Text))
		f.values("value", sensors[i].Values[poll.SensorRowInput], sensors[i].Values[poll.SensorRowCrit])
	}
}

func userRow(f *filler, h *poll.Host) {
	f.add(h, "")
	f.set("localtime", text(h.LocalTime()))
	if boot := h.BootTime(); !boot.IsZero() {
		f.set("boot", number(float64(boot.Unix())))
	}
}
