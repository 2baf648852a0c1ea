// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package procstat

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func proc(stat string, schedstats map[string]string) fstest.MapFS {
	m := fstest.MapFS{"42/stat": {Data: []byte(stat)}}
	for id, text := range schedstats {
		m["42/task/"+id+"/schedstat"] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func statLine(name, user, system string) string {
	return "42 (" + name + ") S 1 42 42 0 -1 4194560 11 0 0 0 " + user + " " + system + " 0 0 20 0 9 0 12345 1 2 3\n"
}

func TestClockSince(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after fstest.MapFS
		want          time.Duration
	}{
		{
			"threads that stay and one that is new",
			proc(statLine("relay", "10", "20"), map[string]string{"42": "1000 5 6\n", "43": "2000 7 8\n"}),
			proc(statLine("relay", "10", "20"), map[string]string{"42": "5000 5 6\n", "43": "2500 7 9\n", "44": "700 0 1\n"}),
			5200,
		},
		{
			"a thread that ended counts by the process's time",
			proc(statLine("a) S (b", "10", "20"), map[string]string{"42": "1000000 5 6\n", "43": "2000000 7 8\n"}),
			proc(statLine("a) S (b", "11", "23"), map[string]string{"42": "3000000 5 6\n"}),
			40 * time.Millisecond,
		},
		{
			"a thread that came and went between the readings",
			proc(statLine("relay", "0", "0"), map[string]string{"42": "0 0 0\n"}),
			proc(statLine("relay", "50", "50"), map[string]string{"42": "100000000 0 0\n"}),
			time.Second,
		},
		{
			"rounding of the process's time is no second source",
			proc(statLine("relay", "0", "0"), map[string]string{"42": "0 0 0\n"}),
			proc(statLine("relay", "6", "7"), map[string]string{"42": "100000000 0 0\n"}),
			100 * time.Millisecond,
		},
	} {
		before, err := ReadClock(tt.before, 42)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		after, err := ReadClock(tt.after, 42)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := after.Since(before); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestReadClockRefusesDamage(t *testing.T) {
	good := map[string]string{"42": "1 2 3\n"}
	for _, tt := range []struct {
		name string
		fs   fstest.MapFS
	}{
		{"no process", fstest.MapFS{}},
		{"short schedstat", proc(statLine("x", "1", "2"), map[string]string{"42": "1 2\n"})},
		{"schedstat without numbers", proc(statLine("x", "1", "2"), map[string]string{"42": "a 2 3\n"})},
		{"short stat", proc("42 (x) S 1 2 3\n", good)},
		{"stat without numbers", proc(statLine("x", "1", "b"), good)},
		{"empty stat", proc("", good)},
		{"no stat", fstest.MapFS{"42/task/42/schedstat": {Data: []byte("1 2 3\n")}}},
	} {
		if got, err := ReadClock(tt.fs, 42); err == nil {
			t.Errorf("%s: got %v, want an error", tt.name, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	const text = "Name:\trelay\nVmPeak:\t  900 kB\nVmHWM:\t   12288 kB\nVmRSS:\t    8192 kB\nThreads:\t9\n"
	got, err := parseStatus(text)
	if want := (Memory{Resident: 8 << 20, Peak: 12 << 20}); err != nil || got != want {
		t.Errorf("parseStatus = %+v, %v, want %+v", got, err, want)
	}
	for _, damaged := range []string{
		"", strings.ReplaceAll(text, "VmHWM", "VmXXX"), strings.ReplaceAll(text, "8192 kB", "8192"), strings.ReplaceAll(text, "12288", "many"),
	} {
		if got, err := parseStatus(damaged); err == nil {
			t.Errorf("parseStatus(%q) = %+v, want an error", damaged, got)
		}
	}
}

func TestFamily(t *testing.T) {
	line := func(parent string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Replace(statLine("a b", "1", "2"), " S 1 ", " S "+parent+" ", 1))}
	}
	proc := fstest.MapFS{
		"42/stat": line("1"), "50/stat": line("42"), "7/stat": line("50"), "51/stat": line("42"), "43/stat": line("1"),
		"60/comm": {}, "meminfo": {}, // a process that ended between, and no process
	}
	got, err := Family(proc, 42)
	if want := []int{42, 50, 51, 7}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Family = %v, %v, want %v", got, err, want)
	}
	got, err = Children(proc, 42)
	if want := []int{50, 51}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Children = %v, %v, want %v", got, err, want)
	}
	proc["44/stat"] = &fstest.MapFile{Data: []byte("44 (x)")}
	if got, err := Family(proc, 42); err == nil {
		t.Errorf("Family = %v, want an error", got)
	}
	if got, err := Children(proc, 42); err == nil {
		t.Errorf("Children = %v, want an error", got)
	}
}

// CPU time is that of all processes; a child that is gone counts nothing.
func TestReadClockOfFamily(t *testing.T) {
	m := proc(statLine("relay", "1", "1"), map[string]string{"42": "100 0 0", "43": "20 0 0"})
	m["50/stat"] = &fstest.MapFile{Data: []byte(statLine("child", "2", "2"))}
	m["50/task/50/schedstat"] = &fstest.MapFile{Data: []byte("3 0 0")}
	c, err := ReadClock(m, 42, 50, 99)
	if err != nil || c.process != 6*tick || c.Since(Clock{process: 6 * tick}) != 123 {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := ReadClock(m, 99, 42); err == nil {
		t.Error("the process itself is gone: no error")
	}
}

// The real thing: this process has run and has memory.
func TestReadOwnProcess(t *testing.T) {
	proc, pid := Host(), os.Getpid()
	pids, err := Family(proc, pid)
	if err != nil || pids[0] != pid {
		t.Fatalf("Family = %v, %v", pids, err)
	}
	c, err := ReadClock(proc, pids...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadMemory(proc, pid)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.threads) == 0 || c.Since(Clock{}) <= 0 || m.Resident <= 0 || m.Peak < m.Resident/2 {
		t.Errorf("got %+v and %+v of this process", c, m)
	}
}
