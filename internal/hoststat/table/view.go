// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/hoststat/poll"
)

// View is a kind of table.
type View struct {
	Name    string
	Title   string
	Key     rune // on the keyboard
	Want    poll.Want
	Columns []Column // the first one is the host
	Sorted  string   // key of the column that it is sorted by at first; "": the hosts' order
	Reverse bool

	// rows adds the rows of a host that has told something.
	rows func(f *filler, h *poll.Host)
}

// numeric is a column that a metric fills.
func numeric(title string, width int, kind Kind, m poll.Metric) Column {
	return Column{Key: m.String(), Title: title, Width: width, Kind: kind, metric: m, numeric: true}
}

func column(key, title string, width int, kind Kind) Column {
	return Column{Key: key, Title: title, Width: width, Kind: kind}
}

func withHost(columns ...Column) []Column {
	return append([]Column{column("host", "HOST", 16, Text)}, columns...)
}

// Views returns the views in the order of their numbers.
func Views() []*View {
	jobs := withHost(column("pid", "PID", 7, Text), column("user", "USER", 8, Text), column("state", "S", 1, Text),
		column("cpu", "CPU%", 5, Tenth), column("rss", "RSS", 6, Bytes), column("seconds", "TIME", 9, Duration), column("name", "NAME", 20, Text))
	return []*View{
		{Name: "vm", Title: "virtual memory", Key: 'v', rows: byMetric, Columns: withHost(
			numeric("r", 4, Count, poll.ProcsRunning), numeric("b", 4, Count, poll.ProcsBlocked),
			numeric("swpd", 6, Bytes, poll.SwapUsed), numeric("free", 6, Bytes, poll.MemFree), numeric("buff", 6, Bytes, poll.MemBuffers),
			numeric("cache", 6, Bytes, poll.MemCached), numeric("avail", 6, Bytes, poll.MemAvail),
			numeric("si", 5, Count, poll.SwapIn), numeric("so", 5, Count, poll.SwapOut), numeric("bi", 6, Count, poll.BlocksIn), numeric("bo", 6, Count, poll.BlocksOut),
			numeric("in", 6, Count, poll.Interrupts), numeric("cs", 6, Count, poll.Switches),
			numeric("us", 3, Percent, poll.CPUUser), numeric("sy", 3, Percent, poll.CPUSystem), numeric("id", 3, Percent, poll.CPUIdle),
			numeric("wa", 3, Percent, poll.CPUWait), numeric("st", 3, Percent, poll.CPUSteal))},
		{Name: "load", Title: "load", Key: 'l', rows: loadRow, Columns: withHost(
			numeric("load1", 7, Hundred, poll.Load1), numeric("load5", 7, Hundred, poll.Load5), numeric("load15", 7, Hundred, poll.Load15),
			column("running", "run/thr", 10, Text), numeric("users", 5, Count, poll.Users), numeric("cpus", 4, Count, poll.NCPU),
			column("load_per_cpu", "load/cpu", 10, Bar), numeric("busy%", 5, Percent, poll.CPUBusy))},
		{Name: "memory", Title: "memory", Key: 'm', rows: byMetric, Columns: withHost(
			numeric("total", 6, Bytes, poll.MemTotal), numeric("used", 6, Bytes, poll.MemUsed), numeric("free", 6, Bytes, poll.MemFree),
			numeric("shared", 6, Bytes, poll.MemShared), numeric("buff", 6, Bytes, poll.MemBuffers), numeric("cached", 6, Bytes, poll.MemCached),
			numeric("avail", 6, Bytes, poll.MemAvail), numeric("swap", 6, Bytes, poll.SwapTotal), numeric("swpd", 6, Bytes, poll.SwapUsed),
			numeric("mem", 10, Bar, poll.MemPct), numeric("psi10", 5, Tenth, poll.PSIMem))},
		{Name: "net", Title: "network", Key: 'n', rows: netRows, Columns: withHost(column("interface", "IFACE", 8, Text),
			numeric("rx B/s", 6, Bytes, poll.NetRx), numeric("tx B/s", 6, Bytes, poll.NetTx),
			numeric("rx p/s", 6, Count, poll.NetRxPackets), numeric("tx p/s", 6, Count, poll.NetTxPackets),
			numeric("err/s", 5, Count, poll.NetErr), numeric("coll/s", 6, Count, poll.NetColl))},
		{Name: "system", Title: "system", Key: 'c', rows: systemRow, Want: poll.WantSystem, Columns: withHost(column("ip", "IP", 15, Text),
			column("release", "KERNEL", 12, Text), numeric("cpus", 4, Count, poll.NCPU), column("clock", "MHz", 6, Text), column("cache", "KB", 6, Text),
			column("localtime", "TIME", 11, Text), numeric("up", 11, Duration, poll.Uptime), numeric("duty%", 5, Tenth, poll.Duty), column("model", "CPU", 24, Text))},
		{Name: "jobs", Title: "processes", Key: 'j', rows: jobRows, Want: poll.WantTasks, Columns: jobs, Sorted: "cpu", Reverse: true},
		{
			Name: "commands", Title: "processes, command lines", Key: 'J', rows: jobRows, Want: poll.WantTasks | poll.WantCommandLines, Sorted: "cpu", Reverse: true,
			Columns: append(jobs[:len(jobs):len(jobs)], column("command", "COMMAND", 60, Text)),
		},
		{Name: "disks", Title: "disks", Key: 'd', rows: diskRows, Columns: withHost(column("disk", "DISK", 10, Text),
			column("reads", "r/s", 6, Count), column("writes", "w/s", 6, Count), column("read_bytes", "rB/s", 6, Bytes), column("write_bytes", "wB/s", 6, Bytes),
			column("await", "await", 6, Tenth), column("queue", "queue", 6, Hundred), column("util", "util", 10, Bar))},
		{Name: "filesystems", Title: "file systems", Key: 'f', rows: filesystemRows, Want: poll.WantFilesystems, Columns: withHost(column("mount", "MOUNT", 20, Text),
			column("type", "TYPE", 6, Text), column("size", "size", 6, Bytes), column("used", "used", 6, Bytes), column("avail", "avail", 6, Bytes),
			column("pct", "use", 10, Bar), column("files_pct", "ino%", 5, Percent), column("stale", "", 5, Text))},
		{Name: "pressure", Title: "pressure stalls", Key: 'p', rows: byMetric, Columns: withHost(
			numeric("cpu10", 5, Tenth, poll.PSICPU), numeric("cpu%", 5, Tenth, poll.PSICPURate),
			numeric("mem10", 5, Tenth, poll.PSIMem), numeric("mem%", 5, Tenth, poll.PSIMemRate),
			numeric("memF10", 6, Tenth, poll.PSIMemFull), numeric("memF%", 5, Tenth, poll.PSIMemFullRate),
			numeric("io10", 5, Tenth, poll.PSIIO), numeric("io%", 5, Tenth, poll.PSIIORate),
			numeric("ioF10", 5, Tenth, poll.PSIIOFull), numeric("ioF%", 5, Tenth, poll.PSIIOFullRate))},
		{Name: "sensors", Title: "sensors", Key: 't', rows: sensorRows, Want: poll.WantSensors, Columns: withHost(column("sensor", "SENSOR", 28, Text),
			column("label", "LABEL", 16, Text), column("value", "value", 8, Tenth), column("crit", "crit", 8, Tenth))},
		{Name: "users", Title: "users and clocks", Key: 'u', rows: userRow, Columns: withHost(numeric("users", 5, Count, poll.Users),
			column("localtime", "TIME", 11, Text), numeric("up", 11, Duration, poll.Uptime), column("boot", "BOOT", 14, Time), numeric("offset s", 12, Hundred, poll.ClockOffset))},
		{Name: "alarms", Title: "alarms", Key: 'a', Columns: []Column{
			column("host", "HOST", 16, Text), column("state", "STATE", 7, Text),
			column("level", "LEVEL", 5, Text), column("since", "SINCE", 14, Time), column("alarm", "ALARM", 12, Text), column("value", "VALUE", 8, Hundred), column("text", "TEXT", 50, Text),
		}},
	}
}

// ViewByName finds a view by its name or number.
func ViewByName(name string) (*View, bool) {
	views := Views()
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(views) {
		return views[n], true
	}
	for _, v := range views {
		if v.Name == name || len(name) >= 3 && strings.HasPrefix(v.Name, name) {
			return v, true
		}
	}
	return nil, false
}

// Column returns the place of a column by key or title, or -1.
func (v *View) Column(name string) int {
	for i := range v.Columns {
		if v.Columns[i].Key == name || strings.EqualFold(v.Columns[i].Title, name) {
			return i
		}
	}
	return -1
}

// place is Column for keys of this package.
func (v *View) place(key string) int {
	for i := range v.Columns {
		if v.Columns[i].Key == key {
			return i
		}
	}
	return -1
}
