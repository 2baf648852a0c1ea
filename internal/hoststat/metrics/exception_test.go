// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/wait"
)

// exception is what node_exporter shows by default and weir does not.
type exception struct {
	begins     []string // of names; those that end in a blank are whole
	collectors []string // of which node_scrape_collector_… is absent, too
	reason     string
}

// exceptions are all of them; docs/metrics.md has the list.
var exceptions = []exception{
	{[]string{"go_", "process_", "promhttp_"}, nil, "they tell of the exporter and not of the host; of a hub `/metrics` has those of the first two"},
	{[]string{"node_udp_queues "}, []string{"udp_queues"}, "the kernel goes through all its sockets to answer, which no scrape should cause"},
	{
		[]string{"node_textfile_mtime_seconds "},
		nil,
		"text files are not read, nor is what other programs put there; `node_textfile_scrape_error` is 0",
	},
	{
		[]string{"node_cpu_core_throttles_total ", "node_cpu_package_throttles_total ", "node_cpu_frequency_", "node_cpu_scaling_"},
		[]string{"cpufreq"},
		"files of each CPU; `weir top` and xmlsysd have frequencies by policy",
	},
	{
		[]string{"node_disk_ata_", "node_disk_device_mapper_info ", "node_disk_filesystem_info "},
		nil,
		"the device manager's words on some disks; `node_disk_info` has those on all",
	},
	{
		[]string{
			"node_hwmon_chip_names ", "node_hwmon_sensor_label ", "node_hwmon_beep_enabled ", "node_hwmon_update_interval_seconds ",
			"node_hwmon_temp_", "node_hwmon_fan_", "node_hwmon_in_", "node_hwmon_power_", "node_hwmon_curr_", "node_hwmon_energy_", "node_hwmon_humidity",
			"node_hwmon_freq_", "node_hwmon_pwm", "node_hwmon_intrusion_", "node_hwmon_cpu_",
		},
		nil,
		"limits, names and rare kinds of sensors; what they measure is shown as `temp_celsius`, `fan_rpm`, `in_volts`, `power_watt` and `curr_amps`",
	},
	{
		[]string{"node_md_", "node_schedstat_", "node_cooling_device_", "node_thermal_zone_temp "},
		[]string{"mdadm", "schedstat", "thermal_zone"},
		"not by these names: `weir_thermal_…`, and xmlsysd's `proc/mdstat` and `proc/schedstat`, have the figures",
	},
	{
		[]string{
			"node_bcache_", "node_bonding_", "node_btrfs_", "node_dmi_", "node_edac_", "node_fibrechannel_", "node_infiniband_", "node_ipvs_", "node_nfs_",
			"node_nfsd_", "node_nvme_", "node_power_supply_", "node_rapl_", "node_systemd_", "node_tape_", "node_xfs_", "node_zfs_",
		},
		[]string{
			"bcache", "bonding", "btrfs", "dmi", "edac", "fibrechannel", "infiniband", "ipvs", "nfs", "nfsd", "nvme", "powersupplyclass", "rapl", "systemd",
			"tapestats", "xfs", "zfs",
		},
		"hardware, file systems and services that xmlsysd has no section for",
	},
}

// measured are the families of sensors that are no exceptions.
var measured = []string{"node_hwmon_temp_celsius", "node_hwmon_fan_rpm", "node_hwmon_in_volts", "node_hwmon_power_watt", "node_hwmon_curr_amps"}

// exceptionOf returns the exception that a series of node_exporter is, nil if weir
// has to show it.
func exceptionOf(series string) *exception {
	name, labels, _ := strings.Cut(series, "|")
	if slices.Contains(measured, name) {
		return nil
	}
	collector, isCollector := strings.CutPrefix(labels, "collector=")
	for i := range exceptions {
		x := &exceptions[i]
		if slices.ContainsFunc(x.begins, func(begin string) bool { return strings.HasPrefix(name+" ", begin) }) {
			return x
		}
		if isCollector && strings.HasPrefix(name, "node_scrape_collector_") && slices.Contains(x.collectors, collector) {
			return x
		}
	}
	return nil
}

// isOwn reports whether a series has values of labels of the program that shows it.
func isOwn(series string) bool { return strings.HasPrefix(series, "node_exporter_build_info|") }

// labelNames are the names of labels by family.
func labelNames(s scraped) map[string]string {
	names := make(map[string]string)
	for series := range s.samples {
		parts := strings.Split(series, "|")
		for i := range parts {
			parts[i], _, _ = strings.Cut(parts[i], "=")
		}
		names[parts[0]] = strings.Join(parts[1:], " ")
	}
	return names
}

// TestNodeExporterLabels compares the names of all labels, also where their values
// are the exporter's own.
func TestNodeExporterLabels(t *testing.T) {
	x := newExporter(t)
	s := newServer(t, hoststat.Options{MinInterval: -1})
	var node, ours scraped
	wait.Until(t, "what is read in the background is there", func() bool {
		node, ours = parse(t, x.get(t, "")), parse(t, exposition(t, s.Node, ""))
		return len(differences(node, ours)) == 0
	})
	got, excepted := labelNames(ours), map[string]bool{}
	for series := range node.samples {
		if name, _, _ := strings.Cut(series, "|"); exceptionOf(series) != nil {
			excepted[name] = true
		}
	}
	for name, labels := range labelNames(node) {
		if l, ok := got[name]; ok && l != labels || !ok && !excepted[name] {
			t.Errorf("%s has labels %q (%v), want %q", name, l, ok, labels)
		}
	}
	if len(got) < 100 {
		t.Errorf("only %d families: %v", len(got), slices.Sorted(maps.Keys(got)))
	}
}

// TestExceptions tests the list that the comparisons go by.
func TestExceptions(t *testing.T) {
	for series, want := range map[string]bool{
		"node_load1": false, "node_memory_MemFree_bytes": false, "node_network_receive_nohandler_total|device=eth0": false,
		"node_arp_entries|device=eth0": false, "node_hwmon_temp_celsius|chip=a|sensor=temp1": false, "node_hwmon_temp_max_celsius|chip=a|sensor=temp1": true,
		"node_udp_queues|ip=v4|queue=rx": true, "go_goroutines": true, "node_exporter_build_info|branch=": false,
		"node_scrape_collector_success|collector=arp": false, "node_scrape_collector_success|collector=nfs": true,
	} {
		if got := exceptionOf(series) != nil; got != want {
			t.Errorf("%s is an exception: %v, want %v", series, got, want)
		}
	}
	for _, x := range exceptions {
		for _, collector := range x.collectors {
			if slices.ContainsFunc(collectors[:], func(c struct{ name, section string }) bool { return c.name == collector }) {
				t.Errorf("%s is shown and an exception", collector)
			}
		}
	}
}
