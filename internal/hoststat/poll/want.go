// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// Want is what is asked of hosts beyond the numbers that are always kept.
type Want uint8

// Parts of messages.
const (
	WantFilesystems Want = 1 << iota
	WantSensors
	WantTasks
	WantCommandLines // of tasks
	WantCPUs         // each for itself
	WantSystem       // processors, release, addresses
	WantRest         // sockets, open files, swap areas, arrays of disks
)

// always begins each session. Names come first, since they are all that the
// original daemon knows; the paths behind them narrow what weir's would send.
const always = `init
indent off
off all
on identity time users stat meminfo dev loadavg
on host clock uptime diskstats pressure
off /system/host /system/clock /proc/stat/cpu /proc/meminfo/detail /proc/stat/softirq /proc/pressure/irq
off /proc/net/dev/interface/ip /proc/net/dev/interface/host /proc/net/dev/interface/ifindex /proc/net/dev/interface/mtu
off /proc/net/dev/interface/operstate /proc/net/dev/interface/carrier_changes /proc/net/dev/interface/mac
off /proc/net/dev/interface/addresses /proc/net/dev/interface/receive/f* /proc/net/dev/interface/*/compressed
off /proc/net/dev/interface/receive/multicast /proc/net/dev/interface/transmit/fifo /proc/net/dev/interface/transmit/carrier
off /proc/diskstats/disk/discards /proc/diskstats/disk/flushes
on /system/clock/monotonic /system/clock/hz /system/host/boot_id /system/host/page_size /proc/stat/cpu/tot /proc/vmstat/oom_kill
`

// wanted are the lines of each part.
var wanted = []struct {
	want  Want
	lines string
}{
	{WantFilesystems, "on filesystems\n"},
	{WantSensors, "on sensors\non thermal\n"},
	{WantCPUs, "on /proc/stat/cpu\n"},
	{WantSystem, "on cpuinfo version host\n"},
	{WantRest, "on sockstat swaps mdstat /proc/sys/fs/file_nr\n"},
}

// taskLines are the masks of processes. A mask replaces the one before.
func (w Want) taskLines(mask string) string {
	if w&WantTasks == 0 {
		return ""
	}
	if w&WantCommandLines != 0 {
		mask = strings.TrimPrefix(mask+" cmdline", " ")
	}
	if mask == "" {
		mask = "clear" // the daemon's own: those that do something
	}
	return "on tasks\ntask " + mask + "\n"
}

// onLines selects in lines that daemons take.
func onLines(selectors []string) string {
	const longest = xmlsysd.MaxLine / 2
	text, line := "", "on"
	for _, s := range selectors {
		if len(line)+1+len(s) > longest && line != "on" {
			text, line = text+line+"\n", "on"
		}
		line += " " + s
	}
	if line == "on" {
		return text
	}
	return text + line + "\n"
}

// commands are the lines that make a session send what is wanted.
func (w Want) commands(mask string) string {
	text := always
	for _, part := range wanted {
		if w&part.want != 0 {
			text += part.lines
		}
	}
	return text + w.taskLines(mask)
}
