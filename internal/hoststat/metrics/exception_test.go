// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/collect"
	"github.com/weir-io/weir/internal/wait"
)

// exception is what node_exporter shows by default and weir does not.
type exception struct {
	begins []string // of names; those that end in a blank are whole
	reason string
}

// exceptions are all of them; docs/metrics.md has the list.
var exceptions = []exception{
	{
		[]string{"node_textfile_mtime_seconds "},
		"text files are not read, nor is what other programs put there; `node_textfile_scrape_error` is 0",
	},
	{
		[]string{"node_systemd_"},
		"units are told by a program and not by the kernel; the collector is shown as one that found nothing",
	},
	{
		[]string{"node_btrfs_device_unused_bytes ", "node_btrfs_device_errors_total "},
		"only root may ask for them, by a file of each mount; `node_btrfs_device_size_bytes` has no label `btrfs_dev_uuid`, as node_exporter's has none if it is not root",
	},
}

// exceptionOf returns the exception that a series of node_exporter is, nil if weir
// has to show it.
func exceptionOf(series string) *exception {
	name, _, _ := strings.Cut(series, "|")
	for i := range exceptions {
		x := &exceptions[i]
		if slices.ContainsFunc(x.begins, func(begin string) bool { return strings.HasPrefix(name+" ", begin) }) {
			return x
		}
	}
	return nil
}

// isOwn reports whether a series has values of labels of the program that shows it.
func isOwn(series string) bool {
	return strings.HasPrefix(series, "node_exporter_build_info|") || strings.HasPrefix(series, "go_info|")
}

// TestCollectors tests that each collector which node_exporter has by default is shown
// once.
func TestCollectors(t *testing.T) {
	var names []string
	for _, c := range collectors {
		names = append(names, c.name)
	}
	names = append(append(names, liveCollectors[:]...), collect.Names()...)
	slices.Sort(names)
	if once := slices.Compact(slices.Clone(names)); len(once) != len(names) {
		t.Errorf("some are shown twice: %v", names)
	}
	const series = "node_scrape_collector_success|collector="
	var want []string
	for s := range parse(t, newExporter(t).get(t, "")).samples {
		if name, ok := strings.CutPrefix(s, series); ok {
			want = append(want, name)
		}
	}
	if slices.Sort(want); !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}

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
		"node_arp_entries|device=eth0": false, "node_hwmon_temp_celsius|chip=a|sensor=temp1": false, "node_hwmon_temp_max_celsius|chip=a|sensor=temp1": false,
		"node_udp_queues|ip=v4|queue=rx": false, "go_goroutines": false, "node_exporter_build_info|branch=": false,
		"node_systemd_units|state=active": true, "node_scrape_collector_success|collector=systemd": false,
		"node_textfile_mtime_seconds|file=a": true, "node_textfile_scrape_error": false,
		"node_btrfs_device_unused_bytes|device=sda": true, "node_btrfs_device_size_bytes|device=sda": false,
	} {
		if got := exceptionOf(series) != nil; got != want {
			t.Errorf("%s is an exception: %v, want %v", series, got, want)
		}
	}
}
