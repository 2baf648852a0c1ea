// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// entry is a line of the table of sections.
type entry struct {
	path    string
	source  string // for people
	make    func(*Engine) reader
	lane    lane
	absent  bool // a host may have no such files
	prompt  bool // the kernel answers at once, whatever state the host is in
	private func(Expose) bool
	details []entryDetail
}

type entryDetail struct {
	path string
	bit  need
}

// detailsOf are leaves below a path of which any is the same need.
func detailsOf(path string, tags []string, bit need) (list []entryDetail) {
	for _, tag := range tags {
		list = append(list, entryDetail{path + "/" + tag, bit})
	}
	return list
}

// entries is the table of sections, in the order of a message.
var entries = []entry{
	{path: "system/time", source: "clock_gettime", make: newTimeReader, prompt: true},
	{path: "system/identity", source: "uname", make: newIdentityReader, prompt: true},
	{path: "system/users", source: "/run/utmp, /run/systemd/sessions", make: newUsersReader, prompt: true},
	{path: "system/host", source: "uname, os-release, boot_id", make: newHostReader, prompt: true},
	{path: "system/clock", source: "clock_gettime, adjtimex", make: newClockReader, prompt: true, details: detailsOf("system/clock", loopTags, needLoop)},
	{path: "system/filesystems", source: "/proc/self/mountinfo, statfs", make: newFilesystemsReader, lane: slow},
	{path: "system/numa", source: "/sys/devices/system/node", make: newNumaReader, absent: true},
	{path: "system/sensors", source: "/sys/class/hwmon", make: newSensorsReader, lane: slow, absent: true},
	{path: "system/thermal", source: "/sys/class/thermal", make: newThermalReader, lane: slow, absent: true},
	{path: "system/cpufreq", source: "/sys/devices/system/cpu/cpufreq", make: newCPUFreqReader, lane: slow, absent: true},
	{path: "system/cgroups", source: "/sys/fs/cgroup", make: newCgroupsReader, private: func(x Expose) bool { return x.Cgroups }},
	{path: "system/sessions", source: "/run/utmp, /run/systemd/sessions", make: newSessionsReader, private: func(x Expose) bool { return x.Sessions }},
	{path: "system/agent", source: "own counters", make: newAgentReader, prompt: true},
	{path: "system/errors", source: "errors of this message", make: newErrorReader, lane: own},
	{path: "system/triggers", source: "/proc/pressure", make: newTriggersReader, lane: own},
	{path: "proc/stat", source: "/proc/stat", make: newStatReader, prompt: true, details: []entryDetail{
		{"proc/stat/page", needVM}, {"proc/stat/swap", needVM}, {"proc/vmstat", needWhole},
	}},
	{path: "proc/meminfo", source: "/proc/meminfo", make: newMeminfoReader, prompt: true, details: []entryDetail{{"proc/meminfo/detail", needDetail}}},
	{path: "proc/net/dev", source: "/proc/net/dev, routing socket", make: newNetDevReader, prompt: true, details: append([]entryDetail{
		{"proc/net/dev/interface/ifindex", needLinks},
		{"proc/net/dev/interface/mtu", needLinks},
		{"proc/net/dev/interface/operstate", needLinks},
		{"proc/net/dev/interface/carrier_changes", needLinks},
		{"proc/net/dev/interface/mac", needLinks},
		{"proc/net/dev/interface/addresses", needLinks},
		{"proc/net/dev/interface/speed", needSpeed},
		{"proc/net/dev/interface/duplex", needSpeed},
		{"proc/net/dev/interface/broadcast", needLinks},
		{"proc/net/dev/interface/ifalias", needLinks},
	}, detailsOf("proc/net/dev/interface", classTags, needClass)...)},
	{path: "proc/net/sockstat", source: "/proc/net/sockstat", make: newSockstatReader, prompt: true},
	{path: "proc/net/sockstat6", source: "/proc/net/sockstat6", make: newSockstat6Reader, prompt: true, absent: true},
	{path: "proc/net/snmp", source: "/proc/net/snmp", make: newSNMPReader, prompt: true},
	{path: "proc/net/snmp6", source: "/proc/net/snmp6", make: newSNMP6Reader, prompt: true, absent: true},
	{path: "proc/net/netstat", source: "/proc/net/netstat", make: newNetstatReader, prompt: true},
	{path: "proc/net/softnet_stat", source: "/proc/net/softnet_stat", make: newSoftnetReader, prompt: true, absent: true},
	{path: "proc/net/nf_conntrack", source: "/proc/sys/net/netfilter", make: newConntrackReader, prompt: true, absent: true, details: detailsOf("proc/net/nf_conntrack", conntrackTags, needEvents)},
	{path: "proc/net/sockstates", source: "inet_diag", make: newSockStatesReader, lane: slow, absent: true},
	{path: "proc/loadavg", source: "/proc/loadavg", make: newLoadavgReader, prompt: true},
	{path: "proc/cpuinfo", source: "/proc/cpuinfo, cpufreq", make: newCPUInfoReader, lane: slow},
	{path: "proc/sysvipc", source: "/proc/sysvipc", make: newSysvipcReader, prompt: true, absent: true},
	{path: "proc/version", source: "uname", make: newVersionReader, prompt: true},
	{path: "proc/uptime", source: "/proc/uptime", make: newUptimeReader, prompt: true},
	{path: "proc/vmstat", source: "/proc/vmstat", make: newVmstatReader, prompt: true, absent: true},
	{path: "proc/diskstats", source: "/proc/diskstats", make: newDiskstatsReader, prompt: true},
	{path: "proc/pressure", source: "/proc/pressure", make: newPressureReader, prompt: true},
	{path: "proc/interrupts", source: "/proc/interrupts", make: newInterruptsReader, prompt: true, details: []entryDetail{{"proc/interrupts/irq/cpu", needCPUs}}},
	{path: "proc/softirqs", source: "/proc/softirqs", make: newSoftirqsReader, prompt: true, absent: true, details: []entryDetail{{"proc/softirqs/softirq/cpu", needCPUs}}},
	{path: "proc/schedstat", source: "/proc/schedstat", make: newSchedstatReader, prompt: true, absent: true},
	{path: "proc/swaps", source: "/proc/swaps", make: newSwapsReader, prompt: true, absent: true},
	{path: "proc/mdstat", source: "/proc/mdstat", make: newMdstatReader, absent: true},
	{path: "proc/sys", source: "/proc/sys", make: newSysctlReader, prompt: true, details: detailsOf("proc/sys/kernel", []string{"poolsize"}, needPool)},
	{path: "proc/tasks", source: "/proc/PID/stat", make: newTasksReader, lane: own, details: []entryDetail{
		{"proc/tasks/task/wait", needWait},
		{"proc/tasks/task/cgroup", needCgroup},
		{"proc/tasks/task/cmdline", needCmdline},
		{"proc/tasks/task/io", needIO},
	}},
	{path: "proc/file", source: "files by path", make: newRawReader, lane: own, private: func(x Expose) bool { return x.Raw }},
}

// build makes the sections.
func (e *Engine) build() error {
	prompt := e.isPrompt()
	for _, t := range entries {
		id, ok := e.model.Find(t.path)
		if !ok {
			return fmt.Errorf("hoststat: no element %s", t.path)
		}
		n := e.model.Node(id)
		s := &section{
			engine: e, node: id, path: t.path, id: []byte(t.path), name: n.Section, class: n.Class, source: t.source,
			lane: t.lane, absent: t.absent, denied: t.private != nil && !t.private(e.o.Expose), reader: t.make(e),
			prompt: t.prompt && prompt,
		}
		s.turn.L = &s.mu
		for _, d := range t.details {
			s.details = append(s.details, detail{e.model.Must(d.path), d.bit})
		}
		if t.path == "system/errors" {
			e.errors = s
		}
		e.sections = append(e.sections, s)
	}
	// Ids are in the order of the model, which is that of a message.
	slices.SortStableFunc(e.sections, func(a, b *section) int { return cmp.Compare(a.node, b.node) })
	return nil
}

// isPrompt reports whether files are where they usually are: below /proc is the
// kernel's memory, and below /run and /etc memory or a disk, without which this
// program would not be here.
func (e *Engine) isPrompt() bool {
	return e.kernels && e.o.Root == "/" && isLocal("/run") && isLocal("/etc")
}

func isLocal(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && slices.Contains(localTypes, int64(st.Type))
}

// localTypes are file systems that need no server.
var localTypes = []int64{
	unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC,
}

// ownIndex is the place of an own section's tape in a job.
func (s *section) ownIndex() int {
	switch s.name {
	case "tasks":
		return 0
	case "triggers":
		return 1
	}
	return 2
}

// errorReader stands for system/errors in the list; sessions write the section.
type errorReader struct{ nodes errorNodes }

func newErrorReader(e *Engine) reader { return &errorReader{newErrorNodes(e.model)} }

func (*errorReader) read(*request) error { return nil }
