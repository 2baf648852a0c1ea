// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"fmt"
	"math"
	"strings"

	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/table"
)

// detailLines tells all of one host.
func (a *app) detailLines() (lines []string) {
	lines = []string{"no such host any more: " + a.host}
	a.cluster.View(func(hosts []*poll.Host) {
		for _, h := range hosts {
			if table.Clean(h.Name) == a.host {
				lines = a.hostLines(h)
			}
		}
	})
	return lines
}

// value writes a metric, "-" for none.
func value(h *poll.Host, m poll.Metric, form func(float64) string) string {
	v := h.Value(m)
	if math.IsNaN(v) {
		return "-"
	}
	return form(v)
}

func bytesOf(v float64) string { return table.Scale(v, 1024) }
func tenths(v float64) string  { return fmt.Sprintf("%.1f", v) }

// orDash replaces what is missing.
func orDash(v float64, form func(float64) string) string {
	if math.IsNaN(v) {
		return "-"
	}
	return form(v)
}

func (a *app) hostLines(h *poll.Host) []string {
	model, clock, _ := h.Model()
	state := h.State().String()
	if h.Reason() != "" {
		state += ": " + h.Reason()
	}
	lines := []string{
		fmt.Sprintf("# %s  %s  %s", h.Name, h.Address, state),
		fmt.Sprintf("%s  %s  kernel %s  cpu %s %s MHz x %s", h.Hostname(), h.IP(), h.Release(), model, clock, value(h, poll.NCPU, countOf)),
		fmt.Sprintf("up %s  users %s  local time %s  clock offset %s s", value(h, poll.Uptime, daysOf), value(h, poll.Users, countOf), h.LocalTime(), value(h, poll.ClockOffset, tenths)),
	}
	lines = append(lines, numberLines(h)...)
	lines = append(lines, a.historyLines(h)...)
	lines = append(lines, cpuLines(h)...)
	return append(lines, partLines(h)...)
}

// numberLines shows the single numbers, a line for each thing that they are about.
func numberLines(h *poll.Host) []string {
	type part struct {
		name string
		m    poll.Metric
		form func(float64) string
	}
	hundredths := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	line := func(title string, parts ...part) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%-9s", title)
		for _, p := range parts {
			fmt.Fprintf(&b, " %s %s ", p.name, value(h, p.m, p.form))
		}
		return strings.TrimRight(b.String(), " ")
	}
	return []string{
		line("load", part{"1", poll.Load1, hundredths}, part{"5", poll.Load5, hundredths}, part{"15 min", poll.Load15, hundredths},
			part{"running", poll.ProcsRunning, countOf}, part{"blocked", poll.ProcsBlocked, countOf}, part{"threads", poll.Threads, countOf}, part{"forks/s", poll.Forks, countOf}),
		line("memory", part{"total", poll.MemTotal, bytesOf}, part{"used", poll.MemUsed, bytesOf}, part{"avail", poll.MemAvail, bytesOf}, part{"shared", poll.MemShared, bytesOf},
			part{"buffers", poll.MemBuffers, bytesOf}, part{"cached", poll.MemCached, bytesOf}),
		line("swap", part{"total", poll.SwapTotal, bytesOf}, part{"used", poll.SwapUsed, bytesOf}),
		line("per s", part{"si", poll.SwapIn, countOf}, part{"so", poll.SwapOut, countOf}, part{"bi", poll.BlocksIn, countOf}, part{"bo", poll.BlocksOut, countOf},
			part{"interrupts", poll.Interrupts, countOf}, part{"switches", poll.Switches, countOf}, part{"oom kills", poll.OOMKill, countOf}),
		line("stalls %", part{"cpu", poll.PSICPURate, tenths}, part{"memory", poll.PSIMemRate, tenths}, part{"all", poll.PSIMemFullRate, tenths},
			part{"io", poll.PSIIORate, tenths}, part{"all", poll.PSIIOFullRate, tenths}),
		line("open", part{"sockets", poll.Sockets, countOf}, part{"tcp", poll.TCPInUse, countOf}, part{"timewait", poll.TCPTimeWait, countOf}, part{"udp", poll.UDPInUse, countOf},
			part{"files", poll.FilesOpen, countOf}, part{"of", poll.FilesMax, countOf}),
	}
}

func countOf(v float64) string { return table.Scale(v, 1000) }

func daysOf(v float64) string {
	c := table.Column{Kind: table.Duration}
	return c.Format(table.Cell{Number: v})
}

// historyLines shows the headline metrics with what they were.
func (a *app) historyLines(h *poll.Host) []string {
	lines := []string{"", "# now and before"}
	width := max(10, min(a.canvas.width-24, 120))
	var recent []float32
	for _, m := range poll.Headlines {
		form := formOf(m)
		recent = h.Recent(m, recent[:0])
		lines = append(lines, fmt.Sprintf("%-10s %8s  %s", m, value(h, m, form), spark(recent, width, a.canvas.ascii)))
	}
	return lines
}

// cpuLines shows each CPU, eight a line.
func cpuLines(h *poll.Host) []string {
	cpus := h.CPUs()
	if len(cpus) == 0 {
		return nil
	}
	lines := []string{"", "# busy by CPU, %"}
	for from := 0; from < len(cpus); from += 8 {
		var b strings.Builder
		for _, c := range cpus[from:min(from+8, len(cpus))] {
			fmt.Fprintf(&b, "%4s:%4s ", c.Name, orDash(c.Values[0], func(v float64) string { return fmt.Sprintf("%.0f", v) }))
		}
		lines = append(lines, b.String())
	}
	return lines
}

// partLines shows interfaces, disks, file systems, sensors and processes.
func partLines(h *poll.Host) []string {
	var lines []string
	section := func(title string, n int) {
		if n > 0 {
			lines = append(lines, "", "# "+title)
		}
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	section(fmt.Sprintf("%-16s %8s %8s %8s %8s %8s", "interface", "rx B/s", "tx B/s", "rx p/s", "tx p/s", "err/s"), len(h.Nets()))
	for _, r := range h.Nets() {
		v := r.Values
		add("%-16s %8s %8s %8s %8s %8s", r.Name, orDash(v[poll.NetRowRx], bytesOf), orDash(v[poll.NetRowTx], bytesOf),
			orDash(v[poll.NetRowRxPackets], countOf), orDash(v[poll.NetRowTxPackets], countOf), orDash(v[poll.NetRowErrors], countOf))
	}
	section(fmt.Sprintf("%-16s %8s %8s %8s %8s %8s", "disk", "r/s", "w/s", "rB/s", "wB/s", "util %"), len(h.Disks()))
	for _, r := range h.Disks() {
		v := r.Values
		add("%-16s %8s %8s %8s %8s %8s", r.Name, orDash(v[poll.DiskRowReads], countOf), orDash(v[poll.DiskRowWrites], countOf),
			orDash(v[poll.DiskRowReadBytes], bytesOf), orDash(v[poll.DiskRowWriteBytes], bytesOf), orDash(v[poll.DiskRowUtil], tenths))
	}
	section(fmt.Sprintf("%-24s %-8s %8s %8s %8s", "file system", "type", "size", "avail", "used %"), len(h.Filesystems()))
	for _, r := range h.Filesystems() {
		v := r.Values
		stale := ""
		if v[poll.FSRowStale] == 1 {
			stale = "  does not answer"
		}
		add("%-24s %-8s %8s %8s %8s%s", r.Name, r.Text, orDash(v[poll.FSRowSize], bytesOf), orDash(v[poll.FSRowAvail], bytesOf), orDash(v[poll.FSRowPct], tenths), stale)
	}
	section(fmt.Sprintf("%-24s %8s %8s", "swap area", "size", "used"), len(h.Swaps()))
	for _, r := range h.Swaps() {
		add("%-24s %8s %8s", r.Name, orDash(r.Values[poll.SwapRowSize], bytesOf), orDash(r.Values[poll.SwapRowUsed], bytesOf))
	}
	section(fmt.Sprintf("%-16s %8s %8s %8s %8s", "array", "disks", "active", "failed", "synced %"), len(h.Arrays()))
	for _, r := range h.Arrays() {
		v := r.Values
		add("%-16s %8s %8s %8s %8s  %s", r.Name, orDash(v[poll.ArrayRowDisks], countOf), orDash(v[poll.ArrayRowActive], countOf),
			orDash(v[poll.ArrayRowFailed], countOf), orDash(v[poll.ArrayRowSynced], tenths), r.Text)
	}
	section(fmt.Sprintf("%-32s %8s %8s", "sensor", "value", "crit"), len(h.Sensors()))
	for _, r := range h.Sensors() {
		add("%-32s %8s %8s  %s", r.Name, orDash(r.Values[poll.SensorRowInput], tenths), orDash(r.Values[poll.SensorRowCrit], tenths), r.Text)
	}
	section(fmt.Sprintf("%8s %-10s %1s %6s %8s  %s", "pid", "user", "S", "cpu%", "rss", "name"), len(h.Tasks()))
	for _, t := range h.Tasks() {
		add("%8d %-10s %1s %6s %8s  %s", t.PID, t.User, t.State, orDash(t.CPU, tenths), bytesOf(t.RSS), t.Name)
	}
	return lines
}

// drawChart shows the history of the sorted column of the host that is selected,
// by poll and by minute.
func (a *app) drawChart(top, bottom int) {
	c := &a.canvas
	r := a.current()
	if r == nil {
		return
	}
	m := poll.Load1
	for _, h := range poll.Headlines {
		if h.String() == a.o.Sort {
			m = h
		}
	}
	var recent, mean []float32
	var name string
	a.cluster.View(func(hosts []*poll.Host) {
		for _, h := range hosts {
			if table.Clean(h.Name) == r.Host {
				recent = h.Recent(m, nil)
				mean, _, _ = h.Minutes(m)
				name = h.Name
			}
		}
	})
	height := (bottom - top) / 2
	for i, part := range []struct {
		title  string
		values []float32
	}{{"by poll", recent}, {"by minute", mean}} {
		y := top + i*height
		if height < 2 {
			continue
		}
		most := c.chart(0, y+1, c.width, height-1, c.style.bar, part.values)
		c.put(0, y, c.width, c.style.title, chartTitle(name, m, part.title, part.values, most))
	}
}

// formOf is how the values of a headline metric are written.
func formOf(m poll.Metric) func(float64) string {
	switch m {
	case poll.MemUsed, poll.NetRx, poll.NetTx, poll.DiskRead, poll.DiskWrite:
		return bytesOf
	}
	return tenths
}

// chartTitle says what a chart shows and what its top is.
func chartTitle(host string, m poll.Metric, span string, values []float32, most float32) string {
	if len(values) == 0 {
		return fmt.Sprintf("%s %v %s: nothing yet", host, m, span)
	}
	return fmt.Sprintf("%s %v %s, up to %s", host, m, span, formOf(m)(float64(most)))
}
