// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

const statLine = "7841 (cat) R 7837 7837 14076 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 1517038 3133440 382 18446744073709551615 93900248100864 93900248120745" +
	" 140735068259200 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 93900248136752 93900248138368 93901121208320 140735068265135 140735068265173 140735068265173 140735068266475 0\n"

func TestParseStat(t *testing.T) {
	for _, tt := range []struct{ name, line string }{
		{"cat", statLine},
		{"", strings.Replace(statLine, "cat", "", 1)},
		{") R 1 (", strings.Replace(statLine, "cat", ") R 1 (", 1)},
		{"a\nb", strings.Replace(statLine, "cat", "a\nb", 1)},
	} {
		s, err := parseStat([]byte(tt.line))
		want := stat{id: 7841, name: []byte(tt.name), state: 'R', ppid: 7837, threads: 1, cpu: 1, prio: 20}
		if err != nil || !reflect.DeepEqual(s, want) {
			t.Errorf("%q: %+v, %v", tt.line[:20], s, err)
		}
	}
	if s, err := parseStat([]byte(strings.Replace(statLine, "4194304", "2129984", 1))); err != nil || !s.kernel {
		t.Errorf("a thread of the kernel: %+v, %v", s, err)
	}
	if s, err := parseStat([]byte(strings.Replace(statLine, " 20 0 1 ", " -2 -20 1 ", 1))); err != nil || s.prio != -2 || s.nice != -20 {
		t.Errorf("a thread with priority: %+v, %v", s, err)
	}
	for _, bad := range []string{"", "1", "(", ")(", "1 (x)", "1(x) S", "x (x) S 1", "1 (x) SS" + strings.Repeat(" 1", 50), "99999999999 (x) S" + strings.Repeat(" 1", 50), "1 (x) S" + strings.Repeat(" -1", 50)} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, s)
		}
	}
	for n := range statLine {
		if s, err := parseStat([]byte(statLine[:n])); err == nil && s.cpu != 1 {
			t.Errorf("cut at %d: %+v", n, s)
		}
	}
}

const statusText = "Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t7841\nNgid:\t0\nPid:\t7841\nPPid:\t7837\nTracerPid:\t0\nUid:\t1\t1000\t3\t4\n" +
	"Gid:\t5\t2000\t7\t8\nFDSize:\t256\nGroups:\t1 2 3 \nNStgid:\t7840\t12\t3\nNSpid:\t7841\t13\t4\nNSpgid:\t7837\nKthread:\t0\nVmPeak:\t    3060 kB\n"

func TestParseStatus(t *testing.T) {
	var s status
	for range 2 { // the room is used again
		parseStatus([]byte(statusText), &s)
		want := status{uid: IDs{1, 1000, 3}, gid: IDs{5, 2000, 7}, pids: []int32{7840, 12, 3}, tids: []int32{7841, 13, 4}, hasOwners: true}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
	for n := range statusText {
		parseStatus([]byte(statusText[:n]), &s)
	}
	parseStatus([]byte("Uid:\t1\nNStgid:\tx\nNSpid:\t99999999999\n"), &s)
	if s.hasOwners || len(s.pids)+len(s.tids) != 0 {
		t.Errorf("%+v, want nothing", s)
	}
}

const interruptsText = `           CPU0       CPU1
 24:          1          0  IO-APIC   5-edge      ACPI:Ged
 25:          0          1  IO-APIC   6-edge      ACPI:Ged, i8042, a b
 26:          0         15  IO-APIC   4-edge
 27:          0          0  PCI-MSI 524288-edge      virtio0-config
 28:          7          8     GICv3  27 Level     arch_timer
 29:          7
NMI:          0          0   Non-maskable interrupts
ERR:          0
`

func TestParseInterrupts(t *testing.T) {
	got, err := parseInterrupts([]byte(interruptsText))
	want := []Interrupt{
		{24, "IO-APIC", "ACPI:Ged"},
		{25, "IO-APIC", "ACPI:Ged"},
		{25, "IO-APIC", "i8042"},
		{25, "IO-APIC", "a b"},
		{27, "PCI-MSI", "virtio0-config"},
		{28, "GICv3", "arch_timer"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if _, err := parseInterrupts([]byte("x\n")); err == nil {
		t.Error("a text without CPUs is taken")
	}
	for n := range interruptsText {
		_, _ = parseInterrupts([]byte(interruptsText[:n]))
	}
}

func TestParsePartitions(t *testing.T) {
	const text = "major minor  #blocks  name\n\n 254        0  268435456 vda\n 259    65536       1024 nvme0n1p1\n"
	got, err := parsePartitions([]byte(text))
	want := []BlockDevice{{254 << 20, "vda"}, {259<<20 | 65536, "nvme0n1p1"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"1 2 3\n", "x 1 2 a\n", "5000 1 2 a\n", "1 1048576 2 a\n"} {
		if got, err := parsePartitions([]byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
	for n := range text {
		_, _ = parsePartitions([]byte(text[:n]))
	}
}

func TestParseLinks(t *testing.T) {
	for text, want := range map[string]uint32{
		"mnt:[4026531832]": 4026531832, "mnt:[]": 0, "mnt:[1": 0, "": 0, "mnt:[-1]": 0, "mnt:[99999999999]": 0, "[5]": 0, "a:[5]b": 0,
	} {
		if got := parseNamespace([]byte(text)); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]uint32{
		"pos:\t0\nflags:\t0100002\nmnt_id:\t24\n": 0o100002, "flags:\t9\n": 0, "": 0, "flags:": 0, "flags:\t777777777777777777777\n": 0,
	} {
		if got := parseFlags([]byte(text)); got != want {
			t.Errorf("%q is %#o, want %#o", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{statLine, statusText, interruptsText, "major minor  #blocks  name\n\n 254        0  268435456 vda\n", "mnt:[4026531832]", "pos:\t0\nflags:\t0100002\n", idMapText} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if s, err := parseStat(b); err == nil && (s.id < 0 || s.state == 0) {
			t.Errorf("stat %+v", s)
		}
		var s status
		parseStatus(b, &s)
		for _, id := range append(s.pids, s.tids...) {
			if id < 0 {
				t.Errorf("status %+v", s)
			}
		}
		interrupts, _ := parseInterrupts(b)
		for _, i := range interrupts {
			if i.Action == "" && !bytes.Contains(b, []byte(", ")) {
				t.Errorf("interrupt %+v", i)
			}
		}
		_, _ = parsePartitions(b)
		parseNamespace(b)
		parseFlags(b)
		parseIDMap(b).in(1000)
		if !bytes.Equal(b, before) {
			t.Error("a parser writes to its text")
		}
	})
}
