// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// slots are the places of all that the engine reads of messages.
type slots struct {
	all xmlsysd.Slots

	hostname, hostip, release, bootID, pageSize xmlsysd.Slot
	localTime, timeStamp                        xmlsysd.Slot
	monotonic, hz, clockStamp                   xmlsysd.Slot
	users                                       xmlsysd.Slot

	statStamp                         xmlsysd.Slot
	cpus                              xmlsysd.List
	cpu                               [cpuFields]xmlsysd.Column
	total                             [cpuFields]xmlsysd.Slot
	pageIn, pageOut, swapIn, swapOut  xmlsysd.Slot
	intr, ctxt, processes             xmlsysd.Slot
	btime, procsRunning, procsBlocked xmlsysd.Slot
	oomKill                           xmlsysd.Slot

	memory    [memoryFields]xmlsysd.Slot
	swap      [3]xmlsysd.Slot // total, used, free
	load      [3]xmlsysd.Slot
	running   xmlsysd.Slot
	threads   xmlsysd.Slot
	uptime    xmlsysd.Slot
	pressure  [5]pressureSlots // see pressureLines
	triggers  xmlsysd.List
	fired     [1]xmlsysd.Column // count
	netStamp  xmlsysd.Slot
	nets      xmlsysd.List
	netName   xmlsysd.Column
	net       [10]xmlsysd.Column
	diskStamp xmlsysd.Slot
	disks     xmlsysd.List
	disk      [8]xmlsysd.Column
	fs        xmlsysd.List
	fsText    [2]xmlsysd.Column // device, type
	fsNumber  [6]xmlsysd.Column // size free avail files files_free stale
	sensors   xmlsysd.List
	sensor    [4]xmlsysd.Column // kind label input crit
	zones     xmlsysd.List
	zone      [2]xmlsysd.Column // type temp
	cpuinfo   xmlsysd.List
	model     [3]xmlsysd.Column // model_name clock cachesize
	taskStamp xmlsysd.Slot
	tasks     xmlsysd.List
	task      [9]xmlsysd.Column // name user state utime stime start rss cmdline threads
	rest      [6]xmlsysd.Slot   // of restMetrics
	swaps     xmlsysd.List
	swapArea  [2]xmlsysd.Column // size used
	arrays    xmlsysd.List
	arrayText [2]xmlsysd.Column // state level
	array     [5]xmlsysd.Column // disks_total disks_active disks_failed blocks blocks_synced
}

// restMetrics are single numbers of [WantRest], and where they are.
var restMetrics = [...]struct {
	metric Metric
	path   string
}{
	{Sockets, "proc/net/sockstat/used"},
	{TCPInUse, "proc/net/sockstat/tcp/inuse"},
	{TCPTimeWait, "proc/net/sockstat/tcp/timewait"},
	{UDPInUse, "proc/net/sockstat/udp/inuse"},
	{FilesOpen, "proc/sys/fs/file_nr/allocated"},
	{FilesMax, "proc/sys/fs/file_nr/max"},
}

type pressureSlots struct{ stamp, avg10, total xmlsysd.Slot }

// Fields of CPUs: those of 2002 first.
const (
	cpuUserField = iota
	cpuNiceField
	cpuSysField
	cpuTotField
	cpuIdleField
	cpuWaitField
	cpuIRQField
	cpuSoftIRQField
	cpuStealField
	cpuFields
)

var cpuNames = [cpuFields]string{"user", "nice", "sys", "tot", "idle", "iowait", "irq", "softirq", "steal"}

// Fields of memory.
const (
	memTotalField = iota
	memUsedField
	memFreeField
	memSharedField
	memBuffersField
	memCachedField
	memAvailableField
	memoryFields
)

var memoryNames = [memoryFields]string{"total", "used", "free", "shared", "buffers", "cached", "available"}

// pressureLines are the lines of pressure that are read, and what they tell.
var pressureLines = [5]struct {
	source, kind string
	average      Metric
	rate         Metric
}{
	{"cpu", "some", PSICPU, PSICPURate},
	{"memory", "some", PSIMem, PSIMemRate},
	{"memory", "full", PSIMemFull, PSIMemFullRate},
	{"io", "some", PSIIO, PSIIORate},
	{"io", "full", PSIIOFull, PSIIOFullRate},
}

func newSlots() *slots {
	s := new(slots)
	w := &s.all
	s.hostname, s.hostip = w.Leaf("system/identity/hostname"), w.Leaf("system/identity/hostip")
	s.release, s.bootID, s.pageSize = w.Leaf("proc/version"), w.Leaf("system/host/boot_id"), w.Leaf("system/host/page_size")
	s.localTime, s.timeStamp = w.Leaf("system/time"), w.Stamp("system/time")
	s.monotonic, s.hz, s.clockStamp = w.Leaf("system/clock/monotonic"), w.Leaf("system/clock/hz"), w.Stamp("system/clock")
	s.users = w.Leaf("system/users")
	s.statStamp = w.Stamp("proc/stat")
	s.cpus = w.List("proc/stat/cpu")
	for i, name := range cpuNames {
		s.cpu[i] = w.Column(s.cpus, name)
		s.total[i] = w.Leaf("proc/stat/cpu_total/" + name)
	}
	s.pageIn, s.pageOut = w.Leaf("proc/stat/page/in"), w.Leaf("proc/stat/page/out")
	s.swapIn, s.swapOut = w.Leaf("proc/stat/swap/in"), w.Leaf("proc/stat/swap/out")
	s.intr, s.ctxt, s.processes = w.Leaf("proc/stat/intr"), w.Leaf("proc/stat/ctxt"), w.Leaf("proc/stat/processes")
	s.btime = w.Leaf("proc/stat/btime")
	s.procsRunning, s.procsBlocked = w.Leaf("proc/stat/procs_running"), w.Leaf("proc/stat/procs_blocked")
	s.oomKill = w.Leaf("proc/vmstat/oom_kill")
	for i, name := range memoryNames {
		s.memory[i] = w.Leaf("proc/meminfo/memory/" + name)
	}
	for i, name := range memoryNames[:3] {
		s.swap[i] = w.Leaf("proc/meminfo/swap/" + name)
	}
	for i, name := range []string{"load1", "load5", "load15"} {
		s.load[i] = w.Leaf("proc/loadavg/" + name)
	}
	s.running, s.threads = w.Leaf("proc/loadavg/running"), w.Leaf("proc/loadavg/threads")
	s.uptime = w.Leaf("proc/uptime/up")
	for i, p := range pressureLines {
		at := "proc/pressure/" + p.source
		s.pressure[i] = pressureSlots{w.Stamp(at), w.Leaf(at + "/" + p.kind + "/avg10"), w.Leaf(at + "/" + p.kind + "/total")}
	}
	s.triggers = w.List("system/triggers/trigger")
	s.fired[0] = w.Column(s.triggers, "count")
	s.addLists(w)
	return s
}

func (s *slots) addLists(w *xmlsysd.Slots) {
	columns := func(l xmlsysd.List, into []xmlsysd.Column, paths ...string) {
		for i, path := range paths {
			into[i] = w.Column(l, path)
		}
	}
	s.netStamp, s.nets = w.Stamp("proc/net/dev"), w.List("proc/net/dev/interface", "devtype", "devid")
	s.netName = w.Column(s.nets, "name")
	columns(s.nets, s.net[:], "receive/bytes", "transmit/bytes", "receive/packets", "transmit/packets",
		"receive/errs", "transmit/errs", "receive/drop", "transmit/drop", "transmit/collisions", "speed")
	s.diskStamp, s.disks = w.Stamp("proc/diskstats"), w.List("proc/diskstats/disk")
	columns(s.disks, s.disk[:], "reads/completed", "writes/completed", "reads/sectors", "writes/sectors",
		"reads/time", "writes/time", "io/time", "io/weighted")
	s.fs = w.List("system/filesystems/fs")
	columns(s.fs, s.fsText[:], "device", "type")
	columns(s.fs, s.fsNumber[:], "size", "free", "avail", "files", "files_free", "stale")
	s.sensors, s.zones = w.List("system/sensors/sensor"), w.List("system/thermal/zone")
	columns(s.sensors, s.sensor[:], "kind", "label", "input", "crit")
	columns(s.zones, s.zone[:], "type", "temp")
	s.cpuinfo = w.List("proc/cpuinfo/processor")
	columns(s.cpuinfo, s.model[:], "model_name", "clock", "cachesize")
	for i := range restMetrics {
		s.rest[i] = w.Leaf(restMetrics[i].path)
	}
	s.swaps, s.arrays = w.List("proc/swaps/swapdev"), w.List("proc/mdstat/array")
	columns(s.swaps, s.swapArea[:], "size", "used")
	columns(s.arrays, s.arrayText[:], "state", "level")
	columns(s.arrays, s.array[:], "disks_total", "disks_active", "disks_failed", "blocks", "blocks_synced")
	s.taskStamp, s.tasks = w.Stamp("proc/tasks"), w.List("proc/tasks/task")
	columns(s.tasks, s.task[:], "name", "user", "state", "utime", "stime", "start", "rss", "cmdline", "threads")
}

// stamp returns the time of an element as time since 1970; 0 for none.
func stamp(r *xmlsysd.Reading, s xmlsysd.Slot) time.Duration {
	t, ok := r.Stamp(s)
	if !ok || t.Sec > 1<<33 {
		return 0
	}
	return time.Duration(t.Sec)*time.Second + time.Duration(t.Usec)*time.Microsecond
}
