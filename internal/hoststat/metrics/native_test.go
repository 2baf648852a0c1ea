// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/peer"
)

// TestLint has Prometheus' own tool judge the native names.
func TestLint(t *testing.T) {
	tool := peer.Need(t, "promtool")
	for name, o := range map[string]hoststat.Options{"fixture": host().write(t), "this host": {}} {
		t.Run(name, func(t *testing.T) {
			c := exec.Command(tool, "check", "metrics")
			c.Stdin = strings.NewReader(exposition(t, newServer(t, o).Native, ""))
			if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("promtool check metrics: %v\n%s", err, out)
			}
		})
	}
}

// TestOpenMetrics has Prometheus read both views in OpenMetrics.
func TestOpenMetrics(t *testing.T) {
	tool := peer.Need(t, "promtool")
	s := newServer(t, host().write(t))
	for name, h := range map[string]*view{"native": s.views[0], "node": s.views[1]} {
		t.Run(name, func(t *testing.T) {
			w := get(t, h, "/metrics", "Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
			if kind := w.Header().Get("Content-Type"); kind != typeOpenMetrics {
				t.Fatalf("content type %s", kind)
			}
			checkOpenMetrics(t, w.Body.String())
			// What the tool makes blocks of has to have time stamps.
			var timed bytes.Buffer
			for line := range strings.Lines(w.Body.String()) {
				if line[0] != '#' {
					line = strings.TrimSuffix(line, "\n") + " 1700000000\n"
				}
				timed.WriteString(line)
			}
			dir := t.TempDir()
			in := filepath.Join(dir, "in")
			if err := os.WriteFile(in, timed.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(tool, "tsdb", "create-blocks-from", "openmetrics", in, filepath.Join(dir, "out")).CombinedOutput(); err != nil {
				t.Errorf("promtool: %v\n%s", err, out)
			}
		})
	}
}

// checkOpenMetrics demands what the tool does not: families that come once, with
// their own samples and no others behind them, and the end.
func checkOpenMetrics(t *testing.T, exposition string) {
	t.Helper()
	body, end := strings.CutSuffix(exposition, "# EOF\n")
	if !end || strings.Contains(body, "# EOF") {
		t.Error("no end, or more than one")
	}
	seen := map[string]bool{}
	var family, kind string
	for line := range strings.Lines(body) {
		words := strings.Fields(line)
		if words[0] == "#" {
			if words[1] != "TYPE" {
				continue
			}
			if family, kind = words[2], words[3]; seen[family] {
				t.Errorf("family %s comes twice", family)
			}
			seen[family] = true
			continue
		}
		name, _, _ := strings.Cut(words[0], "{")
		want := family
		if kind == "counter" {
			want += "_total"
		}
		if kind == "summary" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
		}
		if name != want {
			t.Errorf("sample %s in family %s of type %s", name, family, kind)
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d families", len(seen))
	}
}

func TestNativeFixture(t *testing.T) {
	s := newServer(t, host().write(t))
	parse(t, exposition(t, s.Native, "")).want(t, map[string]float64{
		"weir_cpu_seconds_total|cpu=2|mode=system":     0.3,
		"weir_cpu_seconds_total|cpu=0|mode=steal":      0.08,
		"weir_cpu_seconds_total|cpu=1|mode=user":       none,
		"weir_cpu_guest_seconds_total|cpu=0|mode=nice": 0.1,
		"weir_load15":                                                    12.12,
		"weir_interrupts_total":                                          77,
		"weir_boot_time_seconds":                                         1000,
		"weir_processes|state=blocked":                                   1,
		"weir_meminfo_bytes|field=Active(anon)":                          3072,
		"weir_meminfo_pages|field=HugePages_Total":                       7,
		"weir_vmstat_level|field=nr_free_pages":                          5,
		"weir_vmstat_total|field=oom_kill":                               7,
		"weir_pressure_seconds_total|kind=some|resource=cpu":             2.5,
		"weir_pressure_ratio|kind=some|resource=cpu|window=10s":          0.015,
		"weir_network_receive_bytes_total|device=lo":                     1,
		"weir_network_transmit_colls_total|device=eth0":                  114,
		"weir_sockets|protocol=tcp|state=timewait":                       4,
		"weir_sockets_used":                                              294,
		"weir_socket_memory_bytes|protocol=udp":                          9 * float64(os.Getpagesize()),
		"weir_snmp_level|field=MaxConn|protocol=Tcp":                     -1,
		"weir_snmp_total|field=InOctets|protocol=Ip6":                    7,
		"weir_snmp_total|field=InOctets|protocol=IpExt":                  18446744073709551615,
		"weir_softnet_times_squeezed_total|cpu=2":                        1,
		"weir_conntrack_limit":                                           65536,
		"weir_disk_read_bytes_total|device=sda1":                         1536,
		"weir_disk_discard_time_seconds_total|device=dm-0":               0.015,
		"weir_disk_discard_time_seconds_total|device=sda":                none,
		"weir_open_files_limit":                                          1631329,
		"weir_hwmon_fan_rpm|chip=coretemp|label=|sensor=coretemp.0/fan2": 1200,
		"weir_section_up|section=proc/stat":                              1,
		"weir_section_up|section=proc/mdstat":                            none,
	})
	const core = "weir_hwmon_temperature_celsius|chip=coretemp|label=Core \"0\"|sensor=coretemp.0/temp1"
	parse(t, exposition(t, s.Native, "")).want(t, map[string]float64{core: 45.5})
}

// TestOddNames has names that no sane host has, and Prometheus read them.
func TestOddNames(t *testing.T) {
	odd := files{
		"proc/diskstats":      "8 0 a\"b\\c 1 2 3 4 5 6 7 8 9 10 11\n8 16 \xff<\x01> 1 2 3 4 5 6 7 8 9 10 11\n",
		"proc/net/dev":        "h\nh\n n7<\": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n n\\n: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"proc/1/mountinfo":    "36 35 8:1 / /m\\040t\\012\\134\" rw - ext4 /dev/d\\\" rw\n37 35 8:2 / /b\xfe rw - xfs d}{ ro\n",
		"proc/meminfo":        "A\"b\\c(d e): 1 kB\nMemTotal: 4 kB\n",
		"proc/vmstat":         "pg\"x\\y 1\n",
		"proc/stat":           "cpu 1 2 3 4\ncpu0 1 2 3 4\n",
		"root/m t\n\\\"/file": "", "root/b\xfe/file": "",
	}
	s := newServer(t, odd.write(t))
	native := parse(t, exposition(t, s.Native, ""))
	native.want(t, map[string]float64{
		"weir_disk_io_now|device=a\"b\\c":                                              9,
		"weir_disk_io_now|device=\ufffd<\x01>":                                         9,
		"weir_network_receive_bytes_total|device=n7<\"":                                1,
		"weir_network_receive_bytes_total|device=n\\n":                                 1,
		"weir_meminfo_bytes|field=A\"b\\c(d e)":                                        1024,
		"weir_vmstat_total|field=pg\"x\\y":                                             1,
		"weir_filesystem_readonly|device=/dev/d\\\"|fstype=ext4|mountpoint=/m t\n\\\"": 0,
		"weir_filesystem_readonly|device=d}{|fstype=xfs|mountpoint=/b\ufffd":           1,
	})
	parse(t, exposition(t, s.Node, "")).want(t, map[string]float64{"node_memory_A_b_c_d_e_bytes": 1024, "node_disk_io_now|device=a\"b\\c": 9})
}
