// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoadAverage(t *testing.T) {
	for _, tt := range []struct {
		name string
		proc fstest.MapFS
		want string
	}{
		{"as the kernel tells it", fstest.MapFS{"loadavg": {Data: []byte("0.90 1.22 2.15 1/234 5678\n")}}, "0.90 1.22 2.15"},
		{"nothing", fstest.MapFS{}, "unknown"},
		{"half", fstest.MapFS{"loadavg": {Data: []byte("0.90 1.22")}}, "unknown"},
	} {
		if got := loadAverage(tt.proc); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMachine(t *testing.T) {
	if got := Machine(); !strings.Contains(got, " CPUs, Linux ") {
		t.Errorf("Machine() = %q", got)
	}
	if got := FileSystem("/proc"); got != "file system 0x9fa0" {
		t.Errorf("FileSystem(/proc) = %q, want its number", got)
	}
	if got := FileSystem(t.TempDir() + "/none"); got != "an unknown file system" {
		t.Errorf("FileSystem of nothing = %q", got)
	}
}
