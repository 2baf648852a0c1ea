// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package selfmap

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const page = 4096

// segment is a program header of a test.
type segment struct {
	kind, flags           uint32
	offset, vaddr, length uint64
}

// executable is the beginning of a file with segments.
func executable(segments ...segment) []byte {
	b := make([]byte, fileHeader, fileHeader+len(segments)*phMin)
	copy(b, "\x7fELF\x02\x01\x01")
	binary.NativeEndian.PutUint64(b[phoffAt:], fileHeader)
	binary.NativeEndian.PutUint16(b[phentAt:], phMin)
	binary.NativeEndian.PutUint16(b[phnumAt:], uint16(len(segments)))
	for _, s := range segments {
		h := make([]byte, phMin)
		binary.NativeEndian.PutUint32(h, s.kind)
		binary.NativeEndian.PutUint32(h[phFlagsAt:], s.flags)
		binary.NativeEndian.PutUint64(h[phOffsetAt:], s.offset)
		binary.NativeEndian.PutUint64(h[phVaddrAt:], s.vaddr)
		binary.NativeEndian.PutUint64(h[phFileszAt:], s.length)
		b = append(b, h...)
	}
	return b
}

var ordinary = executable(
	segment{6, 4, 64, 0x400040, 168},
	segment{loadable, 5, 0, 0x400000, 0x5800},
	segment{loadable, 4, 0x6000, 0x406000, 0x2000},
	segment{loadable, 6, 0x8000, 0x408000, 0x1000},
	segment{loadable, 4, 0x9000, 0x409010, 0x100},
)

func TestParseImage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		b       []byte
		headers uint64
		want    []span
	}{
		{"fixed", ordinary, 0x400040, []span{{0x400000, 0x405000}, {0x406000, 0x408000}}},
		{"moved", ordinary, 0x7f0000000040, []span{{0x7f0000000000, 0x7f0000005000}, {0x7f0000006000, 0x7f0000008000}}},
		{"without code", executable(segment{loadable, 6, 0, 0x1000, 0x1000}), 0x1040, nil},
	} {
		got, err := parseImage(tt.b, tt.headers, page)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %#x, %v, want %#x", tt.name, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name    string
		b       []byte
		headers uint64
	}{
		{"no ELF", bytes.Repeat([]byte{1}, 4096), 0x400040},
		{"32 bits", append([]byte("\x7fELF\x01"), make([]byte, 100)...), 0x400040},
		{"no vector", ordinary, 0},
	} {
		if _, err := parseImage(tt.b, tt.headers, page); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := parseImage(executable(segment{loadable, 5, 0x1000, 0x401000, 0x1000}), 0x400040, page); err == nil {
		t.Error("segments without the program headers are taken")
	}
}

func TestParseImageCut(t *testing.T) {
	for n := range ordinary {
		if got, err := parseImage(ordinary[:n], 0x400040, page); err == nil {
			t.Errorf("of %d bytes: %#x", n, got)
		}
	}
}

func FuzzParseImage(f *testing.F) {
	f.Add(ordinary, uint64(0x400040))
	f.Fuzz(func(t *testing.T, b []byte, at uint64) {
		spans, err := parseImage(b, at, page)
		for _, s := range spans {
			if err != nil || s.from >= s.to || s.from%page != 0 || s.to%page != 0 {
				t.Errorf("%#x, %v", s, err)
			}
		}
	})
}

func TestRuns(t *testing.T) {
	const there = pagePresent | pageOfFile
	var flags []byte
	for _, f := range []uint64{there, there | 5, 0, pagePresent, there, pageOfFile, there, there} {
		flags = binary.NativeEndian.AppendUint64(flags, f)
	}
	if got, want := runs(flags), []span{{0, 2}, {4, 5}, {6, 8}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestLoad finds the segments of this program where the kernel says that they are.
func TestLoad(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.spans) == 0 {
		t.Fatal("no segments")
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.spans {
		found := false
		for line := range strings.Lines(string(maps)) {
			var from, to uint64
			if n, _ := fmt.Sscanf(line, "%x-%x", &from, &to); n == 2 && from <= s.from && s.to <= to {
				found = strings.HasSuffix(strings.TrimSpace(line), exe) && regexp.MustCompile(` r-[x-]p `).MatchString(line)
			}
		}
		if !found {
			t.Errorf("%#x is no read-only part of the program in\n%s", s, maps)
		}
	}
}

// fileResident is what is resident of files, in bytes.
func fileResident(t *testing.T) int {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		var kib int
		if n, _ := fmt.Sscanf(in.Text(), "RssFile: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("no RssFile")
	return 0
}

// What is given back is not resident any more, and the program goes on.
func TestDrop(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	touch := func() (sum int) { // code and constants all over the program
		for _, s := range []string{"a+", "(b|c)*", `\p{Greek}x`, "[^d]{3}"} {
			sum += len(regexp.MustCompile(s).String())
		}
		return sum + len(fmt.Sprintf("%v %q", m.spans, "x"))
	}
	first := touch()
	before := fileResident(t)
	n, err := m.Drop()
	if err != nil {
		t.Fatal(err)
	}
	after := fileResident(t)
	if n < 64<<10 || after >= before {
		t.Errorf("%d bytes are given back; resident before %d, after %d", n, before, after)
	}
	if again := touch(); again != first {
		t.Errorf("then %d, before %d", again, first)
	}
}
