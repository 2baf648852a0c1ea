// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/collect"
)

// devices is a fixture with what few hosts have, and none all of.
func devices() files {
	f := files{
		"proc/mdstat": "Personalities : [raid1] [raid6] [raid0]\n" +
			"md0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)\n      1953382464 blocks super 1.2 [2/1] [_U]\n      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec\n      \n" +
			"md1 : active raid0 sdd1[0] sde1[1]\n      314159265 blocks 64k chunks\n      \n" +
			"md2 : inactive sdf1[0](S)\n      7813735424 blocks super 1.2\n       \n" +
			"md3 : active raid6 sdg1[0] sdh1[1] sdi1[2] sdj1[3]\n      195310144 blocks level 6, 64k chunk, algorithm 2 [4/4] [UUUU]\n      bitmap: 0/1 pages [0KB], 65536KB chunk\n\n" +
			"md4 : active raid1 sdk1[0] sdl1[1]\n      100 blocks super 1.2 [2/2] [UU]\n      \tresync=DELAYED\n      \n" +
			"md5 : active raid1 sdm1[0] sdn1[1]\n      200 blocks super 1.2 [2/2] [UU]\n      [>....................]  check =  0.9% (20/200) finish=17.6min speed=12K/sec\n      \n" +
			"unused devices: <none>\n",
		"proc/schedstat": "version 15\ntimestamp 15819019232\ncpu0 498494191 0 3533438552 2553969831 3853684107 2465731542 2045936778163039 343796328169361 4767485306\n" +
			"domain0 00000000,00000003 212499247 210112015 1861015\ncpu2 518377256 0 4155211005 2778589869 10466382 2867629021 1904686152592476 364107263788241 5145567945\n",
		"sys/class/thermal/thermal_zone0/type":                    "x86_pkg_temp\n",
		"sys/class/thermal/thermal_zone0/policy":                  "step_wise\n",
		"sys/class/thermal/thermal_zone0/temp":                    "40500\n",
		"sys/class/thermal/cooling_device1/type":                  "intel_powerclamp\n",
		"sys/class/thermal/cooling_device1/max_state":             "27\n",
		"sys/class/thermal/cooling_device1/cur_state":             "-1\n",
		"sys/devices/system/cpu/isolated":                         "1,2-3\n",
		"sys/devices/system/edac/mc/mc0/ce_count":                 "1\n",
		"sys/devices/system/edac/mc/mc0/ce_noinfo_count":          "2\n",
		"sys/devices/system/edac/mc/mc0/ue_count":                 "5\n",
		"sys/devices/system/edac/mc/mc0/ue_noinfo_count":          "6\n",
		"sys/devices/system/edac/mc/mc0/csrow0/ce_count":          "3\n",
		"sys/devices/system/edac/mc/mc0/csrow0/ue_count":          "4\n",
		"sys/class/dmi/id/bios_vendor":                            "A \"vendor\"\n",
		"sys/class/dmi/id/sys_vendor":                             "Someone\n",
		"sys/class/dmi/id/product_uuid":                           "1-2-3\n",
		"sys/class/dmi/id/chassis_type":                           "10\n",
		"sys/class/dmi/id/uevent":                                 "MODALIAS=x\n",
		"sys/class/nvme/nvme0/firmware_rev":                       "1B2QEXP7\n",
		"sys/class/nvme/nvme0/model":                              "Fast SSD   \n",
		"sys/class/nvme/nvme0/serial":                             "S6\n",
		"sys/class/nvme/nvme0/state":                              "live\n",
		"sys/class/powercap/intel-rapl/enabled":                   "1\n",
		"sys/class/net/bonding_masters":                           "bond0 bond1\n",
		"sys/class/net/bond0/bonding/slaves":                      "eth0 eth4\n",
		"sys/class/net/bond0/lower_eth0/bonding_slave/mii_status": "up\n",
		"sys/class/net/bond0/slave_eth4/bonding_slave/mii_status": "down\n",
		"sys/class/net/bond1/bonding/slaves":                      "\n",
		"sys/class/power_supply/AC/online":                        "1\n",
		"sys/class/power_supply/AC/type":                          "Mains\n",
		"sys/class/power_supply/BAT0/capacity":                    "98\n",
		"sys/class/power_supply/BAT0/cycle_count":                 "7\n",
		"sys/class/power_supply/BAT0/energy_now":                  "49450000\n",
		"sys/class/power_supply/BAT0/power_now":                   "4830000\n",
		"sys/class/power_supply/BAT0/voltage_min_design":          "10800000\n",
		"sys/class/power_supply/BAT0/temp":                        "271\n",
		"sys/class/power_supply/BAT0/temp_ambient_max":            "-15\n",
		"sys/class/power_supply/BAT0/time_to_empty_now":           "3600\n",
		"sys/class/power_supply/BAT0/technology":                  "Li-ion\n",
		"sys/class/power_supply/BAT0/type":                        "Battery\n",
		"sys/class/power_supply/BAT0/uevent":                      "POWER_SUPPLY_NAME=BAT0\n",
		"sys/class/scsi_tape/nst0/stats/read_cnt":                 "9\n",
		"sys/fs/xfs/stats/stats":                                  "rw 100 200\n",
		"sys/fs/xfs/sda1/stats/stats":                             "extent_alloc 1 2 3 4\nabt 0 0 0 0\nblk_map 7 6 5 4 3 2 1\nbmbt 1 1 1 1\ndir 4 3 2 1\ntrans 4 40 0\nig 10 9 8 7 6 5 4\nlog 8 21 0 5821 1\nrw 28 22\nvnodes 26 0 0 0 26 26 26 1\nxpc 1 2 3\n",
		"sys/fs/btrfs/features/skinny_metadata":                   "0\n",
		"proc/net/udp":                                            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n 6546: 00000000:0035 00000000:0000 07 00000010:000000A0 00:00000000 00000000   100        0 25 2 0000000000000000 0\n 6547: 00000000:0036 00000000:0000 07 00000001:00000002 00:00000000 00000000   100        0 26 2 0000000000000000 0\n",
		"proc/net/udp6":                                           "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n 1: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 FFFFFFFF:00000003 00:00000000 00000000     0        0 27 2 0000000000000000 0\n",
		"proc/net/rpc/nfs":                                        "net 18628 1 18629 6\nrpc 4329785 5 4338291\nproc2 18 2 69 3 4 4410 6 7 8 9 10 11 12 13 14 15 16 17 18\nproc3 22 1 4084749 29200 94754 32580 186 47747 7981 8639 11 6356 12 6962 13 7958 14 15 241 4 4 2 39\nproc4 4 98 51 54 83\n",
		"proc/net/rpc/nfsd":                                       "rc 1 6 18622\nfh 9 0 0 0 0\nio 157286400 7\nth 8 3 0.000 0.000\nra 32 0 0 0 0 0 0 0 0 0 0 5\nnet 18628 1 18628 6\nrpc 18628 2 3 4 5\nproc2 18 2 69 0 0 4410 0 0 0 0 0 0 0 0 0 0 0 99 2\nproc3 22 2 112 0 2719 111 0 0 0 0 0 0 0 0 0 0 0 27 216 0 2 1 0\nproc4 2 2 10853\nproc4ops 39 0 0 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36\n",
		"proc/net/ip_vs_stats":                                    "   Total Incoming Outgoing         Incoming         Outgoing\n   Conns  Packets  Packets            Bytes            Bytes\n 16AA370 E33656E5        0     51D8C8883AB3        0\n\n Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n       4    1FB3C        0         1282A8F                0\n",
		"proc/net/ip_vs":                                          "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  C0A80016:0CEA wlc\n  -> C0A85216:0CEA      Tunnel  100    248        2\n  -> C0A85318:0CEA      Tunnel  100    248        2\nTCP  [2620:0000:0000:0000:0000:0000:0000:0001]:0050 sh\n  -> [2620:0000:0000:0000:0000:0000:0000:0002]:0050      Route   1      0          5\nFWM  10001000 wlc\n  -> C0A8323F:0CEA      Route   100    0        1\n",
	}
	policies(f)
	for path, list := range map[string]string{
		"sys/class/powercap/intel-rapl:0":   "name=package-0 energy_uj=240422366267 max_energy_range_uj=262143328850",
		"sys/class/powercap/intel-rapl:0:0": "name=core energy_uj=118821284256 max_energy_range_uj=262143328850",
		"sys/class/powercap/intel-rapl:1":   "name=dram energy_uj=7 max_energy_range_uj=9",
		"sys/class/powercap/intel-rapl:2":   "name=dram energy_uj=8 max_energy_range_uj=9",
		"sys/class/scsi_tape/st0/stats":     "in_flight=1 io_ns=9247011087720 other_cnt=1409 read_byte_cnt=979383912 read_cnt=3741 read_ns=33788355744 resid_cnt=19 write_byte_cnt=1496246784000 write_cnt=53772916 write_ns=5233597394395",
		"sys/class/fc_host/host0":           "speed=16_Gbit port_state=Online port_type=Point-To-Point node_name=0x20000025b500a0b0 port_id=0x000002 port_name=0x10000025b500a0b0 fabric_name=0x0 dev_loss_tmo=30 symbolic_name=Card supported_classes=Class_3 supported_speeds=4_Gbit",
		"sys/class/fc_host/host0/statistics": "dumped_frames=0xffffffffffffffff error_frames=0x1 fcp_packet_aborts=0x13 invalid_crc_count=0x2 invalid_tx_word_count=0x8 link_failure_count=0x9 loss_of_signal_count=0x11 loss_of_sync_count=0x10 nos_count=0x12 " +
			"rx_frames=0x3 rx_words=0x4 seconds_since_last_reset=0x7 tx_frames=0x5 tx_words=0x6",
		"sys/class/infiniband/mlx4_0":                                                 "board_id=SM_1 fw_ver=2.31.5050 hca_type=MT4099",
		"sys/class/infiniband/mlx4_0/ports/1":                                         "state=4:_ACTIVE phys_state=5:_LinkUp",
		"sys/class/infiniband/mlx4_0/ports/1/counters":                                "excessive_buffer_overrun_errors=0 link_downed=1 port_rcv_data=2221223609 port_xmit_data=26509113295 VL15_dropped=3 symbol_error=N/A_(no_PMA) unicast_rcv_packets=5",
		"sys/class/infiniband/mlx4_0/ports/1/counters_ext":                            "port_rcv_data_64=7 port_unicast_xmit_packets=8",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d":                           "label=fixture metadata_uuid=0abb23a9-579b-43e6-ad30-227ef47fcb9d nodesize=16384",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation":                "global_rsv_size=16777216",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation/data":           "bytes_reserved=5",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation/data/raid5":     "used_bytes=808189952 total_bytes=2147483648",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation/metadata":       "bytes_reserved=0",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation/metadata/raid6": "used_bytes=933888 total_bytes=1073741824",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation/system":         "bytes_reserved=0",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/allocation/system/dup":     "used_bytes=16384 total_bytes=8388608",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/features":                  "extended_iref=1",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/devices/loop25":            "size=20971520",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/devices/loop26":            "size=20971521",
		"sys/fs/btrfs/0abb23a9-579b-43e6-ad30-227ef47fcb9d/devices/loop27":            "size=20971522",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74":                          "average_key_size=0 btree_cache_size=1.5k cache_available_percent=100 congested=0 root_usage_percent=3 tree_depth=1",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/internal":                 "active_journal_entries=1 btree_nodes=2 btree_read_average_duration_us=1305 cache_read_races=4",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/stats_five_minute":        "bypassed=0",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/stats_total":              "bypassed=0",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/bdev0":                    "dirty_data=2.3M",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/bdev0/stats_five_minute":  "bypassed=0",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/bdev0/stats_total":        "bypassed=20.1G cache_hits=546 cache_misses=7 cache_bypass_hits=1 cache_bypass_misses=2 cache_miss_collisions=3 cache_readaheads=4",
		"sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/cache0":                   "io_errors=0 metadata_written=512 written=6.9T",
		"sys/devices/platform/coretemp.0/hwmon/hwmon0":                                "temp1_max=84000 temp1_crit=100000 temp1_crit_alarm=0 temp1_type=4 fan2_min=300 fan2_alarm=1 in0_min=-12 power1_average_interval=1000 power1_accuracy=5 pwm1=70 pwm1_enable=2 beep_enable=1 update_interval=1500 energy1_input=123456789 humidity1_input=45000 intrusion0_alarm=0 vrm=90 cpu0_vid=1250 temp2_fault=1 temp2_beep=1 power2_average=7000000 freq1_input=9",
	} {
		for pair := range strings.FieldsSeq(list) {
			name, value, _ := strings.Cut(pair, "=")
			f[path+"/"+name] = strings.ReplaceAll(value, "_", " ") + "\n"
		}
	}
	f["sys/class/infiniband/mlx4_0/ports/1/rate"] = "56 Gb/sec (4X FDR)\n"
	f["sys/fs/bcache/deaddd54-c735-46d5-868e-f331c5fd7c74/bdev0/writeback_rate_debug"] = "rate:\t\t1.1M/sec\ndirty:\t\t20.4G\ntarget:\t\t20.4G\nproportional:\t427.5k\nintegral:\t790.0k\nchange:\t\t-321.5k/sec\nnext io:\t17ms\n"
	pools(f)
	f["root/run/udev/data/b8:0"] = "E:ID_ATA=1\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_WRITE_CACHE_ENABLED=0\nE:ID_MODEL=Disk\nE:ID_SERIAL_SHORT=short\nE:SCSI_IDENT_SERIAL=long\nE:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\nE:ID_FS_UUID=7\nE:ID_FS_VERSION=1.0\n"
	f["root/run/udev/data/b253:0"] = "E:DM_NAME=vg-root\nE:DM_UUID=LVM-1\nE:DM_VG_NAME=vg\nE:DM_LV_NAME=root\nE:DM_LV_LAYER=\n"
	for path, content := range host() {
		if _, ok := f[path]; !ok {
			f[path] = content
		}
	}
	return f
}

// policies adds four CPUs in two policies and two packages.
func policies(f files) {
	for cpu := range 4 {
		dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", cpu)
		f[dir+"cpufreq"] = fmt.Sprintf("-> ../cpufreq/policy%d", cpu/2*2)
		f[dir+"topology/physical_package_id"] = fmt.Sprintln(cpu / 2)
		f[dir+"topology/core_id"] = "0\n"
		f[dir+"thermal_throttle/core_throttle_count"] = fmt.Sprintln(10 * cpu)
		f[dir+"thermal_throttle/package_throttle_count"] = fmt.Sprintln(100 * cpu)
	}
	for _, policy := range []int{0, 2} {
		dir := fmt.Sprintf("sys/devices/system/cpu/cpufreq/policy%d/", policy)
		for i, file := range []string{"cpuinfo_max_freq", "cpuinfo_min_freq", "cpuinfo_transition_latency", "scaling_cur_freq", "scaling_max_freq", "scaling_min_freq"} {
			f[dir+file] = fmt.Sprintln(1000000 + 1000*policy + i)
		}
		for _, file := range []string{"scaling_available_governors", "scaling_driver", "scaling_governor", "related_cpus", "scaling_setspeed"} {
			f[dir+file] = "powersave\n"
		}
	}
	f["sys/devices/system/cpu/cpufreq/policy2/cpuinfo_cur_freq"] = "1699981\n"
}

// pools adds files of ZFS.
func pools(f files) {
	const dir = "proc/spl/kstat/zfs/"
	f[dir+"arcstats"] = "6 1 0x01 91 4368 5266997922 97951858082072\nname                            type data\nhits                            4    8772612\nmemory_throttle-count           4    7\narc_meta_used                   2    9\n"
	f[dir+"zil"] = "7 1 0x01 14 672 5266997922 97951858082072\nname type data\nzil_commit_count 4 10\n"
	f[dir+"pool1/io"] = "12 3 0x00 1 80 79205351707403 395818011156865\nnread    nwritten reads    writes   wtime    wlentime wupdate  rtime    rlentime rupdate  wcnt     rcnt\n1884160  3206144  22       132      7155162  104112268 79210489694949 24168078 104112268 79210489849220 0        1\n"
	f[dir+"pool1/state"] = "DEGRADED\n"
	f[dir+"pool1/objset-1"] = "23 1 0x01 7 2160 221578688875 6665999035587\nname                            type data\ndataset_name                    7    pool1/a\nwrites                          4    4\nnwritten                        4    12302\n"
}

// TestNodeExporterDevices compares a host that has all.
func TestNodeExporterDevices(t *testing.T) {
	o := devices().write(t)
	x := newExporter(t, "--path.procfs="+o.ProcRoot, "--path.sysfs="+o.SysRoot, "--path.rootfs="+o.Root,
		"--path.udev.data="+filepath.Join(o.Root, "run/udev/data"), "--no-collector.netdev.netlink")
	node, ours := parse(t, x.get(t, "")), parse(t, exposition(t, newServer(t, o).Node, ""))
	isDevice := func(series string) bool {
		name, labels, _ := strings.Cut(series, "|")
		if collector, ok := strings.CutPrefix(labels, "collector="); ok {
			// That its duration is shown is enough; all of these can be read.
			return strings.HasPrefix(name, "node_scrape_collector_success") && (slices.Contains(collect.Names(), collector) || slices.Contains([]string{"mdadm", "schedstat", "thermal_zone"}, collector))
		}
		return slices.ContainsFunc(deviceNames, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	compared := 0
	for series, v := range node.samples {
		if isDevice(series) {
			compared++
			ours.want(t, map[string]float64{series: v})
		}
	}
	for series := range ours.samples {
		if _, ok := node.samples[series]; !ok && isDevice(series) {
			t.Errorf("not of node_exporter: %s", series)
		}
	}
	for name, kind := range node.types {
		if isDevice(name) && ours.types[name] != kind {
			t.Errorf("%s: type %q, want %s", name, ours.types[name], kind)
		}
	}
	for _, p := range deviceNames {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(node.types)), func(name string) bool { return strings.HasPrefix(name, p) }) {
			t.Errorf("node_exporter shows no %s…", p)
		}
	}
	if compared < 400 {
		t.Errorf("only %d series compared", compared)
	}
	ours.want(t, map[string]float64{
		"node_md_state|device=md0|state=recovering": 1, "node_disk_ata_rotation_rate_rpm|device=sda": 7200, "node_cpu_frequency_hertz|cpu=3": 1699981000,
		"node_udp_queues|ip=v4|queue=rx": 0xa2, "node_hwmon_temp_crit_celsius|chip=platform_coretemp_0|sensor=temp1": 100,
		"node_scrape_collector_success|collector=systemd": 0,
	})
}

// isInMessages reports whether a family of devices is in other hosts' messages.
func isInMessages(name string) bool {
	return slices.Contains(measured, name) || slices.ContainsFunc([]string{"node_md_", "node_schedstat_", "node_thermal_", "node_cooling_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// measured are the families of sensors that are.
var measured = []string{"node_hwmon_temp_celsius", "node_hwmon_fan_rpm", "node_hwmon_in_volts", "node_hwmon_curr_amps"}

// deviceNames begin the names of families that are of devices.
var deviceNames = []string{
	"node_bcache_", "node_bonding_", "node_btrfs_", "node_cooling_device_", "node_cpu_core_throttles_total", "node_cpu_frequency_", "node_cpu_isolated",
	"node_cpu_package_throttles_total", "node_cpu_scaling_", "node_disk_ata_", "node_disk_device_mapper_info", "node_disk_filesystem_info", "node_disk_info",
	"node_dmi_", "node_edac_", "node_fibrechannel_", "node_hwmon_", "node_infiniband_", "node_ipvs_", "node_md_", "node_nfs_", "node_nfsd_", "node_nvme_",
	"node_power_supply_", "node_rapl_", "node_schedstat_", "node_tape_", "node_thermal_zone_temp", "node_udp_queues", "node_xfs_", "node_zfs_",
}

// Files of any content and directories in the place of files, also such that were never
// of these devices, make nothing worse than a collector that tells so.
func TestBadDevices(t *testing.T) {
	for _, bad := range []string{"", "\n", "-1\n", "\xff\x00\"}\n", "a b c d e f g\n", strings.Repeat("9", 40) + "\n", "name type data\nx 4 y\n", "-> /proc/self/mem"} {
		f := devices()
		for path, content := range f {
			if !strings.HasPrefix(content, "-> ") && !strings.HasPrefix(path, "root/") {
				f[path] = bad
			}
		}
		got := parse(t, exposition(t, newServer(t, f.write(t)).Node, ""))
		for _, name := range collect.Names() {
			if _, ok := got.samples["node_scrape_collector_success|collector="+name]; !ok {
				t.Errorf("%.20q: nothing is said of %s", bad, name)
			}
		}
	}
}

// A host without any of it is one of which all collectors say so.
func TestNoDevices(t *testing.T) {
	o := files{"proc/stat": "cpu 1 2 3\n"}.write(t)
	page := newPage(newPlan(newTestEngine(t, o).Model(), nodeTable), collect.New(collect.Options{Proc: o.ProcRoot, Sys: o.SysRoot}).Read())
	well := map[string]bool{}
	for _, c := range page.collectors {
		if c.labels != "" {
			well[c.labels] = c.ok
		}
		if len(c.text[text]) > 0 {
			t.Errorf("%s shows %s", c.labels, c.text[text])
		}
	}
	for _, name := range collect.Names() {
		// Of these node_exporter says so, too.
		want := slices.Contains([]string{"bcache", "btrfs", "cpufreq", "edac", "xfs"}, name)
		if got, ok := well[fixedLabels("collector", name)]; !ok || got != want {
			t.Errorf("%s is well: %v (%v), want %v", name, got, ok, want)
		}
	}
}

func newTestEngine(t testing.TB, o hoststat.Options) *hoststat.Engine {
	t.Helper()
	e, err := hoststat.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}
