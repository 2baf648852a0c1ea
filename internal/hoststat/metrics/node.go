// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// nodeTable fills the plan of node_exporter's names: those of Debian's 1.5 with
// what it shows and leaves out by default. Its families have no help here.
func nodeTable(g *grow) {
	nodeCPU(g)
	nodeMemory(g)
	nodeNetwork(g)
	nodeInterfaces(g)
	nodeStorage(g)
	nodeArrays(g)
	nodeSensors(g)
	nodeThermal(g)
	nodeHost(g)
	nodeCollectors(g)
}

// node makes a leaf the only sample of a family.
func (g *grow) node(path, name string, k kind, sc scale) { g.metric(path, "node_"+name, k, sc, "") }

func nodeCPU(g *grow) {
	g.list(cpuAt, "cpu", nil, nil)
	cpu := g.family("node_cpu_seconds_total", counter, "")
	for _, m := range cpuModes {
		g.sample(cpuAt+"/"+m[0], cpu, ticks, "mode", m[1])
	}
	guest := g.family("node_cpu_guest_seconds_total", counter, "")
	g.sample(cpuAt+"/guest", guest, ticks, "mode", "user")
	g.sample(cpuAt+"/guest_nice", guest, ticks, "mode", "nice")
	for _, n := range []string{"1", "5", "15"} {
		g.node("proc/loadavg/load"+n, "load"+n, gauge, plain)
	}
	g.node(statAt+"/intr", "intr_total", counter, plain)
	g.node(statAt+"/ctxt", "context_switches_total", counter, plain)
	g.node(statAt+"/processes", "forks_total", counter, plain)
	g.node(statAt+"/btime", "boot_time_seconds", gauge, plain)
	g.node(statAt+"/procs_running", "procs_running", gauge, plain)
	g.node(statAt+"/procs_blocked", "procs_blocked", gauge, plain)
	for _, p := range [][2]string{
		{"cpu/some", "cpu_waiting"},
		{"memory/some", "memory_waiting"},
		{"memory/full", "memory_stalled"},
		{"io/some", "io_waiting"},
		{"io/full", "io_stalled"},
	} {
		g.node("proc/pressure/"+p[0]+"/total", "pressure_"+p[1]+"_seconds_total", counter, microseconds)
	}
	const schedstat = "proc/schedstat/cpu"
	g.list(schedstat, "cpu", nil, nil)
	g.node(schedstat+"/run_time", "schedstat_running_seconds_total", counter, nanoseconds)
	g.node(schedstat+"/wait_time", "schedstat_waiting_seconds_total", counter, nanoseconds)
	g.node(schedstat+"/timeslices", "schedstat_timeslices_total", counter, plain)
}

// nodeVM are the counters of /proc/vmstat that are shown.
var nodeVM = []string{"oom_kill", "pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout"}

func nodeMemory(g *grow) {
	g.children(meminfoAt, func(g *grow, n *xmlsysd.Node) {
		name := "node_memory_" + n.Tag
		if n.Unit == "bytes" {
			name += "_bytes"
		}
		g.sampleOf(n, g.family(name, gauge, ""), plain)
	})
	g.children("proc/vmstat", func(g *grow, n *xmlsysd.Node) {
		for _, key := range nodeVM {
			if key == n.Key {
				g.sampleOf(n, g.family("node_vmstat_"+key, unknown, ""), plain)
			}
		}
	})
}

func nodeNetwork(g *grow) {
	g.counters(func(g *grow, n *xmlsysd.Node, protocol, field string) {
		if nodeShows(protocol, field) {
			g.sampleOf(n, g.family("node_netstat_"+protocol+"_"+xmlsysd.TagOf(field), unknown, ""), plain)
		}
	})
	g.node("proc/net/sockstat/used", "sockstat_sockets_used", gauge, plain)
	for _, l := range [][2]string{
		{"sockstat/tcp/inuse", "TCP_inuse"},
		{"sockstat/tcp/orphan", "TCP_orphan"},
		{"sockstat/tcp/timewait", "TCP_tw"},
		{"sockstat/tcp/alloc", "TCP_alloc"},
		{"sockstat/tcp/mem", "TCP_mem"},
		{"sockstat/udp/inuse", "UDP_inuse"},
		{"sockstat/udp/mem", "UDP_mem"},
		{"sockstat/raw/inuse", "RAW_inuse"},
		{"sockstat/frag/inuse", "FRAG_inuse"},
		{"sockstat/frag/memory", "FRAG_memory"},
		{"sockstat/udplite/inuse", "UDPLITE_inuse"},
		{"sockstat6/tcp6/inuse", "TCP6_inuse"},
		{"sockstat6/udp6/inuse", "UDP6_inuse"},
		{"sockstat6/udplite6/inuse", "UDPLITE6_inuse"},
		{"sockstat6/raw6/inuse", "RAW6_inuse"},
		{"sockstat6/frag6/inuse", "FRAG6_inuse"},
		{"sockstat6/frag6/memory", "FRAG6_memory"},
	} {
		g.node("proc/net/"+l[0], "sockstat_"+l[1], gauge, plain)
	}
	g.node("proc/net/sockstat/tcp/mem", "sockstat_TCP_mem_bytes", gauge, pages())
	g.node("proc/net/sockstat/udp/mem", "sockstat_UDP_mem_bytes", gauge, pages())
	const softnet = "proc/net/softnet_stat/cpu"
	g.list(softnet, "cpu", nil, nil)
	g.node(softnet+"/processed", "softnet_processed_total", counter, plain)
	g.node(softnet+"/dropped", "softnet_dropped_total", counter, plain)
	g.node(softnet+"/time_squeeze", "softnet_times_squeezed_total", counter, plain)
	g.node("proc/net/nf_conntrack/count", "nf_conntrack_entries", gauge, plain)
	g.node("proc/net/nf_conntrack/max", "nf_conntrack_entries_limit", gauge, plain)
	for _, event := range []string{"found", "invalid", "ignore", "insert", "insert_failed", "drop", "early_drop", "search_restart"} {
		g.node("proc/net/nf_conntrack/"+event, "nf_conntrack_stat_"+event, gauge, plain)
	}
}

// unknownSpeed is the speed of a link that has one which its driver does not know:
// the kernel says -1 Mb/s, and that is shown.
var unknownSpeed = []byte("-125000")

func nodeInterfaces(g *grow) {
	g.label(interfaceAt+"/name", "device", isLoopback)
	for _, c := range netColumns {
		g.add(interfaceAt+"/"+c.leaf, step{action: sample, group: traffic, family: g.family("node_network_"+c.name, counter, "")})
	}
	g.node(interfaceAt+"/mtu", "network_mtu_bytes", gauge, plain)
	g.node(interfaceAt+"/ifindex", "network_iface_id", gauge, plain)
	g.node(interfaceAt+"/carrier_changes", "network_carrier_changes_total", counter, plain)
	for _, c := range []struct {
		leaf, name string
		kind       kind
	}{
		{"flags", "flags", gauge},
		{"link", "iface_link", gauge},
		{"link_mode", "iface_link_mode", gauge},
		{"group", "net_dev_group", gauge},
		{"type", "protocol_type", gauge},
		{"queue_length", "transmit_queue_length", gauge},
		{"carrier", "carrier", gauge},
		{"dormant", "dormant", gauge},
		{"carrier_up", "carrier_up_changes_total", counter},
		{"carrier_down", "carrier_down_changes_total", counter},
	} {
		g.node(interfaceAt+"/"+c.leaf, "network_"+c.name, c.kind, plain)
	}
	var assigned [len(assignments)]familyID
	for i, a := range assignments {
		assigned[i] = g.family("node_network_"+a.name, gauge, "")
	}
	nohandler := g.family("node_network_receive_nohandler_total", counter, "")
	speed := g.family("node_network_speed_bytes", gauge, "")
	up := g.family("node_network_up", gauge, "")
	info := g.family("node_network_info", gauge, "")
	g.keepInterface()
	g.list(interfaceAt, "", nil, func(s *scrape) {
		switch {
		case s.kept[keptSpeed] != nil:
			s.add(speed, "", megabits, s.kept[keptSpeed])
		case s.kept[keptDuplex] != nil:
			s.add(speed, "", plain, unknownSpeed)
		}
		if s.live != nil && s.left&traffic == 0 && len(s.kept[keptName]) > 0 {
			if number := s.live.unhandled(s.kept[keptName]); number != nil {
				s.add(nohandler, "", plain, number)
			}
		}
		for i, number := range s.facts.assignments(s.kept[keptName]) {
			if number != nil {
				s.add(assigned[i], "", plain, number)
			}
		}
		if s.kept[keptState] == nil {
			return
		}
		s.flag(up, "", string(s.kept[keptState]) == "up")
		s.with(`address="`, s.kept[keptMAC])
		s.with(`broadcast="`, s.kept[keptBroadcast])
		s.with(`duplex="`, s.kept[keptDuplex])
		s.with(`ifalias="`, s.kept[keptAlias])
		s.with(`operstate="`, s.kept[keptState])
		s.add(info, "", plain, one)
	})
}

func nodeStorage(g *grow) {
	for _, c := range diskColumns {
		g.node(diskAt+"/"+c.leaf, "disk_"+c.name, c.kind, c.scale)
	}
	disk := g.family("node_disk_info", gauge, "")
	filesystem, mapper := g.family("node_disk_filesystem_info", gauge, ""), g.family("node_disk_device_mapper_info", gauge, "")
	var ata [len(ataNumbers)]familyID
	for i, n := range ataNumbers {
		ata[i] = g.family("node_disk_"+n[0], gauge, "")
	}
	g.keep(diskAt, "major", "minor")
	g.list(diskAt, "device", isPart, func(s *scrape) {
		if s.kept[0] == nil || s.kept[1] == nil {
			return
		}
		d := s.facts.disk(s.kept[0], s.kept[1])
		for i, number := range d.ata {
			if number != nil {
				s.add(ata[i], "", plain, number)
			}
		}
		if d.filesystem != "" {
			s.add(filesystem, d.filesystem, plain, one)
		}
		if d.mapper != "" {
			s.add(mapper, d.mapper, plain, one)
		}
		s.with(`major="`, s.kept[0])
		s.with(`minor="`, s.kept[1])
		s.add(disk, d.labels, plain, one)
	})
	failed := g.family("node_filesystem_device_error", gauge, "")
	g.keep(fsAt, "stale", "device_error")
	g.list(fsAt, "mountpoint", isHiddenMount, func(s *scrape) {
		if s.kept[0] != nil && s.kept[1] != nil {
			s.flag(failed, "", s.kept[0][0] == '1' || s.kept[1][0] == '1')
		}
	})
	g.label(fsAt+"/device", "device", nil)
	g.label(fsAt+"/type", "fstype", isHiddenFS)
	for _, c := range [][2]string{
		{"size", "size_bytes"},
		{"free", "free_bytes"},
		{"avail", "avail_bytes"},
		{"files", "files"},
		{"files_free", "files_free"},
		{"readonly", "readonly"},
	} {
		g.node(fsAt+"/"+c[0], "filesystem_"+c[1], gauge, plain)
	}
	g.node("proc/sys/fs/file_nr/allocated", "filefd_allocated", gauge, plain)
	g.node("proc/sys/fs/file_nr/max", "filefd_maximum", gauge, plain)
	g.node("proc/sys/kernel/entropy_avail", "entropy_available_bits", gauge, plain)
	g.node("proc/sys/kernel/poolsize", "entropy_pool_size_bits", gauge, plain)
}

func nodeHost(g *grow) {
	uname := g.family("node_uname_info", gauge, "")
	os, version := g.family("node_os_info", gauge, ""), g.family("node_os_version", gauge, "")
	names := []string{"machine", "nodename", "release", "sysname", "version"}
	labels := make([]string, len(names))
	for i, n := range names {
		labels[i] = labelName(n)
	}
	g.keep(hostAt, names...)
	g.list(hostAt, "", nil, func(s *scrape) {
		o := s.facts.system()
		if o.labels != "" {
			s.add(os, o.labels, plain, one)
			s.add(version, o.short, plain, o.version)
		}
		for i, l := range labels {
			s.with(l, s.kept[i])
		}
		s.add(uname, o.domain, plain, one)
	})
	now := g.family("node_time_seconds", gauge, "")
	zone := g.family("node_time_zone_offset_seconds", gauge, "")
	available := g.family("node_time_clocksource_available_info", gauge, "")
	current := g.family("node_time_clocksource_current_info", gauge, "")
	g.keep(clockAt, "utcoffset")
	g.list(clockAt, "", nil, func(s *scrape) {
		s.seconds(now)
		if s.facts == nil {
			return
		}
		for _, c := range s.facts.clocks() {
			s.add(available, c.labels, plain, one)
			if c.current {
				s.add(current, c.labels, plain, one)
			}
		}
		name, _ := s.now.Local().Zone()
		s.with(`time_zone="`, []byte(name))
		s.add(zone, "", plain, s.kept[0])
	})
	for _, c := range []struct {
		leaf, name string
		kind       kind
		scale      scale
	}{
		{"status", "status", gauge, plain},
		{"frequency", "frequency_adjustment_ratio", gauge, ratio},
		{"constant", "loop_time_constant", gauge, plain},
		{"tick", "tick_seconds", gauge, microseconds},
		{"tai", "tai_offset_seconds", gauge, plain},
		{"pps_frequency", "pps_frequency_hertz", gauge, frequency},
		{"pps_jitter", "pps_jitter_seconds", gauge, microseconds},
		{"pps_shift", "pps_shift_seconds", gauge, plain},
		{"pps_stability", "pps_stability_hertz", gauge, frequency},
		{"jitters", "pps_jitter_total", counter, plain},
		{"calibrations", "pps_calibration_total", counter, plain},
		{"calibration_errors", "pps_error_total", counter, plain},
		{"stability_excesses", "pps_stability_exceeded_total", counter, plain},
	} {
		g.node(clockAt+"/"+c.leaf, "timex_"+c.name, c.kind, c.scale)
	}
	g.node(clockAt+"/synchronized", "timex_sync_status", gauge, plain)
	g.node(clockAt+"/offset", "timex_offset_seconds", gauge, microseconds)
	g.node(clockAt+"/maxerror", "timex_maxerror_seconds", gauge, microseconds)
	g.node(clockAt+"/esterror", "timex_estimated_error_seconds", gauge, microseconds)
}

// nodeShows reports whether node_exporter shows a counter of the network by
// default.
func nodeShows(protocol, field string) bool {
	if field == "InErrors" || field == "InErrs" {
		return true
	}
	is := func(list ...string) bool { return slices.Contains(list, field) }
	switch protocol {
	case "Ip":
		return is("Forwarding")
	case "Ip6", "IpExt":
		return is("InOctets", "OutOctets")
	case "Icmp", "Icmp6":
		return is("InMsgs", "OutMsgs")
	case "TcpExt":
		return strings.HasPrefix(field, "Listen") || strings.HasPrefix(field, "Syncookies") || is("TCPSynRetrans", "TCPTimeouts")
	case "Tcp":
		return is("ActiveOpens", "PassiveOpens", "CurrEstab", "InSegs", "OutSegs", "OutRsts", "RetransSegs")
	case "Udp", "Udp6":
		return is("InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors")
	}
	return false
}
