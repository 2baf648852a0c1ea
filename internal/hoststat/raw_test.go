// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// rawPaths returns the paths of the files that patterns give; one that begins with
// ! is switched off. It also returns the leaves.
func rawPaths(t *testing.T, e *Engine, patterns ...string) ([]string, map[string]string) {
	t.Helper()
	q := new(Query)
	for _, p := range patterns {
		text, off := strings.CutPrefix(p, "!")
		q.Raw = append(q.Raw, xmlsysd.RawRule{On: !off, Pattern: text})
	}
	s := newSession(t, e)
	samples := s.Sample(t.Context(), within(e.model, "proc/file"), q)
	defer samples.Release()
	var list []string
	leaves := make(map[string]string)
	for _, p := range samples.Parts() {
		for _, x := range flat(t, e.model, p.Tape) {
			if path, ok := strings.CutPrefix(x.path, "proc/file["); ok && strings.HasSuffix(path, "]") && !x.leaf && strings.Count(path, "[") == 0 {
				list = append(list, strings.TrimSuffix(path, "]"))
			}
			if x.leaf {
				leaves[x.path] = x.text
			}
		}
	}
	return list, leaves
}

func TestRawFiles(t *testing.T) {
	e := files{
		"proc/sys/vm/swappiness": "60\n", "proc/sys/vm/dirty/x": "1\n", "proc/sys/kernel/core_pattern": "|secret\n", "proc/sys/kernel/tainted": "0\n",
		"proc/1/environ": "SECRET=1\n", "proc/self": "-> 1", "proc/net": "-> self/net", "proc/1/net/dev": "a  b\tc\n\n d\n", "proc/1/net/tcp": "x\n",
		"proc/kmsg": "x\n", "proc/kpagecount": "x\n", "proc/version": "v\n", "proc/link": "-> ../host/secret", "proc/up": "-> ../..", "host/secret": "x\n",
		"sys/class/net/eth0": "-> ../../devices/eth0", "sys/devices/eth0/mtu": "1500\n", "sys/devices/other": "x\n",
		"sys/kernel/debug/x": "x\n", "sys/class/sneak": "-> ../kernel/debug/x", "sys/class/abs": "-> /etc/passwd",
	}.engine(t)
	for _, tt := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"sys/vm/swappiness"}, "/proc/sys/vm/swappiness"},
		{[]string{"/proc/sys/vm/*"}, "/proc/sys/vm/swappiness"},
		{[]string{"sys/vm/**"}, "/proc/sys/vm/dirty/x /proc/sys/vm/swappiness"},
		{[]string{"sys/**", "!sys/vm/d*/*"}, "/proc/sys/kernel/tainted /proc/sys/vm/swappiness"},
		{[]string{"!version", "version"}, "/proc/version"},
		{[]string{"version", "!ver*"}, ""},
		{[]string{"net/*"}, "/proc/net/dev"},
		{[]string{"net/tcp"}, ""},
		{[]string{"/sys/class/net/*/mtu"}, "/sys/class/net/eth0/mtu"},
		{[]string{"/sys/devices/other"}, ""},
		{[]string{"/sys/kernel/debug/x", "/sys/class/sneak", "/sys/class/abs"}, ""},
		{[]string{"kmsg", "kpagecount", "k*"}, ""},
		{[]string{"1/environ", "[0-9]/environ", "*/environ", "self/environ", "thread-self/environ", "**/environ"}, ""},
		{[]string{"../host/secret", "sys/../../host/secret", "link", "up/host/secret", "./version", "sys//vm/swappiness", "/etc/passwd", ""}, ""},
	} {
		if got, _ := rawPaths(t, e, tt.patterns...); strings.Join(got, " ") != tt.want {
			t.Errorf("%q gave %q, want %q", tt.patterns, got, tt.want)
		}
	}
	_, leaves := rawPaths(t, e, "net/dev")
	want(t, leaves, "proc/file[/proc/net/dev]", map[string]string{
		"/line[0]/field[0]": "a", "/line[0]/field[1]": "b", "/line[0]/field[2]": "c", "/line[1]/field[0]": "-", "/line[2]/field[0]": "d",
	})
}

// Paths that leave the root of the kernel's own /proc, some of which only its magic
// links allow.
func TestRawEscapes(t *testing.T) {
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(proc)
	pid := os.Getpid()
	for name, want := range map[string]error{
		"../etc/passwd": unix.EXDEV, "/etc/passwd": unix.EXDEV, "self/../../etc/passwd": unix.EXDEV,
		path.Join("self", "root", "etc/passwd"): unix.ELOOP, "self/cwd/raw_test.go": unix.ELOOP, "self/exe": unix.ELOOP, "self/fd/0": unix.ELOOP,
		path.Join(fmt.Sprintf("%d/task/%d", pid, pid), "root", "etc/passwd"): unix.ELOOP, "sys": reread.ErrNotRegular,
		"net/dev": nil, "mounts": nil, "self/stat": nil, "sys/vm/swappiness": nil,
	} {
		fd, err := reread.OpenBeneath(proc, name, false)
		if err == nil {
			unix.Close(fd)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	e := newEngine(t, Options{Expose: Expose{Raw: true}})
	if got, _ := rawPaths(t, e, "self/environ", fmt.Sprintf("%d/environ", pid), "*/environ", path.Join("self", "root", "**"), "kmsg", "kcore", "net/tcp", "sys/kernel/core_pattern"); len(got) > 0 {
		t.Errorf("%v", got)
	}
	if got, _ := rawPaths(t, e, "net/dev", "mounts", "loadavg", "sys/vm/swappiness"); len(got) != 4 {
		t.Errorf("%v, want four files", got)
	}
}

func TestRawLimits(t *testing.T) {
	f := files{"proc/fs/long": strings.Repeat("line\n", 20_000), "proc/fs/deep/1/2/3/4/5/6/7/8/9": "x\n"}
	for i := range 1200 {
		f[fmt.Sprintf("proc/sys/vm/%04d", i)] = "1\n"
	}
	e := f.engine(t)
	if got, _ := rawPaths(t, e, "sys/vm/*"); len(got) != maxRawFiles || !slices.IsSorted(got) {
		t.Errorf("%d files, want %d in order", len(got), maxRawFiles)
	}
	if got, _ := rawPaths(t, e, "fs/deep/**"); len(got) != 0 {
		t.Errorf("%v is deeper than allowed", got)
	}
	_, leaves := rawPaths(t, e, "fs/long")
	if len(leaves) != maxRawLines {
		t.Errorf("%d lines, want %d", len(leaves), maxRawLines)
	}
	hidden := newEngine(t, func() Options { o := f.options(t); o.Expose = Expose{}; return o }())
	if got, _ := rawPaths(t, hidden, "sys/vm/0001"); len(got) != 0 {
		t.Errorf("%v without being exposed", got)
	}
	if err := os.Chmod(e.proc("sys/vm/0001"), 0o200); err != nil {
		t.Fatal(err)
	}
	if got, _ := rawPaths(t, e, "sys/vm/0001"); len(got) != 0 {
		t.Errorf("%v, which is there to be written only", got)
	}
}

func TestRawOptions(t *testing.T) {
	o := files{"proc/odd/x": "1\n", "proc/version": "v\n"}.options(t)
	o.RawAllow, o.RawDeny = []string{"odd/*"}, []string{"version"}
	e := newEngine(t, o)
	if got, _ := rawPaths(t, e, "odd/x", "version"); strings.Join(got, " ") != "/proc/odd/x" {
		t.Errorf("%v", got)
	}
}
