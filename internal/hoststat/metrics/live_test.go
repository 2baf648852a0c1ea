// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
)

// What is in no section follows the selection of a section that is next to it.
func TestLiveSelected(t *testing.T) {
	o := host()
	o["sys/class/net/eth0/statistics/rx_nohandler"] = "42\n"
	o["sys/class/net/lo/statistics/rx_nohandler"] = "43\n"
	s := newServer(t, o.write(t))
	const unhandled, arp, selinux, textfile = "node_network_receive_nohandler_total|device=eth0", "node_arp_entries|device=eth0", "node_selinux_enabled", "node_textfile_scrape_error"
	for query, want := range map[string]map[string]float64{
		"":                              {arp: 2, "node_arp_entries|device=eth1": 1, textfile: 0},
		"?on=loadavg":                   {arp: none, unhandled: none, selinux: none, textfile: none, "node_load1": 0.2},
		"?off=/proc/net/dev&on=loadavg": {arp: none, unhandled: none, textfile: 0},
		"?off=agent":                    {arp: 2, textfile: none},
	} {
		got := parse(t, exposition(t, s.Node, query))
		got.want(t, want)
		if _, ok := got.samples[selinux]; !ok && query == "" {
			t.Errorf("%s is missing", selinux)
		}
	}
	if got := exposition(t, s.Native, ""); strings.Contains(got, "node_") {
		t.Error("weir's names have some of node_exporter's among them")
	}
}

// newTestLive returns what reads a fixture.
func newTestLive(t *testing.T, f files) *live {
	t.Helper()
	o := f.write(t)
	e, err := hoststat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	background := newLane(e, newPlan(e.Model(), nodeTable))
	l := newLive(e, o.Root, background, new(answers))
	t.Cleanup(func() {
		l.close()
		background.close()
		e.Close()
	})
	return l
}

// A file that is no table of addresses has none, and interfaces of any name are
// counted.
func TestNeighbours(t *testing.T) {
	const heading = "IP address       HW type     Flags       HW address            Mask     Device\n"
	for text, want := range map[string]map[string]uint64{
		"":                                 {},
		heading:                            {},
		heading + "\n\n":                   {},
		heading + "192.0.2.1 0x1 * a\"b":   {"a\"b": 1},
		heading + "1 * z\n2 * a\n3 * z \n": {"a": 1, "z": 2},
	} {
		l := newTestLive(t, files{"proc/net/arp": text})
		list, err := l.neighbours()
		got := map[string]uint64{}
		for _, n := range list {
			got[string(n.device)] += n.count
		}
		if err != nil || !maps.Equal(got, want) || len(list) != len(want) || !slices.IsSortedFunc(list, func(a, b neighbours) int { return slices.Compare(a.device, b.device) }) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	if list, err := newTestLive(t, files{}).neighbours(); err == nil {
		t.Errorf("without a file: %v, want an error", list)
	}
}

func TestUnhandled(t *testing.T) {
	l := newTestLive(t, files{"sys/class/net/eth0/statistics/rx_nohandler": "18446744073709551615\n"})
	for range 2 {
		if got := string(l.unhandled([]byte("eth0"))); got != "18446744073709551615" {
			t.Errorf("%q", got)
		}
	}
	if got := l.unhandled([]byte("eth1")); got != nil {
		t.Errorf("of an interface that is not there: %q", got)
	}
}

func TestSELinuxModes(t *testing.T) {
	for _, tt := range []struct{ config, enforce, configured, current string }{
		{"", "", "-1", "-1"},
		{"# SELINUX=enforcing\nSELINUX=permissive\nSELINUXTYPE=default\n", "1", "0", "1"},
		{"SELINUX=enforcing\n", "0\n", "1", "0"},
		{"SELINUX=disabled\n", "2", "-1", "-1"},
	} {
		l := newTestLive(t, files{"root/etc/selinux/config": tt.config, "sys/fs/selinux/enforce": tt.enforce})
		if configured, current := l.selinuxModes(); configured != tt.configured || current != tt.current {
			t.Errorf("%+v: %s, %s", tt, configured, current)
		}
		if l.isSELinux() {
			t.Error("a directory of a disk is SELinux")
		}
	}
}
