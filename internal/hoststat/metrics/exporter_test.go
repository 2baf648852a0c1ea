// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/testport"
	"github.com/weir-io/weir/internal/wait"
)

// exporter is a running node_exporter.
type exporter struct {
	url string
	pid int
}

// newExporter starts one, with more arguments, and ends it with the test. It tries
// more than once: another program may take the port that was free, and a dial to a
// port where nobody listens yet may find itself.
func newExporter(t testing.TB, args ...string) *exporter {
	t.Helper()
	program := peer.Need(t, "prometheus-node-exporter")
	const tries = 5
	for try := 1; ; try++ {
		x, said := startExporter(t, program, args)
		switch {
		case x != nil:
			return x
		case try == tries:
			t.Fatalf("node_exporter ended:\n%s", said)
		}
	}
}

// startExporter returns nil, and what the program said, if it ends at once.
func startExporter(t testing.TB, program string, args []string) (x *exporter, said string) {
	t.Helper()
	address, release, err := testport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	var log bytes.Buffer
	c := exec.Command(program, append([]string{"--web.listen-address=" + address}, args...)...)
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the program, which the cleanup kills
		_ = c.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-ended
	})
	over := false
	wait.Until(t, "node_exporter answers", func() bool {
		select {
		case <-ended:
			over = true
			return true
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		defer conn.Close()
		return conn.LocalAddr().String() != address
	})
	if over {
		return nil, log.String()
	}
	return &exporter{"http://" + address + "/metrics", c.Process.Pid}, ""
}

// get scrapes it.
func (x *exporter) get(t testing.TB, query string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, x.url+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: wait.Patience}
	defer client.CloseIdleConnections()
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("node_exporter answers %s: %v", a.Status, err)
	}
	return string(b)
}

// TestNodeExporter compares this host with what node_exporter says of it: the same
// series, the same types, and values between those before and behind.
func TestNodeExporter(t *testing.T) {
	x := newExporter(t)
	s := newServer(t, hoststat.Options{MinInterval: -1})
	var before, ours, behind scraped
	deadline := time.Now().Add(wait.Patience / 2)
	wait.Until(t, "what is read in the background is there", func() bool {
		before = parse(t, x.get(t, ""))
		ours = parse(t, exposition(t, s.Node, ""))
		behind = parse(t, x.get(t, ""))
		return len(differences(before, ours)) == 0 || time.Now().After(deadline) // what is different is told below
	})
	for _, d := range append(differences(before, ours), differences(behind, ours)...) {
		t.Error(d)
	}
	between(t, before, ours, behind)
}

// differences are series and types that only one has.
func differences(node, ours scraped) []string {
	var list []string
	for series := range node.samples {
		if _, ok := ours.samples[series]; !ok && exceptionOf(series) == nil && !isOwn(series) {
			list = append(list, "missing: "+series)
		}
	}
	for series := range ours.samples {
		if _, ok := node.samples[series]; !ok && !isOwn(series) {
			list = append(list, "not of node_exporter: "+series)
		}
	}
	for n, kind := range ours.types {
		if node.types[n] != kind {
			list = append(list, n+": type "+kind+", want "+node.types[n])
		}
	}
	slices.Sort(list)
	return list
}

// volatile are gauges that may be another number at any time.
var volatile = []string{
	"node_load", "node_memory_", "node_sockstat_", "node_procs_", "node_filefd_allocated", "node_entropy_", "node_disk_io_now", "node_timex_",
	"node_arp_entries", "node_filesystem_free_bytes", "node_filesystem_avail_bytes", "node_filesystem_files_free", "node_nf_conntrack_", "node_netstat_Tcp_CurrEstab",
	"node_time_seconds", "node_udp_queues", "node_cpu_frequency_hertz", "node_cpu_scaling_frequency_hertz", "node_thermal_zone_temp", "node_cooling_device_",
	"node_hwmon_", "node_power_supply_",
}

// ofExporter begin the names of what programs show of themselves.
var ofExporter = []string{"go_", "process_", "promhttp_"}

// between demands of samples to be those before, or to lie between those before and
// behind if they rise. Of those that may be anything it demands the magnitude.
func between(t *testing.T, before, ours, behind scraped) {
	t.Helper()
	for series, v := range ours.samples {
		low, high := before.samples[series], behind.samples[series]
		name, _, _ := strings.Cut(series, "|")
		if name == "node_scrape_collector_duration_seconds" || isOwn(series) || slices.ContainsFunc(ofExporter, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if name == "node_cpu_seconds_total" { // iowait and idle may fall a little
			const little = 0.05
			low, high = low-little, high+little
		}
		if slices.ContainsFunc(volatile, func(p string) bool { return strings.HasPrefix(name, p) }) {
			some := 100.0 // below, anything goes
			if name == "node_memory_Writeback_bytes" || name == "node_memory_Dirty_bytes" {
				some = 1 << 30 // what others of the machine write at a moment
			}
			low, high = min(low, high)/2-some, max(low, high)*2+some
		}
		if v < low && !near(v, low) || v > high && !near(v, high) {
			t.Errorf("%s = %v, want %v … %v", series, v, low, high)
		}
	}
}

// host is a fixture with what this host may not have.
func host() files {
	stat := "cpu  11 22 33 44 55 66 77 88 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu2 10 20 30 40 50 60 70 80 0 0\n" +
		"intr 77 1 2 3\nctxt 88\nbtime 1000\nprocesses 99\nprocs_running 2\nprocs_blocked 1\nsoftirq 55 1 2 3 4 5 6 7 8 9 10\n"
	return files{
		"proc/stat":                                 stat,
		"proc/loadavg":                              "0.20 1.18 12.12 1/80 11206\n",
		"proc/meminfo":                              "MemTotal: 16 kB\nMemFree: 8 kB\nActive(anon): 3 kB\nHugePages_Total: 7\nHugepagesize: 2048 kB\nDirectMap4k: 4 kB\n",
		"proc/vmstat":                               "nr_free_pages 5\npgpgin 1\npgpgout 2\npswpin 3\npswpout 4\npgfault 5\npgmajfault 6\noom_kill 7\n",
		"proc/diskstats":                            "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11\n 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n 253       0 dm-0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
		"proc/net/sockstat":                         "sockets: used 294\nTCP: inuse 35 orphan 1 tw 4 alloc 59 mem 22\nUDP: inuse 12 mem 9\nUDPLITE: inuse 1\nRAW: inuse 2\nFRAG: inuse 3 memory 4\n",
		"proc/net/sockstat6":                        "TCP6: inuse 17\nUDP6: inuse 9\nUDPLITE6: inuse 0\nRAW6: inuse 1\nFRAG6: inuse 0 memory 8\n",
		"proc/net/snmp":                             "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: MaxConn CurrEstab InErrs\nTcp: -1 14 2\nUdp: InDatagrams InErrors\nUdp: 5 6\nUdpLite: InErrors\nUdpLite: 7\n",
		"proc/net/netstat":                          "TcpExt: ListenDrops SyncookiesSent TCPTimeouts TW\nTcpExt: 1 2 3 4\nIpExt: InOctets OutOctets\nIpExt: 18446744073709551615 6\n",
		"proc/net/snmp6":                            "Ip6InOctets                     \t7\nIp6InReceives                   \t8\nUdpLite6InErrors                \t9\nIcmp6OutMsgs\t10\n",
		"proc/net/softnet_stat":                     "00000010 00000002 00000003 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n000000ff 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000002\n",
		"proc/net/dev":                              "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  eth0: 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116\n",
		"proc/net/arp":                              "IP address       HW type     Flags       HW address            Mask     Device\n192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n192.0.2.2        0x1         0x0         00:00:00:00:00:00     *        eth1\n192.0.2.3        0x1         0x2         02:fc:00:00:00:06     *        eth0\n",
		"proc/pressure/cpu":                         "some avg10=1.50 avg60=0.00 avg300=0.25 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"proc/pressure/memory":                      "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2\n",
		"proc/pressure/io":                          "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n",
		"proc/sys/fs/file-nr":                       "1024\t0\t1631329\n",
		"proc/sys/fs/inode-nr":                      "1\t2\n",
		"proc/sys/fs/dentry-state":                  "1\t2\t3\t4\t5\t6\n",
		"proc/sys/kernel/random/entropy_avail":      "255\n",
		"proc/sys/kernel/pid_max":                   "4194304\n",
		"proc/sys/kernel/threads-max":               "1000\n",
		"proc/sys/kernel/random/poolsize":           "256\n",
		"proc/sys/net/netfilter/nf_conntrack_count": "17\n",
		"proc/sys/net/netfilter/nf_conntrack_max":   "65536\n",
		"proc/1/mountinfo":                          "",
		"proc/self/mountinfo":                       "",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/device":       "-> ../../../coretemp.0",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/name":         "coretemp\n",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input":  "45500\n",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_label":  "Core \"0\"\n",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/fan2_input":   "1200\n",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/in0_input":    "1050\n",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/curr1_input":  "1500\n",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0/power1_input": "12500000\n",
		"sys/class/hwmon/hwmon0":                                    "-> ../../devices/platform/coretemp.0/hwmon/hwmon0",
		"sys/devices/virtual/hwmon/hwmon1/name":                     "acpitz\n",
		"sys/devices/virtual/hwmon/hwmon1/temp1_input":              "-5000\n",
		"sys/class/hwmon/hwmon1":                                    "-> ../../devices/virtual/hwmon/hwmon1",
		"sys/class/net/.keep":                                       "",
		"root/etc/os-release":                                       "PRETTY_NAME=\"Test OS 7\"\nNAME=\"Test OS\"\nVERSION_ID=\"7.4.1\"\nID=test\nID_LIKE='debian other'\n",
		"root/run/udev/data/b8:0":                                   "S:disk/by-id/x\nE:ID_MODEL=Fast_Disk\nE:ID_PATH=pci-0000:00:1f.2-ata-1\nE:ID_REVISION=1.0\nE:ID_SERIAL_SHORT=S\"1\nE:ID_WWN=0x5\n",
	}
}

// TestNodeExporterFixture compares a host that is files only.
func TestNodeExporterFixture(t *testing.T) {
	o := host().write(t)
	x := newExporter(t, "--path.procfs="+o.ProcRoot, "--path.sysfs="+o.SysRoot, "--path.rootfs="+o.Root,
		"--path.udev.data="+filepath.Join(o.Root, "run/udev/data"), "--no-collector.netdev.netlink")
	s := newServer(t, o)
	node, ours := parse(t, x.get(t, "")), parse(t, exposition(t, s.Node, ""))
	compared := 0
	for series, v := range node.samples {
		name, _, _ := strings.Cut(series, "|")
		switch {
		case exceptionOf(series) != nil, isOwn(series), slices.ContainsFunc(ofExporter, func(p string) bool { return strings.HasPrefix(name, p) }):
		case strings.HasPrefix(name, "node_os_"), strings.HasPrefix(name, "node_uname_"), strings.HasPrefix(name, "node_selinux_"): // of this host in either
		case strings.HasPrefix(name, "node_scrape_"): // it has fewer files than node_exporter wants
		case strings.HasPrefix(name, "node_time"), strings.HasPrefix(name, "node_filesystem_"):
		case strings.Contains(series, "|cpu=1|"), strings.HasSuffix(series, "|cpu=1"): // is not there: it makes up the numbers between
		default:
			compared++
			ours.want(t, map[string]float64{series: v})
		}
	}
	for series := range ours.samples {
		if _, ok := node.samples[series]; !ok && strings.HasPrefix(series, "node_hwmon_") {
			t.Errorf("not of node_exporter: %s", series)
		}
	}
	if compared < 100 {
		t.Errorf("only %d series compared", compared)
	}
	ours.want(t, map[string]float64{
		"node_cpu_seconds_total|cpu=1|mode=user":                        none,
		"node_arp_entries|device=eth0":                                  2,
		"node_softnet_processed_total|cpu=2":                            255,
		"node_hwmon_temp_celsius|chip=platform_coretemp_0|sensor=temp1": 45.5,
		"node_hwmon_temp_celsius|chip=acpitz|sensor=temp1":              -5,
		"node_disk_info|device=sda|major=8|minor=0|model=Fast_Disk|path=pci-0000:00:1f.2-ata-1|revision=1.0|serial=S\"1|wwn=0x5": 1,
		"node_os_version|id=test|id_like=debian other|name=Test OS":                                                              7.4,
	})
}
