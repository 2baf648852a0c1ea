// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import "math"

// Metric is a number that a host has. Shares are in percent, rates by second,
// sizes in bytes, times in seconds.
type Metric uint8

// Metrics. The first ones are those that alarms can name.
const (
	Up   Metric = iota // 1 if the host answers
	Late               // how often in a row it was due without having answered
	Lag                // how old what it told is
	NCPU
	Load1
	Load5
	Load15
	Running // threads that run or could
	Threads
	Users
	Uptime
	CPUUser // with nice
	CPUSystem
	CPUIdle
	CPUWait
	CPUSteal
	CPUBusy
	MemTotal
	MemUsed
	MemAvail
	MemPct
	SwapPct
	SwapIn // KiB
	SwapOut
	BlocksIn // KiB
	BlocksOut
	Interrupts
	Switches
	NetRx
	NetTx
	NetErr
	DiskRead
	DiskWrite
	DiskUtil
	FSPctMax
	PSICPU // some, of the last 10 s
	PSIMem
	PSIIO
	TempMax
	ClockOffset // host's clock less the monitor's
	OOMKill     // killed processes, by second

	ProcsRunning
	ProcsBlocked
	MemFree
	MemShared
	MemBuffers
	MemCached
	SwapTotal
	SwapUsed
	NetRxPackets
	NetTxPackets
	NetColl
	DiskReads
	DiskWrites
	PSIMemFull
	PSIIOFull
	PSICPURate // share of the time between messages
	PSIMemRate
	PSIMemFullRate
	PSIIORate
	PSIIOFullRate
	Duty // busy share since boot
	Forks
	Sockets // of all protocols, and of some that are in use
	TCPInUse
	TCPTimeWait
	UDPInUse
	FilesOpen // of the whole host
	FilesMax

	metricCount
)

// metricNames are the names that alarms and outputs use.
var metricNames = [metricCount]string{
	"up", "late", "lag", "ncpu", "load1", "load5", "load15", "running", "threads", "users", "uptime",
	"cpu_us", "cpu_sy", "cpu_id", "cpu_wa", "cpu_st", "cpu_busy",
	"mem_total", "mem_used", "mem_avail", "mem_pct", "swap_pct", "si", "so", "bi", "bo", "in", "cs",
	"net_rx", "net_tx", "net_err", "disk_r", "disk_w", "disk_util", "fs_pct_max", "psi_cpu", "psi_mem", "psi_io",
	"temp_max", "clock_offset", "oom_kill",
	"procs_running", "procs_blocked", "mem_free", "mem_shared", "mem_buffers", "mem_cached", "swap_total", "swap_used",
	"net_rx_packets", "net_tx_packets", "net_coll", "disk_reads", "disk_writes", "psi_mem_full", "psi_io_full",
	"psi_cpu_rate", "psi_mem_rate", "psi_mem_full_rate", "psi_io_rate", "psi_io_full_rate", "duty", "forks",
	"sockets", "tcp_inuse", "tcp_timewait", "udp_inuse", "files_open", "files_max",
}

// String returns the metric's name.
func (m Metric) String() string { return metricNames[m] }

// MetricByName finds a metric, as [alarm.Compile] wants it.
func MetricByName(name string) (index int, ok bool) {
	for i, n := range metricNames {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

// Metrics returns the number of metrics.
func Metrics() int { return int(metricCount) }

// missing is a number that is not there.
var missing = math.NaN()

// Headlines are the metrics of which history is kept, in its order.
var Headlines = [16]Metric{
	Load1, CPUBusy, CPUUser, CPUSystem, CPUWait, MemPct, MemUsed, SwapPct,
	NetRx, NetTx, DiskRead, DiskWrite, DiskUtil, PSICPU, PSIMem, PSIIO,
}
