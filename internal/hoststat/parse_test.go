// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"strings"
	"testing"
)

const (
	sockstatText = "sockets: used 45\nTCP: inuse 13 orphan 1 tw 2 alloc 14 mem 3\nUDP: inuse 6 mem 4\nUDPLITE: inuse 5\nRAW: inuse 7\nFRAG: inuse 8 memory 9\n"
	snmpText     = "Ip: Forwarding DefaultTTL\nIp: 1 64\nIcmp: InMsgs\nIcmp: 3\nTcp: RtoAlgorithm MaxConn\nTcp: 1 -1\nUdp: InDatagrams\nUdp: 5\n"
	meminfoText  = "MemTotal:       1000 kB\nMemFree:         400 kB\nBuffers:          10 kB\nCached:           20 kB\n" +
		"SwapTotal:       200 kB\nSwapFree:        150 kB\nActive(anon):      5 kB\nShmem:             3 kB\nHugePages_Total:   7\n"
	netDevText = "Inter-|   Receive | Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes ...\n" +
		"    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  eth0:20 0 0 0 0 0 0 0 30 0 0 0 0 40 0 0\neth0.100: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n" +
		"  n7<: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
	diskstatsText = " 259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8 1 sda1 10 20 30 40\n" +
		"   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n   7 1 loop1 1 0 0 0 0 0 0 0 0 0 0\n 253 0 dm-0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
	armText = "processor\t: 0\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n" +
		"processor\t: 2\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\n\nHardware\t: BCM2835\n"
	x86Text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 8\nmodel name\t: Celeron (Coppermine)\nstepping\t: 3\n" +
		"cpu MHz\t\t: 801.824\ncache size\t: 128 KB\nphysical id\t: 0\ncore id\t\t: 1\nflags\t\t: fpu hypervisor\n\n"
	softnetOld   = "0000000a 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000"
	softnetNew   = softnetOld + " 0000000b 0000000c 0000000d 00000007 00000000\n"
	pressureText = "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\nfull avg10=0.10 avg60=0.20 avg300=0.30 total=5\n"
	ipcText      = "key msqid perms cbytes qnum lspid\n 0 1 600 100 2 0\n -5 2 600 11 3 0\n"
	schedText    = "version 15\ntimestamp 4294\ncpu0 1 2 3 4 5 6 700 800 900\ndomain0 3 1 2\ncpu2 1 2 3 4 5 6 7 8 9\n"
	swapsText    = "Filename\t\tType\t\tSize\t\tUsed\t\tPriority\n/swap\\040file\\012x                         file\t\t1024\t\t8\t\t-2\n"
	mdstatText   = "Personalities : [raid1] [raid6]\nmd0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)\n      1000 blocks super 1.2 [2/1] [_U]\n" +
		"      [==>......]  recovery = 12.6% (126/1000) finish=127.5min\n\nmd1 : active (auto-read-only) raid0 sde[1] sdd[0]\n      500 blocks\n\nunused devices: <none>\n"
	mountText = "22 27 0:21 / /proc rw - proc proc rw\n27 1 254:0 / / rw,relatime - ext4 /dev/vda ro\n30 27 0:9 / /m\\040t\\012\\134 ro,x shared:1 master:2 - nfs srv:/a rw\n" +
		"31 27 0:8 / /twice rw - tmpfs one rw\n32 27 0:7 / /twice rw - tmpfs two rw\n33 27 0:6 / /o rw - overlay overlay rw\n34 27 0:5 / /bad rw\n"
)

func TestSections(t *testing.T) {
	tests := []struct {
		path  string
		files files
		want  map[string]string
	}{
		{"proc/stat", files{"proc/stat": manyCPUs(256, 3, 200), "proc/vmstat": "nr_free 1\npgpgin 10\npgpgout 20\npswpin 30\npswpout 40\n"}, map[string]string{
			"/cpu[255]/user": "255", "/cpu[255]/tot": "283", "/cpu[255]/guest_nice": "9", "/cpu[3]/user": "-", "/cpu[200]/user": "-",
			"/page/in": "10", "/page/out": "20", "/swap/in": "30", "/swap/out": "40", "/intr": "77", "/ctxt": "88", "/processes": "99",
			"/cpu_total/tot": "36", "/btime": "1000", "/procs_blocked": "1", "/softirq": "55",
		}},
		{"proc/stat", files{"proc/stat": "cpu 1 2 3 4\ncpu0 1 2 3 4\nintr 5\n"}, map[string]string{ // Linux 2.4; no vmstat
			"/cpu[0]/tot": "10", "/cpu[0]/idle": "4", "/cpu[0]/iowait": "-", "/page/in": "-", "/ctxt": "-",
		}},
		{"proc/meminfo", files{"proc/meminfo": meminfoText}, map[string]string{
			"/memory/total": "1024000", "/memory/used": "614400", "/memory/free": "409600", "/memory/shared": "3072", "/memory/available": "-",
			"/swap/used": "51200", "/detail/Active_anon": "5120", "/detail/HugePages_Total": "7",
		}},
		{"proc/net/dev", files{"proc/net/dev": netDevText}, map[string]string{
			"/interface[0][lo][]/receive/multicast": "8", "/interface[0][lo][]/transmit/compressed": "16", "/interface[0][lo][]/ip": "",
			"/interface[1][eth][0]/receive/bytes": "20", "/interface[1][eth][0]/transmit/collisions": "40", "/interface[1][eth][0]/mac": "-",
			"/interface[2][eth0.][100]/name": "eth0.100", "/interface[3][n7<][]/name": "n7<",
		}},
		{"proc/net/sockstat", files{"proc/net/sockstat": sockstatText}, map[string]string{
			"/used": "45", "/tcp/timewait": "2", "/tcp/mem": "3", "/udp/mem": "4", "/udplite/inuse": "5", "/raw/inuse": "7", "/frag/memory": "9",
		}},
		{"proc/net/snmp", files{"proc/net/snmp": snmpText}, map[string]string{
			"/ip/DefaultTTL": "64", "/icmp/InMsgs": "3", "/tcp/MaxConn": "-1", "/udp/InDatagrams": "5", "/icmpmsg/InType3": "-",
		}},
		{"proc/net/softnet_stat", files{"proc/net/softnet_stat": softnetOld + "\n" + softnetNew}, map[string]string{
			"/cpu[0]/processed": "10", "/cpu[0]/backlog": "-", "/cpu[7]/received_rps": "11", "/cpu[7]/flow_limit": "12", "/cpu[7]/backlog": "13",
		}},
		{"proc/loadavg", files{"proc/loadavg": "0.21 0.05 0.02 3/97 4711\n"}, map[string]string{
			"/load1": "0.21", "/load15": "0.02", "/running": "3", "/threads": "97", "/last_pid": "4711",
		}},
		{"proc/cpuinfo", files{"proc/cpuinfo": x86Text}, map[string]string{
			"/processor[0]/vendor_id": "GenuineIntel", "/processor[0]/family": "6", "/processor[0]/model_num": "8", "/processor[0]/clock": "801.824",
			"/processor[0]/model_name": "Celeron (Coppermine)", "/processor[0]/cachesize": "128", "/processor[0]/core_id": "1",
		}},
		{"proc/cpuinfo", files{"proc/cpuinfo": x86Text, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1800500\n"}, map[string]string{
			"/processor[0]/clock": "1800.500",
		}},
		{"proc/cpuinfo", files{"proc/cpuinfo": armText}, map[string]string{
			"/processor[0]/implementer": "0x41", "/processor[0]/part": "0xd08", "/processor[0]/revision": "3", "/processor[0]/vendor_id": "-",
			"/processor[2]/implementer": "0x41", "/processor[2]/clock": "-",
		}},
		{"proc/sysvipc", files{"proc/sysvipc/msg": ipcText, "proc/sysvipc/sem": ipcText, "proc/sysvipc/shm": "key\n"}, map[string]string{
			"/msgbufs": "2", "/msgtot": "111", "/msgqnum": "5", "/semtot": "111", "/shmbufs": "0", "/shmtot": "0",
		}},
		{"proc/diskstats", files{"proc/diskstats": diskstatsText}, map[string]string{
			"/disk[nvme0n1]/reads/time": "4", "/disk[nvme0n1]/writes/completed": "5", "/disk[nvme0n1]/io/inflight": "9",
			"/disk[nvme0n1]/io/weighted": "11", "/disk[nvme0n1]/discards/completed": "12", "/disk[nvme0n1]/flushes/time": "17",
			"/disk[sda]/io/time": "10", "/disk[sda]/discards/completed": "-", "/disk[sda1]/minor": "-",
			"/disk[loop0]/major": "-", "/disk[loop1]/major": "7",
			"/disk[dm-0]/discards/time": "15", "/disk[dm-0]/flushes/time": "-",
		}},
		{"proc/pressure", files{"proc/pressure/cpu": pressureText, "proc/pressure/memory": pressureText, "proc/pressure/irq": pressureText[strings.Index(pressureText, "full"):]}, map[string]string{
			"/cpu/some/avg300": "3.00", "/memory/full/total": "5", "/io/some/total": "-", "/irq/full/avg10": "0.10",
		}},
		{"proc/pressure", files{"proc/stat": "cpu0 1 2 3 4\n"}, map[string]string{"/cpu/some/avg10": "-", "/memory/full/total": "-"}}, // no PSI
		{"proc/interrupts", files{"proc/interrupts": manyInterrupts(256, 3)}, map[string]string{
			"/irq[1]/total": "32640", "/irq[1]/cpu[510]/count": "255", "/irq[2]/source": "IR-PCI-MSI 2-edge      nvme0q2", "/irq[ERR]/total": "7",
			"/irq[ERR]/cpu[0]/count": "-", "/irq[1]/cpu[1]/count": "-",
		}},
		{"proc/softirqs", files{"proc/softirqs": "      CPU0 CPU1\n  HI: 1 2\n"}, map[string]string{"/softirq[HI]/total": "3", "/softirq[HI]/cpu[1]/count": "2"}},
		{"proc/schedstat", files{"proc/schedstat": schedText}, map[string]string{
			"/version": "15", "/cpu[0]/run_time": "700", "/cpu[2]/timeslices": "9",
		}},
		{"proc/swaps", files{"proc/swaps": swapsText}, map[string]string{
			"/swapdev[/swap file\nx]/size": "1048576", "/swapdev[/swap file\nx]/used": "8192", "/swapdev[/swap file\nx]/priority": "-2",
		}},
		{"proc/mdstat", files{"proc/mdstat": mdstatText}, map[string]string{
			"/array[md0]/state": "recovering", "/array[md0]/level": "raid1", "/array[md0]/disks_total": "2", "/array[md0]/disks_active": "1",
			"/array[md0]/disks_failed": "1", "/array[md0]/disks_spare": "1", "/array[md0]/blocks": "1000", "/array[md0]/blocks_synced": "126",
			"/array[md1]/state": "active", "/array[md1]/disks_total": "2", "/array[md1]/blocks_synced": "500",
		}},
		{"proc/sys", files{"proc/sys/fs/file-nr": "10\t0\t99\n", "proc/sys/kernel/pid_max": "32768\n", "proc/sys/fs/inode-nr": "5 6\n"}, map[string]string{
			"/fs/file_nr/max": "99", "/fs/inode_nr/nr_inodes": "5", "/kernel/pid_max": "32768", "/kernel/threads_max": "-",
		}},
		{"proc/net/nf_conntrack", files{"proc/sys/net/netfilter/nf_conntrack_count": "7\n", "proc/sys/net/netfilter/nf_conntrack_max": "100\n"}, map[string]string{
			"/count": "7", "/max": "100", "/found": "-",
		}},
		{"proc/net/nf_conntrack", files{
			"proc/sys/net/netfilter/nf_conntrack_count": "7\n", "proc/sys/net/netfilter/nf_conntrack_max": "100\n",
			"proc/net/stat/nf_conntrack": "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new\n" +
				"00000007  00000000 0000000a 00000000 00000001 00000000 00000000 00000000 00000002 00000003 00000004 00000005 00000000  00000000\n" +
				"00000007  00000000 ffffffff 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 0000000x 00000000  00000000\n",
		}, map[string]string{
			"/found": "4294967305", "/invalid": "2", "/ignore": "0", "/insert": "2", "/insert_failed": "3", "/drop": "4", "/early_drop": "-", "/search_restart": "-",
		}},
		{"system/numa", files{
			"sys/devices/system/node/node0/meminfo":  "Node 0 MemTotal:       16 kB\nNode 0 HugePages_Total:     2\n",
			"sys/devices/system/node/node10/meminfo": "Node 10 MemTotal:      32 kB\n", "sys/devices/system/node/node0/numastat": "numa_hit 5\n",
			"sys/devices/system/node/node0/distance": "10 20\n", "sys/devices/system/node/node0/cpulist": "0-3\n", "sys/devices/system/node/online": "0\n",
		}, map[string]string{
			"/node[0]/meminfo/MemTotal": "16384", "/node[0]/meminfo/HugePages_Total": "2", "/node[10]/meminfo/MemTotal": "32768",
			"/node[0]/numastat/numa_hit": "5", "/node[0]/distance": "10 20", "/node[0]/cpulist": "0-3",
		}},
		{"system/sensors", files{
			"sys/class/hwmon/hwmon0/name": "coretemp\n", "sys/class/hwmon/hwmon0/device": "-> ../../../coretemp.0",
			"sys/class/hwmon/hwmon0/temp1_input": "45500\n", "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
			"sys/class/hwmon/hwmon0/temp1_crit": "100000\n", "sys/class/hwmon/hwmon0/temp1_fault": "0\n", "sys/class/hwmon/hwmon0/temp10_input": "-1250\n",
			"sys/class/hwmon/hwmon1/name": "coretemp\n", "sys/class/hwmon/hwmon1/device": "-> ../../../coretemp.0",
			"sys/class/hwmon/hwmon1/temp1_input": "1000\n", "sys/class/hwmon/hwmon2/device/name": "old\n",
			"sys/class/hwmon/hwmon2/device/fan1_input": "900\n", "sys/class/hwmon/hwmon2/device/power1_average": "15250000\n",
			"sys/class/hwmon/hwmon2/device/pwm1": "128\n", "sys/class/hwmon/hwmon2/device/in0_input": "12\n", "sys/class/hwmon/hwmon2/device/in0_min": "no\n",
		}, map[string]string{
			"/sensor[coretemp.0/temp1]/input": "45.5", "/sensor[coretemp.0/temp1]/label": "Package id 0", "/sensor[coretemp.0/temp1]/crit": "100",
			"/sensor[coretemp.0/temp1]/fault": "0", "/sensor[coretemp.0/temp10]/input": "-1.25", "/sensor[coretemp.0/temp1#2]/input": "1",
			"/sensor[hwmon2/fan1]/input": "900", "/sensor[hwmon2/power1]/input": "15.25", "/sensor[hwmon2/pwm1]/input": "128",
			"/sensor[hwmon2/in0]/input": "0.012", "/sensor[hwmon2/in0]/min": "-", "/sensor[hwmon2/in0]/chip": "old",
		}},
		{"system/thermal", files{
			"sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n", "sys/class/thermal/thermal_zone0/temp": "36000\n",
			"sys/class/thermal/cooling_device3/type": "Fan\n", "sys/class/thermal/cooling_device3/cur_state": "1\n", "sys/class/thermal/cooling_device3/max_state": "5\n",
		}, map[string]string{"/zone[0]/temp": "36", "/zone[0]/type": "x86_pkg_temp", "/cooling[3]/cur_state": "1", "/cooling[3]/max_state": "5"}},
		{"system/cpufreq", files{
			"sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "800000\n", "sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "powersave\n",
		}, map[string]string{"/policy[4]/cur": "800000", "/policy[4]/governor": "powersave", "/policy[4]/min": "-"}},
		{"system/cgroups", files{
			"sys/fs/cgroup/cgroup.controllers": "cpu\n", "sys/fs/cgroup/cpu.stat": "usage_usec 100\nuser_usec 60\n",
			"sys/fs/cgroup/a.slice/cpu.stat": "usage_usec 50\n", "sys/fs/cgroup/a.slice/b/cpu.stat": "usage_usec 40\n",
			"sys/fs/cgroup/a.slice/b/c/d/cpu.stat": "usage_usec 1\n", "sys/fs/cgroup/a.slice/memory.current": "4096\n", "sys/fs/cgroup/a.slice/memory.max": "max\n",
			"sys/fs/cgroup/a.slice/memory.events": "oom_kill 3\n", "sys/fs/cgroup/a.slice/io.stat": "8:0 rbytes=1 wbytes=2\n8:1 rbytes=10\n",
			"sys/fs/cgroup/a.slice/pids.current": "5\n", "sys/fs/cgroup/a.slice/cpu.pressure": pressureText,
		}, map[string]string{
			"/version": "2", "/cgroup[/]/cpu/user_usec": "60", "/cgroup[/a.slice]/memory/max": "max", "/cgroup[/a.slice]/memory/events_oom_kill": "3",
			"/cgroup[/a.slice]/io/rbytes": "11", "/cgroup[/a.slice]/pids/current": "5", "/cgroup[/a.slice]/pressure/cpu_some_avg10": "1.00",
			"/cgroup[/a.slice/b]/cpu/usage_usec": "40", "/cgroup[/a.slice/b/c/d]/cpu/usage_usec": "-",
		}},
		{"system/host", files{
			"host/etc/machine-id": "0123456789abcdef0123456789abcdef\n", "host/etc/os-release": "NAME=x\nID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian <13>\"\n",
			"proc/sys/kernel/random/boot_id": "b-o-o-t\n", "sys/class/dmi/id/sys_vendor": "QEMU\n",
		}, map[string]string{
			"/machine_id": "b594b06ac9ff7bc6c0a92fea216aca64", "/os_id": "debian", "/os_version": "13", "/os_name": "Debian <13>", "/boot_id": "b-o-o-t",
			"/virtualization": "qemu",
		}},
		{"system/sessions", files{
			"host/run/systemd/sessions/c1": "UID=0\nUSER=root\nCLASS=user\nTTY=pts/3\nREMOTE_HOST=h.example\nLEADER=77\nREALTIME=1016048061788933\n",
			"host/run/systemd/sessions/c2": "USER=gdm\nCLASS=greeter\n",
		}, map[string]string{
			"/session[c1]/user": "root", "/session[c1]/line": "pts/3", "/session[c1]/from": "h.example", "/session[c1]/login": "1016048061",
			"/session[c1]/pid": "77", "/session[c2]/user": "-",
		}},
		{"system/users", files{"host/run/systemd/sessions/c1": "CLASS=user\n"}, map[string]string{"": "1"}},
		{"system/users", files{"host/run/utmp": utmp(7, "pts/0") + utmp(8, "pts/1") + utmp(7, "pts/2"), "host/run/systemd/sessions/c1": "CLASS=user\n"}, map[string]string{"": "2"}},
		{"system/users", files{}, map[string]string{"": "0"}},
		{"system/sessions", files{"host/var/run/utmp": utmp(7, "pts/0") + utmp(2, "~")}, map[string]string{
			"/session[pts/0]/user": "rgb", "/session[pts/0]/from": "h.example", "/session[pts/0]/login": "16", "/session[pts/0]/pid": "9",
		}},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.path, "/", "-"), func(t *testing.T) {
			got := sectionOf(t, tt.files.engine(t), tt.path)
			want(t, got, tt.path, tt.want)
			for path, text := range got {
				if strings.HasPrefix(path, "system/errors") {
					t.Errorf("%s %s", path, text)
				}
			}
		})
	}
}

// utmp is a record of a kind and a line.
func utmp(kind byte, line string) string {
	b := make([]byte, utmpSize)
	b[0] = kind
	b[utmpPID] = 9
	copy(b[utmpLine:], line)
	copy(b[utmpUser:], "rgb")
	copy(b[utmpHost:], "h.example")
	b[utmpTime] = 16
	return string(b)
}

// A line that is not understood is told of, and takes nothing else along.
func TestUnexpectedLine(t *testing.T) {
	tests := []struct {
		path, file, text string
		want             map[string]string
	}{
		{"proc/stat", "stat", "cpu0 1 2 x\ncpu1 1 2 3 4\nctxt 5\n", map[string]string{"/cpu[1]/user": "1", "/cpu[0]/user": "-", "/ctxt": "5"}},
		{"proc/meminfo", "meminfo", "MemTotal: 16 kB\nMemFree: -\nBuffers: 1 kB\n", map[string]string{"/memory/total": "16384", "/memory/free": "-", "/memory/buffers": "1024"}},
		{"proc/net/dev", "net/dev", "h\nh\n eth0: 1 2\n eth1: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n", map[string]string{"/interface[0][eth][1]/name": "eth1"}},
		{"proc/diskstats", "diskstats", "8 0 sda 1\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n", map[string]string{"/disk[sdb]/major": "8", "/disk[sda]/major": "-"}},
		{"proc/vmstat", "vmstat", "a 1\nb\nc 3\n", map[string]string{"/a": "1", "/c": "3"}},
	}
	for _, tt := range tests {
		got := sectionOf(t, files{"proc/" + tt.file: tt.text}.engine(t), tt.path)
		want(t, got, tt.path, tt.want)
		want(t, got, "system/errors/error[0]", map[string]string{"/path": tt.path, "/code": "EPARSE"})
	}
}

func TestParseMounts(t *testing.T) {
	got := parseMounts([]byte(mountText), withoutStorage)
	want := []mount{
		{"/", "/dev/vda", "ext4", true}, {"/m t\n\\", "srv:/a", "nfs", true}, {"/twice", "two", "tmpfs", false},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}

func TestScaled(t *testing.T) {
	for _, tt := range []struct {
		n, unit int64
		want    string
	}{{45500, 1000, "45.5"}, {-1250, 1000, "-1.25"}, {0, 1000, "0"}, {5, 1000, "0.005"}, {3, 1, "3"}, {-5, 1000, "-0.005"}} {
		if got := string(scaled(nil, tt.n, tt.unit)); got != tt.want {
			t.Errorf("scaled(%d, %d) = %s, want %s", tt.n, tt.unit, got, tt.want)
		}
	}
}
