// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statsource

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

func everything(xmlsysd.NodeID) bool { return true }

// What the document's elements become: a change here is one of the trace's format.
func TestEvents(t *testing.T) {
	const want = `system/time: time
system/identity: hostname hostip
system/users: users
system/host: sysname nodename release version machine boot_id machine_id os_id os_version os_name virtualization page_size_bytes
system/clock: monotonic_us boottime_us hz utcoffset_s synchronized offset_us maxerror_us esterror_us status frequency constant tick_us tai_s pps_frequency pps_jitter_us pps_shift pps_stability jitters calibrations calibration_errors stability_excesses
system/filesystems/fs: id device type readonly size_bytes free_bytes avail_bytes files files_free stale device_error
system/numa/node: id meminfo_… numastat_… distance cpulist
system/sensors/sensor: id chip kind label input min max crit alarm fault device
system/thermal/zone: id type temp_C
system/thermal/cooling: id type cur_state max_state
system/cpufreq/policy: id cur_kHz min_kHz max_kHz governor driver
system/cgroups: version
system/cgroups/cgroup: id cpu_… memory_… io_… pids_… pressure_…
system/sessions/session: id user line from login_s pid
system/agent: version pid start_s cpu_us rss_bytes connections messages bytes errors
system/agent/section: id calls last_us max_us bytes errors
system/errors/error: id path code text
system/triggers/trigger: id count age_us
proc/stat: page_in page_out swap_in swap_out intr ctxt processes cpu_total_user cpu_total_nice cpu_total_sys cpu_total_tot cpu_total_idle cpu_total_iowait cpu_total_irq cpu_total_softirq cpu_total_steal cpu_total_guest cpu_total_guest_nice btime procs_running procs_blocked softirq
proc/stat/cpu: id user nice sys tot idle iowait irq softirq steal guest guest_nice
proc/meminfo: memory_total memory_used memory_free memory_shared memory_buffers memory_cached memory_available swap_total swap_used swap_free detail_…
proc/net/dev/interface: id devtype devid name ip host receive_bytes receive_packets receive_errs receive_drop receive_fifo receive_frame receive_compressed receive_multicast transmit_bytes transmit_packets transmit_errs transmit_drop transmit_fifo transmit_collisions transmit_carrier transmit_compressed ifindex mtu_bytes speed operstate carrier_changes mac broadcast ifalias duplex flags link link_mode group type queue_length carrier dormant carrier_up carrier_down addresses_address[id ip prefix]
proc/net/sockstat: used tcp_inuse tcp_orphan tcp_timewait tcp_alloc tcp_mem udp_inuse udp_mem raw_inuse frag_inuse frag_memory udplite_inuse
proc/net/sockstat6: tcp6_inuse udp6_inuse udplite6_inuse raw6_inuse frag6_inuse frag6_memory
proc/net/snmp: ip_… icmp_… icmpmsg_… tcp_… udp_… udplite_…
proc/net/snmp6: …
proc/net/netstat: tcpext_… ipext_… mptcpext_…
proc/net/softnet_stat/cpu: id processed dropped time_squeeze received_rps flow_limit backlog
proc/net/nf_conntrack: count max found invalid ignore insert insert_failed drop early_drop search_restart
proc/net/sockstates/tcpstate: id inet inet6
proc/loadavg: load1 load5 load15 running threads last_pid
proc/cpuinfo/processor: id vendor_id family model_num model_name clock_MHz cachesize_KB stepping microcode physical_id core_id implementer architecture variant part revision
proc/sysvipc: msgbufs msgtot sembufs semtot shmbufs shmtot msgqnum
proc/version: version
proc/uptime: up_s idle_s
proc/vmstat: …
proc/diskstats/disk: id major minor reads_completed reads_merged reads_sectors reads_time_ms writes_completed writes_merged writes_sectors writes_time_ms discards_completed discards_merged discards_sectors discards_time_ms io_inflight io_time_ms io_weighted_ms flushes_completed flushes_time_ms
proc/pressure/cpu: some_avg10 some_avg60 some_avg300 some_total_us full_avg10 full_avg60 full_avg300 full_total_us
proc/pressure/memory: some_avg10 some_avg60 some_avg300 some_total_us full_avg10 full_avg60 full_avg300 full_total_us
proc/pressure/io: some_avg10 some_avg60 some_avg300 some_total_us full_avg10 full_avg60 full_avg300 full_total_us
proc/pressure/irq: full_avg10 full_avg60 full_avg300 full_total_us
proc/interrupts/irq: id total source cpu[id count]
proc/softirqs/softirq: id total cpu[id count]
proc/schedstat: version
proc/schedstat/cpu: id run_time_ns wait_time_ns timeslices
proc/swaps/swapdev: id type size_bytes used_bytes priority
proc/mdstat/array: id state level disks_total disks_active disks_failed disks_spare blocks blocks_synced
proc/sys/fs: file_nr_allocated file_nr_free file_nr_max inode_nr_… dentry_state_…
proc/sys/kernel: entropy_avail_bits pid_max threads_max poolsize_bits
proc/tasks: count_total count_running count_sleeping count_disk count_stopped count_traced count_zombie count_idle count_threads
proc/tasks/task: id name user state ppid utime_ticks stime_ticks priority nice threads start_ticks vsize_bytes rss_bytes processor wait_ns cgroup cmdline io_rchar io_wchar io_read_bytes io_write_bytes
proc/file/line: path id field[id field]
`
	p := newPlan(xmlsysd.NewModel())
	var got strings.Builder
	p.events(everything, func(n *nodeInfo) {
		fields := fieldNames(p, n)
		got.WriteString(n.Path + ": " + strings.Join(fields, " ") + "\n")
		slices.Sort(fields)
		if unique := slices.Compact(slices.Clone(fields)); len(unique) != len(fields) {
			t.Errorf("%s: two fields of a name in %q", n.Path, fields)
		}
	})
	g, w := strings.Split(got.String(), "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("event %d:\ngot  %s\nwant %s", i, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
	for i := range p.nodes { // what walks rely on
		if n := &p.nodes[i]; len(n.lists) > 1 || n.role == list && len(n.lists) > 0 {
			t.Errorf("%s has the lists %v below it", n.Path, n.lists)
		}
	}
}

// fieldNames lists the fields of an event. A list has those of its elements in
// brackets, what the kernel names is dots.
func fieldNames(p *plan, of *nodeInfo) (all []string) {
	for _, f := range inheritedKeys(p, of) {
		all = append(all, f.Name)
	}
	for i := range p.nodes {
		n := &p.nodes[i]
		switch {
		case n.owner != of.id || p.listOf(n.Parent) != nil:
		case n.Names:
			all = append(all, strings.TrimPrefix(strings.TrimPrefix(n.Path, of.Path)+"/…", "/"))
			all[len(all)-1] = strings.ReplaceAll(all[len(all)-1], "/", "_")
		case n.role == list:
			var names []string
			for _, f := range keysOf(n) {
				names = append(names, f.Name)
			}
			for _, id := range n.leaves {
				names = append(names, p.of(id).field)
			}
			all = append(all, n.field+"["+strings.Join(names, " ")+"]")
		case n.Leaf:
			all = append(all, n.field)
		}
	}
	return all
}

// What the kernel names is in events once it is known.
func TestNamesComeLater(t *testing.T) {
	m := xmlsysd.NewModel()
	p := newPlan(m)
	if _, ok := m.Named(m.Must("proc/net/snmp/tcp"), "MaxConn", ""); !ok {
		t.Fatal("no name")
	}
	id, _ := m.Named(m.Must("proc/meminfo/detail"), "Active(anon)", "bytes")
	if n := p.of(id); n.role != leaf || n.field != "detail_Active_anon_bytes" || p.of(n.owner).Path != "proc/meminfo" {
		t.Errorf("got role %d, field %s of %s", n.role, n.field, p.of(n.owner).Path)
	}
	wanted := 0
	p.events(func(n xmlsysd.NodeID) bool { return n == id }, func(*nodeInfo) { wanted++ })
	if wanted != 1 {
		t.Errorf("%d events have it, want 1", wanted)
	}
}

// The list of events tells where they come from, and what fields they may have.
func TestListEvents(t *testing.T) {
	h := newFakeHost()
	h.hidden = []string{"system/cgroups"}
	h.set("proc/vmstat", func(tape *xmlsysd.Tape) {
		id, _ := h.model.Named(h.model.Must("proc/vmstat"), "pgpgin", "")
		tape.Open(h.model.Must("proc/vmstat"), xmlsysd.Stamp{})
		tape.Uint(id, 1)
		tape.Close()
	})
	s := New(h, nil)
	var text strings.Builder
	for _, pattern := range []string{"sensors", "proc/vmstat", "*rupts*", "cgroups", "nothing"} {
		for _, e := range s.Events(context.Background(), pattern, true) {
			text.WriteString(e.Name + " " + e.Section + " " + e.Class + " " + e.Source)
			if e.Slow {
				text.WriteString(" slow")
			}
			if e.Hidden {
				text.WriteString(" hidden")
			}
			for _, f := range e.Fields[:min(len(e.Fields), 4)] {
				text.WriteString("\n  " + f.Name + ": " + f.Type)
			}
			text.WriteString("\n")
		}
	}
	const want = `system/sensors/sensor sensors all /system/sensors slow
  id: string
  chip: string
  kind: string
  label: string
proc/vmstat vmstat default /proc/vmstat
  pgpgin: unsigned integer
proc/interrupts/irq interrupts all /proc/interrupts
  id: string
  total: unsigned integer
  source: string
  cpu: sequence of {id: unsigned integer, count: unsigned integer}
system/cgroups cgroups by name /system/cgroups hidden
  version: unsigned integer
system/cgroups/cgroup cgroups by name /system/cgroups hidden
  id: string
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
	if all := s.Events(context.Background(), "", false); len(all) < 40 || all[0].Fields != nil {
		t.Errorf("%d events without fields, the first has %v", len(all), all[0].Fields)
	}
}
