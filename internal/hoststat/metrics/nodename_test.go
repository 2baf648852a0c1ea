// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import "testing"

func TestHiddenDisks(t *testing.T) {
	for name, hidden := range map[string]bool{
		"sda": false, "sda1": true, "sdab1": false, "vda": false, "vdb12": true, "xvda1": true, "hdc3": true, "nvme0n1": false,
		"nvme0n1p2": true, "nvme0c0n1": false, "ram0": true, "loop12": true, "fd0": true, "dm-0": false, "md127": false, "zram0": false,
		"sr0": false, "mmcblk0p1": false, "": false, "7": false, "nvmep1": false, "nvmexn1p1": false,
	} {
		if got := isPart([]byte(name)) == everyone; got != hidden {
			t.Errorf("%q is hidden: %v, want %v", name, got, hidden)
		}
	}
}

func TestHiddenMounts(t *testing.T) {
	for point, hidden := range map[string]bool{
		"/": false, "/home": false, "/dev": true, "/dev/shm": true, "/device": false, "/run/user/0": true, "/mnt/a": true, "/mntx": false,
		"/var/lib/docker": false, "/var/lib/docker/": false, "/var/lib/docker/x": true, "/var/lib/containers/storage/overlay/1": true,
	} {
		if got := isHiddenMount([]byte(point)) == everyone; got != hidden {
			t.Errorf("%q is hidden: %v, want %v", point, got, hidden)
		}
	}
}

func TestChipName(t *testing.T) {
	for _, c := range []struct{ path, chip, device, want string }{
		{"platform/coretemp.0", "coretemp", "coretemp.0", "platform_coretemp_0"},
		{"0000:00:01.3/0000:01:00.0", "nvme", "0000:01:00.0", "0000:00:01_3_0000:01:00_0"},
		{"", "ACPI-TZ", "hwmon0", "acpi_tz"},
		{"", "", "hwmon3", "hwmon3"},
		{"/", "x", "hwmon3", "x"},
		{"-a b-/..", "x", "hwmon3", "a_b"},
	} {
		if got := string(appendChip(nil, []byte(c.path), []byte(c.chip), []byte(c.device))); got != c.want {
			t.Errorf("chip of %+v = %s", c, got)
		}
	}
}

func TestCutSensor(t *testing.T) {
	for id, want := range map[string][2]string{"coretemp.0/temp1": {"coretemp.0", "temp1"}, "a/b/in0#2": {"a/b", "in0"}, "temp1": {"", "temp1"}} {
		if device, name := cutSensor([]byte(id)); string(device) != want[0] || string(name) != want[1] {
			t.Errorf("%s is %s and %s", id, device, name)
		}
	}
}
