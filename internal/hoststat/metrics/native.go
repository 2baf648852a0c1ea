// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// nativeTable fills the plan of weir's own names.
//
// A counter and a gauge may not have names that differ by _total only: in
// OpenMetrics they would be one family.
func nativeTable(g *grow) {
	nativeCPU(g)
	nativeMemory(g)
	nativeNetwork(g)
	nativeStorage(g)
	nativeSensors(g)
	nativeHost(g)
	nativeSections(g)
}

func nativeCPU(g *grow) {
	g.list(cpuAt, "cpu", nil, nil)
	cpu := g.family("weir_cpu_seconds_total", counter, "Time of a CPU by mode; that of guests is in user and nice.")
	for _, m := range cpuModes {
		g.sample(cpuAt+"/"+m[0], cpu, ticks, "mode", m[1])
	}
	guest := g.family("weir_cpu_guest_seconds_total", counter, "Time of a CPU in guests by mode.")
	g.sample(cpuAt+"/guest", guest, ticks, "mode", "user")
	g.sample(cpuAt+"/guest_nice", guest, ticks, "mode", "nice")
	for _, n := range []string{"1", "5", "15"} {
		g.metric("proc/loadavg/load"+n, "weir_load"+n, gauge, plain, "Load average over "+n+" min.")
	}
	g.metric(statAt+"/intr", "weir_interrupts_total", counter, plain, "Interrupts served.")
	g.metric(statAt+"/ctxt", "weir_context_switches_total", counter, plain, "Switches between tasks.")
	g.metric(statAt+"/processes", "weir_forks_total", counter, plain, "Tasks started.")
	g.metric(statAt+"/btime", "weir_boot_time_seconds", gauge, plain, "When the host was booted, since the epoch.")
	processes := g.family("weir_processes", gauge, "Tasks by state: running or ready to, or blocked by input or output.")
	g.sample(statAt+"/procs_running", processes, plain, "state", "running")
	g.sample(statAt+"/procs_blocked", processes, plain, "state", "blocked")
	total := g.family("weir_pressure_seconds_total", counter, "Time in which some or all tasks waited for a resource.")
	ratio := g.family("weir_pressure_ratio", gauge, "Share of time in which some or all tasks waited for a resource, by window.")
	for _, r := range []string{"cpu/some", "cpu/full", "memory/some", "memory/full", "io/some", "io/full", "irq/full"} {
		resource, kind, _ := strings.Cut(r, "/")
		at := "proc/pressure/" + r
		g.sample(at+"/total", total, microseconds, "resource", resource, "kind", kind)
		for _, w := range []string{"10", "60", "300"} {
			g.sample(at+"/avg"+w, ratio, percent, "resource", resource, "kind", kind, "window", w+"s")
		}
	}
}

func nativeMemory(g *grow) {
	bytes := g.family("weir_meminfo_bytes", gauge, "Memory by the kernel's names of its uses.")
	count := g.family("weir_meminfo_pages", gauge, "Huge pages by the kernel's names of their uses.")
	g.children(meminfoAt, func(g *grow, n *xmlsysd.Node) {
		f := bytes
		if n.Unit != "bytes" {
			f = count
		}
		g.sampleOf(n, f, plain, "field", n.Key)
	})
	level := g.family("weir_vmstat_level", gauge, "State of the memory management by the kernel's names, mostly in pages.")
	events := g.family("weir_vmstat_total", counter, "Events of the memory management by the kernel's names.")
	g.children("proc/vmstat", func(g *grow, n *xmlsysd.Node) {
		f := events
		if strings.HasPrefix(n.Key, "nr_") {
			f = level
		}
		g.sampleOf(n, f, plain, "field", n.Key)
	})
}

// levels are the counters of the network that are none.
var levels = []string{
	"Ip Forwarding", "Ip DefaultTTL", "Tcp RtoAlgorithm", "Tcp RtoMin", "Tcp RtoMax", "Tcp MaxConn", "Tcp CurrEstab", "MPTcpExt MPCurrEstab",
}

func nativeNetwork(g *grow) {
	g.label(interfaceAt+"/name", "device", nil)
	for _, c := range netColumns {
		g.metric(interfaceAt+"/"+c.leaf, "weir_network_"+c.name, counter, plain, c.help)
	}
	g.metric(interfaceAt+"/mtu", "weir_network_mtu_bytes", gauge, plain, "Size of the largest packet.")
	g.metric(interfaceAt+"/speed", "weir_network_speed_bytes", gauge, megabits, "Speed of the link per second; absent where the driver knows none.")
	up := g.family("weir_network_up", gauge, "1 if the interface is up.")
	info := g.family("weir_network_info", gauge, "Always 1; the labels say what the interface is.")
	g.keepInterface()
	g.list(interfaceAt, "", nil, func(s *scrape) {
		if s.kept[keptState] == nil {
			return
		}
		s.flag(up, "", string(s.kept[keptState]) == "up")
		s.with(`address="`, s.kept[keptMAC])
		s.with(`duplex="`, s.kept[keptDuplex])
		s.with(`ifalias="`, s.kept[keptAlias])
		s.with(`operstate="`, s.kept[keptState])
		s.add(info, "", plain, one)
	})
	sockets := g.family("weir_sockets", gauge, "Sockets by protocol and state.")
	memory := g.family("weir_socket_memory_bytes", gauge, "Memory of sockets, and of packets that are being put together, by protocol.")
	g.metric("proc/net/sockstat/used", "weir_sockets_used", gauge, plain, "Sockets of all protocols.")
	for _, leaf := range []string{
		"sockstat/tcp/inuse", "sockstat/tcp/orphan", "sockstat/tcp/timewait", "sockstat/tcp/alloc", "sockstat/udp/inuse", "sockstat/raw/inuse",
		"sockstat/frag/inuse", "sockstat/udplite/inuse", "sockstat6/tcp6/inuse", "sockstat6/udp6/inuse", "sockstat6/udplite6/inuse",
		"sockstat6/raw6/inuse", "sockstat6/frag6/inuse",
	} {
		w := strings.Split(leaf, "/")
		g.sample("proc/net/"+leaf, sockets, plain, "protocol", w[1], "state", w[2])
	}
	g.sample("proc/net/sockstat/tcp/mem", memory, pages(), "protocol", "tcp")
	g.sample("proc/net/sockstat/udp/mem", memory, pages(), "protocol", "udp")
	g.sample("proc/net/sockstat/frag/memory", memory, plain, "protocol", "frag")
	g.sample("proc/net/sockstat6/frag6/memory", memory, plain, "protocol", "frag6")
	const states = "proc/net/sockstates"
	g.onDemand(states)
	g.list(states+"/tcpstate", "state", nil, nil)
	tcp := g.family("weir_tcp_sockets", gauge, "Sockets of TCP by state and family of addresses; only with ?on=sockstates, as the kernel goes through all of them.")
	g.sample(states+"/tcpstate/inet", tcp, plain, "family", "inet")
	g.sample(states+"/tcpstate/inet6", tcp, plain, "family", "inet6")
	level := g.family("weir_snmp_level", gauge, "State of the network protocols by the kernel's names.")
	events := g.family("weir_snmp_total", counter, "Events of the network protocols by the kernel's names.")
	g.counters(func(g *grow, n *xmlsysd.Node, protocol, field string) {
		f := events
		for _, l := range levels {
			if l == protocol+" "+field {
				f = level
			}
		}
		g.sampleOf(n, f, plain, "protocol", protocol, "field", field)
	})
	const softnet = "proc/net/softnet_stat/cpu"
	g.list(softnet, "cpu", nil, nil)
	g.metric(softnet+"/processed", "weir_softnet_processed_total", counter, plain, "Packets that a CPU has taken from devices.")
	g.metric(softnet+"/dropped", "weir_softnet_dropped_total", counter, plain, "Packets dropped because a CPU's queue was full.")
	g.metric(softnet+"/time_squeeze", "weir_softnet_times_squeezed_total", counter, plain, "Times that a CPU left packets for later.")
	g.metric("proc/net/nf_conntrack/count", "weir_conntrack_entries", gauge, plain, "Connections that are tracked.")
	g.metric("proc/net/nf_conntrack/max", "weir_conntrack_limit", gauge, plain, "Most connections that are tracked.")
}

func nativeStorage(g *grow) {
	g.list(diskAt, "device", nil, nil)
	for _, c := range diskColumns {
		g.metric(diskAt+"/"+c.leaf, "weir_disk_"+c.name, c.kind, c.scale, c.help)
	}
	g.list(fsAt, "mountpoint", nil, nil)
	g.label(fsAt+"/device", "device", nil)
	g.label(fsAt+"/type", "fstype", nil)
	for _, c := range [][3]string{
		{"size", "size_bytes", "Size of the file system."},
		{"free", "free_bytes", "Free room, what is kept for the root user included."},
		{"avail", "avail_bytes", "Free room for all users."},
		{"files", "files", "Files that the file system has room for."},
		{"files_free", "files_free", "Files that can still be made."},
		{"readonly", "readonly", "1 if the file system is mounted for reading only."},
		{"stale", "stale", "1 if the file system does not answer."},
		{"device_error", "device_error", "1 if the file system answers with an error."},
	} {
		g.metric(fsAt+"/"+c[0], "weir_filesystem_"+c[1], gauge, plain, c[2])
	}
	const swap = "proc/swaps/swapdev"
	g.list(swap, "device", nil, nil)
	g.metric(swap+"/size", "weir_swap_size_bytes", gauge, plain, "Size of a swap file or device.")
	g.metric(swap+"/used", "weir_swap_used_bytes", gauge, plain, "What is used of a swap file or device.")
	g.metric("proc/sys/fs/file_nr/allocated", "weir_open_files", gauge, plain, "Open files of the whole host.")
	g.metric("proc/sys/fs/file_nr/max", "weir_open_files_limit", gauge, plain, "Most open files of the whole host.")
	g.metric("proc/sys/kernel/entropy_avail", "weir_entropy_available", gauge, plain, "Bits of entropy that the kernel has.")
}

func nativeSensors(g *grow) {
	families := map[string]familyID{}
	for _, k := range [][3]string{
		{"temp", "temperature_celsius", "Temperature."},
		{"fan", "fan_rpm", "Turns of a fan per minute."},
		{"in", "voltage_volts", "Voltage."},
		{"power", "power_watts", "Power."},
		{"curr", "current_amperes", "Current."},
	} {
		families[k[0]] = g.family("weir_hwmon_"+k[1], gauge, k[2])
	}
	g.keep(sensorAt, "chip", "kind", "label", "input")
	g.list(sensorAt, "sensor", nil, func(s *scrape) {
		f, known := families[string(s.kept[1])]
		if !known || s.kept[3] == nil {
			return
		}
		s.with(`chip="`, s.kept[0])
		s.with(`label="`, s.kept[2])
		s.add(f, "", plain, s.kept[3])
	})
	const zone = "system/thermal/zone"
	g.list(zone, "zone", nil, nil)
	g.label(zone+"/type", "type", nil)
	g.metric(zone+"/temp", "weir_thermal_zone_celsius", gauge, plain, "Temperature of a part of the host.")
}

func nativeHost(g *grow) {
	host := g.family("weir_host_info", gauge, "Always 1; the labels say what the host is.")
	names := []string{"sysname", "nodename", "release", "version", "machine", "os_id", "os_version"}
	labels := make([]string, len(names))
	for i, n := range names {
		labels[i] = labelName(n)
	}
	g.keep(hostAt, names...)
	g.list(hostAt, "", nil, func(s *scrape) {
		for i, l := range labels {
			s.with(l, s.kept[i])
		}
		s.add(host, "", plain, one)
	})
	now := g.family("weir_time_seconds", gauge, "The host's time, since the epoch.")
	g.list(clockAt, "", nil, func(s *scrape) { s.seconds(now) })
	g.metric(clockAt+"/synchronized", "weir_clock_synchronized", gauge, plain, "1 if the clock is kept right by another one.")
	g.metric(clockAt+"/offset", "weir_clock_offset_seconds", gauge, microseconds, "How far the clock is from the one that keeps it right.")
	g.metric("proc/uptime/up", "weir_uptime_seconds", gauge, plain, "Time since the host was booted.")
}

// nativeSections tells of the sections themselves.
func nativeSections(g *grow) {
	duration := g.family("weir_section_duration_seconds", gauge, "What it took to read a section the last time.")
	up := g.family("weir_section_up", gauge, "1 if a section could be read, 0 if it failed or hangs; absent where the host has no such thing.")
	g.costs()
	fixed := make(map[xmlsysd.NodeID]string)
	g.finish = func(s *scrape, _ *state) {
		s.labels = s.labels[:0]
		for i, sec := range s.plan.sections {
			if s.costs[i] != nil {
				s.add(duration, fixed[sec.node], microseconds, s.costs[i])
			}
			if s.ok[i] != absent {
				s.flag(up, fixed[sec.node], s.ok[i] == good)
			}
		}
	}
	for _, sec := range g.sections {
		fixed[sec.node] = fixedLabels("section", sec.path)
	}
}
