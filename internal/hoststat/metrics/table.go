// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"os"
	"strconv"
	"strings"

	"github.com/weir-io/weir/xmlsysd"
)

// Elements that both views show.
const (
	statAt      = "proc/stat"
	cpuAt       = "proc/stat/cpu"
	diskAt      = "proc/diskstats/disk"
	interfaceAt = "proc/net/dev/interface"
	fsAt        = "system/filesystems/fs"
	sensorAt    = "system/sensors/sensor"
	hostAt      = "system/host"
	clockAt     = "system/clock"
	agentAt     = "system/agent/section"
	meminfoAt   = "proc/meminfo/detail"
)

// cpuModes are the modes of a CPU by the tags of their leaves.
var cpuModes = [...][2]string{
	{"user", "user"},
	{"nice", "nice"},
	{"sys", "system"},
	{"idle", "idle"},
	{"iowait", "iowait"},
	{"irq", "irq"},
	{"softirq", "softirq"},
	{"steal", "steal"},
}

// pages is the scale of numbers of pages.
func pages() scale { return scale{factor: uint64(os.Getpagesize()), pages: true} }

// diskColumn is a number of a disk: the leaf, the name that both views give it
// without their prefix, and what it is.
type diskColumn struct {
	leaf, name string
	kind       kind
	scale      scale
	help       string
}

var diskColumns = [...]diskColumn{
	{"reads/completed", "reads_completed_total", counter, plain, "Reads that have ended well."},
	{"reads/merged", "reads_merged_total", counter, plain, "Reads that were joined to one before."},
	{"reads/sectors", "read_bytes_total", counter, sectors, "Bytes read."},
	{"reads/time", "read_time_seconds_total", counter, milliseconds, "Time that all reads have taken."},
	{"writes/completed", "writes_completed_total", counter, plain, "Writes that have ended well."},
	{"writes/merged", "writes_merged_total", counter, plain, "Writes that were joined to one before."},
	{"writes/sectors", "written_bytes_total", counter, sectors, "Bytes written."},
	{"writes/time", "write_time_seconds_total", counter, milliseconds, "Time that all writes have taken."},
	{"io/inflight", "io_now", gauge, plain, "Requests that are being served."},
	{"io/time", "io_time_seconds_total", counter, milliseconds, "Time in which there was a request."},
	{"io/weighted", "io_time_weighted_seconds_total", counter, milliseconds, "Time in which there was a request, times their number."},
	{"discards/completed", "discards_completed_total", counter, plain, "Discards that have ended well."},
	{"discards/merged", "discards_merged_total", counter, plain, "Discards that were joined to one before."},
	{"discards/sectors", "discarded_sectors_total", counter, plain, "Sectors of 512 bytes discarded."},
	{"discards/time", "discard_time_seconds_total", counter, milliseconds, "Time that all discards have taken."},
	{"flushes/completed", "flush_requests_total", counter, plain, "Flushes that have ended well."},
	{"flushes/time", "flush_requests_time_seconds_total", counter, milliseconds, "Time that all flushes have taken."},
}

// netColumn is a counter of an interface: the leaf, its name in both views, and
// what it is.
type netColumn struct{ leaf, name, help string }

var netColumns = [...]netColumn{
	{"receive/bytes", "receive_bytes_total", "Bytes received."},
	{"receive/packets", "receive_packets_total", "Packets received."},
	{"receive/errs", "receive_errs_total", "Packets received with errors."},
	{"receive/drop", "receive_drop_total", "Packets received and dropped."},
	{"receive/fifo", "receive_fifo_total", "Packets lost because a queue of the device was full."},
	{"receive/frame", "receive_frame_total", "Packets received with errors of their frame."},
	{"receive/compressed", "receive_compressed_total", "Packets received compressed."},
	{"receive/multicast", "receive_multicast_total", "Packets received that were sent to many."},
	{"transmit/bytes", "transmit_bytes_total", "Bytes sent."},
	{"transmit/packets", "transmit_packets_total", "Packets sent."},
	{"transmit/errs", "transmit_errs_total", "Packets that could not be sent."},
	{"transmit/drop", "transmit_drop_total", "Packets dropped instead of being sent."},
	{"transmit/fifo", "transmit_fifo_total", "Packets not sent because a queue of the device was full."},
	{"transmit/collisions", "transmit_colls_total", "Collisions while sending."},
	{"transmit/carrier", "transmit_carrier_total", "Losses of the carrier while sending."},
	{"transmit/compressed", "transmit_compressed_total", "Packets sent compressed."},
}

// Slots of what is kept of an interface.
const (
	keptState = iota
	keptMAC
	keptBroadcast
	keptAlias
	keptDuplex
	keptSpeed
	keptName
)

func (g *grow) keepInterface() {
	g.keep(interfaceAt, "operstate", "mac", "broadcast", "ifalias", "duplex", "speed", "name")
}

// protocols are the groups of counters of the network by the elements of their
// sections.
var protocols = [...]struct{ at, name string }{
	{"proc/net/snmp/ip", "Ip"},
	{"proc/net/snmp/icmp", "Icmp"},
	{"proc/net/snmp/icmpmsg", "IcmpMsg"},
	{"proc/net/snmp/tcp", "Tcp"},
	{"proc/net/snmp/udp", "Udp"},
	{"proc/net/snmp/udplite", "UdpLite"},
	{"proc/net/netstat/tcpext", "TcpExt"},
	{"proc/net/netstat/ipext", "IpExt"},
	{"proc/net/netstat/mptcpext", "MPTcpExt"},
}

// counters calls f for each counter of the network, now and when one is first
// seen: node, protocol and field.
func (g *grow) counters(f func(*grow, *xmlsysd.Node, string, string)) {
	for _, p := range protocols {
		g.children(p.at, func(g *grow, n *xmlsysd.Node) { f(g, n, p.name, n.Key) })
	}
	// Ip6InOctets is InOctets of Ip6.
	g.children("proc/net/snmp6", func(g *grow, n *xmlsysd.Node) {
		if i := strings.IndexByte(n.Key, '6'); i >= 0 {
			f(g, n, n.Key[:i+1], n.Key[i+1:])
		}
	})
}

// costs has the costs of the sections kept for the end.
func (g *grow) costs() {
	g.keep(agentAt, "last")
	g.list(agentAt, "", nil, func(s *scrape) {
		if at := s.placeOf(s.key); at >= 0 {
			s.costs[at] = s.kept[0]
		}
	})
}

// seconds makes the present time a sample.
func (s *scrape) seconds(f familyID) {
	const digits = 9
	s.number = strconv.AppendInt(s.number[:0], s.now.UnixNano(), 10)
	s.add(f, "", scale{point: digits}, s.number)
}
