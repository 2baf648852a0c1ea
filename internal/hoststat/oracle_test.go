// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"

	"github.com/weir-io/weir/xmlsysd"
)

// oracle reads counters by another program's parsers, under the paths that they
// have here. They are read before and after.
func oracle(t *testing.T) map[string]float64 {
	t.Helper()
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]float64)
	for _, add := range []func(procfs.FS, map[string]float64) error{
		oracleStat, oracleNet, oracleNetDev, oracleNamed, oracleDisks, oraclePressure, oracleSoftirqs,
	} {
		if err := add(fs, m); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func oracleStat(fs procfs.FS, m map[string]float64) error {
	s, err := fs.Stat()
	if err != nil {
		return err
	}
	for id, c := range s.CPU {
		for key, seconds := range map[string]float64{"user": c.User, "nice": c.Nice, "sys": c.System, "irq": c.IRQ, "softirq": c.SoftIRQ, "guest": c.Guest} {
			m[fmt.Sprintf("proc/stat/cpu[%d]/%s", id, key)] = math.Round(seconds * 100)
		}
	}
	m["proc/stat/cpu_total/user"] = math.Round(s.CPUTotal.User * 100)
	m["proc/stat/intr"], m["proc/stat/ctxt"], m["proc/stat/processes"] = float64(s.IRQTotal), float64(s.ContextSwitches), float64(s.ProcessCreated)
	m["proc/stat/btime"], m["proc/stat/softirq"] = float64(s.BootTime), float64(s.SoftIRQTotal)
	return nil
}

func oracleNet(fs procfs.FS, m map[string]float64) error {
	softnet, err := fs.NetSoftnetStat()
	if err != nil {
		return err
	}
	for _, s := range softnet {
		at := fmt.Sprintf("proc/net/softnet_stat/cpu[%d]/", s.Index)
		m[at+"processed"], m[at+"dropped"], m[at+"time_squeeze"] = float64(s.Processed), float64(s.Dropped), float64(s.TimeSqueezed)
	}
	return nil
}

func oracleNetDev(fs procfs.FS, m map[string]float64) error {
	dev, err := fs.NetDev()
	if err != nil {
		return err
	}
	for name, d := range dev {
		kind, number := cutDigits([]byte(name))
		at := fmt.Sprintf("proc/net/dev/interface[][%s][%s]/", kind, number)
		for key, n := range map[string]uint64{
			"receive/bytes": d.RxBytes, "receive/packets": d.RxPackets, "receive/errs": d.RxErrors, "receive/drop": d.RxDropped,
			"receive/fifo": d.RxFIFO, "receive/frame": d.RxFrame, "receive/compressed": d.RxCompressed, "receive/multicast": d.RxMulticast,
			"transmit/bytes": d.TxBytes, "transmit/packets": d.TxPackets, "transmit/errs": d.TxErrors, "transmit/drop": d.TxDropped,
			"transmit/fifo": d.TxFIFO, "transmit/collisions": d.TxCollisions, "transmit/carrier": d.TxCarrier, "transmit/compressed": d.TxCompressed,
		} {
			m[at+key] = float64(n)
		}
	}
	return nil
}

// oracleNamed reads files with the kernel's names: what only grows in them.
func oracleNamed(fs procfs.FS, m map[string]float64) error {
	self, err := fs.Self()
	if err != nil {
		return err
	}
	snmp, err := self.Snmp()
	if err != nil {
		return err
	}
	for path, v := range map[string]*float64{
		"ip/InReceives": snmp.Ip.InReceives, "ip/OutRequests": snmp.Ip.OutRequests, "tcp/ActiveOpens": snmp.Tcp.ActiveOpens, "tcp/InSegs": snmp.Tcp.InSegs,
		"tcp/MaxConn": snmp.Tcp.MaxConn, "udp/InDatagrams": snmp.Udp.InDatagrams, "icmp/InMsgs": snmp.Icmp.InMsgs,
	} {
		if v != nil {
			m["proc/net/snmp/"+path] = *v
		}
	}
	netstat, err := self.Netstat()
	if err != nil {
		return err
	}
	for path, v := range map[string]*float64{
		"tcpext/TCPPureAcks": netstat.TcpExt.TCPPureAcks, "tcpext/DelayedACKs": netstat.TcpExt.DelayedACKs, "ipext/InOctets": netstat.IpExt.InOctets,
	} {
		if v != nil {
			m["proc/net/netstat/"+path] = *v
		}
	}
	info, err := fs.Meminfo()
	if err != nil {
		return err
	}
	m["proc/meminfo/memory/total"], m["proc/meminfo/detail/MemTotal"] = float64(*info.MemTotalBytes), float64(*info.MemTotalBytes)
	m["proc/meminfo/swap/total"] = float64(*info.SwapTotalBytes)
	m["proc/meminfo/detail/Hugepagesize"] = float64(*info.HugepagesizeBytes)
	return nil
}

func oracleDisks(_ procfs.FS, m map[string]float64) error {
	fs, err := blockdevice.NewDefaultFS()
	if err != nil {
		return err
	}
	disks, err := fs.ProcDiskstats()
	if err != nil {
		return err
	}
	for _, d := range disks {
		at := "proc/diskstats/disk[" + d.DeviceName + "]/"
		for key, n := range map[string]uint64{
			"reads/completed": d.ReadIOs, "reads/merged": d.ReadMerges, "reads/sectors": d.ReadSectors, "reads/time": d.ReadTicks,
			"writes/completed": d.WriteIOs, "writes/merged": d.WriteMerges, "writes/sectors": d.WriteSectors, "writes/time": d.WriteTicks,
			"io/time": d.IOsTotalTicks, "io/weighted": d.WeightedIOTicks, "discards/completed": d.DiscardIOs, "discards/sectors": d.DiscardSectors,
			"flushes/completed": d.FlushRequestsCompleted, "flushes/time": d.TimeSpentFlushing,
		} {
			m[at+key] = float64(n)
		}
	}
	return nil
}

func oraclePressure(fs procfs.FS, m map[string]float64) error {
	for _, resource := range []string{"cpu", "memory", "io"} {
		p, err := fs.PSIStatsForResource(resource)
		if err != nil {
			return nil // built without
		}
		m["proc/pressure/"+resource+"/some/total"] = float64(p.Some.Total)
		if p.Full != nil {
			m["proc/pressure/"+resource+"/full/total"] = float64(p.Full.Total)
		}
	}
	return nil
}

func oracleSoftirqs(fs procfs.FS, m map[string]float64) error {
	s, err := fs.Softirqs()
	if err != nil {
		return err
	}
	for name, counts := range map[string][]uint64{"TIMER": s.Timer, "NET_RX": s.NetRx, "SCHED": s.Sched, "RCU": s.RCU} {
		total := uint64(0)
		for i, n := range counts {
			m[fmt.Sprintf("proc/softirqs/softirq[%s]/cpu[%d]/count", name, i)] = float64(n)
			total += n
		}
		m["proc/softirqs/softirq["+name+"]/total"] = float64(total)
	}
	return nil
}

// What only grows is between what another parser read before and after.
func TestCountersLikeProcfs(t *testing.T) {
	e := newEngine(t, Options{MinInterval: -1})
	s := newSession(t, e)
	before := oracle(t)
	samples := s.Sample(t.Context(), all, nil)
	after := oracle(t)
	defer samples.Release()
	ours := make(map[string]string)
	for _, p := range samples.Parts() {
		for path, text := range values(t, e.model, p.Tape) {
			ours[withoutOrdinal(path)] = text
		}
	}
	compared, gone := 0, 0
	for _, path := range slices.Sorted(maps.Keys(before)) {
		text, ok := ours[path]
		if !ok {
			if !isIdleDisk(path, before) {
				t.Errorf("%s is missing, want %v", path, before[path])
			}
			gone++
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < before[path] || n > after[path] {
			t.Errorf("%s = %s, want from %v to %v", path, text, before[path], after[path])
		}
		compared++
	}
	if compared < 100 {
		t.Errorf("%d values compared, %d left out: too few", compared, gone)
	}
}

// withoutOrdinal takes the id of an interface away, which the other has not.
func withoutOrdinal(path string) string {
	const at = "proc/net/dev/interface["
	rest, ok := strings.CutPrefix(path, at)
	if !ok {
		return path
	}
	_, rest, _ = strings.Cut(rest, "]")
	return at + "]" + rest
}

// isIdleDisk reports whether a path is of a disk that is left out while unused.
func isIdleDisk(path string, m map[string]float64) bool {
	at, _, ok := strings.Cut(path, "]/")
	return ok && m[at+"]/reads/completed"] == 0 && (strings.Contains(at, "[loop") || strings.Contains(at, "[ram"))
}

// Times are those of reading: within the request, and in the order of the message.
func TestTimes(t *testing.T) {
	e := newEngine(t, Options{MinInterval: -1})
	s := newSession(t, e)
	from := stampOf(time.Now())
	samples := s.Sample(t.Context(), classes(e.model, xmlsysd.Costly), nil)
	to := stampOf(time.Now())
	defer samples.Release()
	last, count := from, 0
	for _, p := range samples.Parts() {
		if e.sectionOf(e.model.Node(p.Node).Path).lane == slow || strings.HasSuffix(e.model.Node(p.Node).Path, "cpuinfo") {
			continue
		}
		for _, x := range flat(t, e.model, p.Tape) {
			if x.time == (xmlsysd.Stamp{}) {
				continue
			}
			// vmstat shares the reading of stat, which comes before it.
			if less(x.time, last) && !strings.HasPrefix(x.path, "proc/vmstat") || less(to, x.time) {
				t.Errorf("%s has %v, want from %v to %v", x.path, x.time, last, to)
			}
			last = x.time
			count++
		}
	}
	if count < 20 {
		t.Errorf("%d times, want more", count)
	}
}

func less(a, b xmlsysd.Stamp) bool { return a.Sec < b.Sec || a.Sec == b.Sec && a.Usec < b.Usec }
