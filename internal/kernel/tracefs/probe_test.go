// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/peer"
	"golang.org/x/sys/unix"
)

// program is a C program that calls a function as often as its argument says.
const program = `
#include <stdlib.h>
__attribute__((noinline)) int probed(int n) { __asm__ volatile(""); return n + 1; }
__attribute__((noinline)) static int hidden(int n) { __asm__ volatile(""); return n - 1; }
int exported = 1;
int main(int argc, char **argv) {
	int sum = 0;
	for (int i = 0; i < atoi(argv[1]); i++) sum += probed(i) + hidden(i);
	return sum == 7;
}
`

// compile makes a program of C.
func compile(t *testing.T, name string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "p.c")
	must(t, os.WriteFile(source, []byte(program), 0o600))
	out := filepath.Join(dir, name)
	cmd := exec.CommandContext(t.Context(), peer.Need(t, "gcc"), append(flags, "-O1", "-o", out, source)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, text)
	}
	return out
}

// group is the group of this process's probes.
func group() string { return fmt.Sprintf("%stest_%d", ProbeGroupPrefix, os.Getpid()) }

func needUprobes(t *testing.T, fs *FS) {
	t.Helper()
	c, err := fs.Capabilities()
	must(t, err)
	if !c.Uprobes {
		peer.Lack(t, "a kernel with uprobe_events")
	}
	t.Cleanup(func() {
		if _, err := fs.SweepProbes(group(), nil); err != nil {
			t.Errorf("SweepProbes: %v", err)
		}
	})
}

// A function of a program is hit as often as it is called, also a static one.
func TestUprobe(t *testing.T) {
	dir := mounted(t)
	needUprobes(t, dir)
	keepsDescriptors(t)
	path := compile(t, "program")
	watch, err := dir.Watch()
	must(t, err)
	var probes []EventName
	for _, p := range []Probe{
		{Event: EventName{Name: "entry"}, Path: path, Symbol: "probed", Args: []string{"n=%di:s32"}},
		{Event: EventName{Name: "exit"}, Path: path, Symbol: "probed", Return: true, Args: []string{"r=$retval:s32"}},
		{Event: EventName{Name: "hidden"}, Path: path, Symbol: "hidden"},
	} {
		p.Event.System = group()
		p.Offset, err = UserPlace{Path: p.Path, Symbol: p.Symbol}.Offset()
		must(t, err)
		must(t, dir.AddProbe(p))
		if err := dir.AddProbe(p); !errors.Is(err, fs.ErrExist) {
			t.Errorf("the same probe again: %v, want fs.ErrExist", err)
		}
		probes = append(probes, p.Event)
	}
	got, err := dir.Probes(group())
	if !slices.Equal(got, probes) || err != nil {
		t.Errorf("Probes = %v, %v, want %v", got, err, probes)
	}
	added, _, err := watch.Changes()
	must(t, err)
	for _, n := range probes {
		if !slices.Contains(added, n) {
			t.Errorf("%v is not among the events that came: %v", n, added)
		}
	}
	in := create(t, dir, InstanceOptions{RingBytes: 1 << 20})
	refused, err := in.EnableEvents(probes)
	if len(refused) != 0 || err != nil {
		t.Fatalf("EnableEvents = %v, %v", refused, err)
	}
	must(t, in.SetTracing(true))
	must(t, exec.CommandContext(t.Context(), path, "1000").Run())
	must(t, in.SetTracing(false))
	if n := counter(t, openRings(t, in), "entries"); n != 3000 {
		t.Errorf("%d events, want 3000", n)
	}
	if err := dir.RemoveProbe(probes[0]); !errors.Is(err, unix.EBUSY) {
		t.Errorf("RemoveProbe of what is enabled: %v, want EBUSY", err)
	}
	must(t, in.DisableAll())
	must(t, dir.RemoveProbe(probes[0]))
	if err := dir.RemoveProbe(probes[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("RemoveProbe again: %v, want fs.ErrNotExist", err)
	}
}

// Sweeping leaves other people's probes alone.
func TestSweepProbes(t *testing.T) {
	dir := mounted(t)
	needUprobes(t, dir)
	path := compile(t, "program")
	offset, err := UserPlace{Path: path, Symbol: "probed"}.Offset()
	must(t, err)
	others := EventName{fmt.Sprintf("others_%d", os.Getpid()), "probe"}
	must(t, dir.addTo(uprobeEvents, fmt.Sprintf("p:%s/%s %s:%#x\n", others.System, others.Name, path, offset)))
	defer func() { must(t, dir.addTo(uprobeEvents, "-:"+others.System+"/"+others.Name+"\n")) }()
	names := []EventName{{group(), "a"}, {group(), "b"}, {group() + "_more", "c"}}
	for _, n := range names {
		must(t, dir.AddProbe(Probe{Event: n, Path: path, Offset: offset}))
	}
	removed, err := dir.SweepProbes(group(), func(n EventName) bool { return n.Name == "b" })
	if !slices.Equal(removed, []EventName{names[0], names[2]}) || err != nil {
		t.Errorf("SweepProbes = %v, %v", removed, err)
	}
	for prefix, want := range map[string][]EventName{group(): {names[1]}, others.System: {others}} {
		if got, err := dir.Probes(prefix); !slices.Equal(got, want) || err != nil {
			t.Errorf("Probes(%q) = %v, %v, want %v", prefix, got, err, want)
		}
	}
	for _, prefix := range []string{"", "weir", "others_"} {
		if removed, err := dir.SweepProbes(prefix, nil); len(removed) != 0 || err == nil {
			t.Errorf("SweepProbes(%q) = %v, %v", prefix, removed, err)
		}
	}
	if err := dir.RemoveProbe(others); err == nil {
		t.Error("somebody else's probe is removed")
	}
}

func TestProbeRefused(t *testing.T) {
	dir := mounted(t)
	needUprobes(t, dir)
	path := compile(t, "program")
	for name, tt := range map[string]struct {
		p       Probe
		message string
		at      string // the part of the definition that the kernel points at
	}{
		"register": {Probe{Path: path, Offset: 0x1000, Args: []string{"a=%di", "b=%nosuch"}}, "Invalid register name", "%nosuch"},
		"file":     {Probe{Path: "/nosuch/file", Offset: 0x1000}, "Failed to find the given file", "/nosuch/file"},
		"name":     {Probe{Path: path, Offset: 0x1000, Args: []string{"1a=%di"}}, "", "1a"},
	} {
		tt.p.Event = EventName{group(), "refused"}
		err := dir.AddProbe(tt.p)
		var perr *ProbeError
		if !errors.As(err, &perr) {
			t.Errorf("%s: %v, want a ProbeError", name, err)
			continue
		}
		if !strings.Contains(perr.Message, tt.message) || perr.Message == "" || perr.Offset < 0 || !strings.HasPrefix(perr.Definition[perr.Offset:], tt.at) {
			t.Errorf("%s: %+v, want %q at %q", name, perr, tt.message, tt.at)
		}
	}
	if got, err := dir.Probes(group()); len(got) != 0 || err != nil {
		t.Errorf("left: %v, %v", got, err)
	}
}

func TestProbeDefinition(t *testing.T) {
	n := EventName{"weir_x", "y"}
	for _, tt := range []struct {
		p    Probe
		want string
	}{
		{Probe{Event: n, Symbol: "do_sys_open+0x10"}, "p:weir_x/y do_sys_open+0x10"},
		{Probe{Event: n, Symbol: "do_sys_open", Return: true, Args: []string{"r=$retval"}}, "r:weir_x/y do_sys_open r=$retval"},
		{Probe{Event: n, Path: "/bin/x", Offset: 0x1234, Symbol: "f"}, "p:weir_x/y /bin/x:0x1234"},
		{Probe{Event: n}, ""},
		{Probe{Event: n, Symbol: "a b"}, ""},
		{Probe{Event: n, Symbol: "a\n-:weir_x/y"}, ""},
		{Probe{Event: n, Path: "/bin/with blank", Offset: 1}, ""},
		{Probe{Event: n, Symbol: "a", Args: []string{"x y"}}, ""},
		{Probe{Event: n, Symbol: "a", Args: []string{""}}, ""},
		{Probe{Event: EventName{"sched", "y"}, Symbol: "a"}, ""},
		{Probe{Event: EventName{"weir_x", "1y"}, Symbol: "a"}, ""},
		{Probe{Event: EventName{"weir_x", "y-z"}, Symbol: "a"}, ""},
		{Probe{Event: EventName{"weir_x", strings.Repeat("y", 64)}, Symbol: "a"}, ""},
	} {
		got, err := tt.p.Definition()
		var nerr *NameError
		if got != tt.want || (tt.want == "") != errors.As(err, &nerr) {
			t.Errorf("Definition of %+v = %q, %v, want %q", tt.p, got, err, tt.want)
		}
	}
}

// The temporary tree has uprobe_events and dynamic_events, but no kprobe_events.
func TestProbeLists(t *testing.T) {
	dir, d := tree(t)
	lines := func(list, want string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(d.tree, list))
		if string(b) != want || err != nil {
			t.Errorf("%s = %q, %v, want %q", list, b, err, want)
		}
	}
	d.fill(d.tree, map[string]string{dynamicEvents: "p:others/a x\n"})
	user := Probe{Event: EventName{"weir_x", "u"}, Path: "/bin/x", Offset: 16}
	must(t, dir.AddProbe(user))
	lines(dynamicEvents, "p:others/a x\np:weir_x/u /bin/x:0x10\n")
	err := dir.AddProbe(Probe{Event: EventName{"weir_x", "k"}, Symbol: "f"})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "kprobe_events") {
		t.Errorf("kprobe without kprobe_events: %v", err)
	}
	must(t, os.Remove(filepath.Join(d.tree, dynamicEvents)))
	must(t, dir.AddProbe(user))
	lines(uprobeEvents, "p:weir_x/u /bin/x:0x10\n")
	d.fill(d.tree, map[string]string{kprobeEvents: "r8:weir_x/k f\np:others/k f\n"})
	if got, err := dir.Probes("weir_"); !slices.Equal(got, []EventName{{"weir_x", "u"}, {"weir_x", "k"}}) || err != nil {
		t.Errorf("Probes = %v, %v", got, err)
	}
	d.refuse = func(op, path string) error {
		switch {
		case op == "write" && path == uprobeEvents:
			return unix.ENOENT // no such probe in this list
		case op == "open" && path == "error_log":
			return unix.EACCES
		}
		return nil
	}
	must(t, dir.RemoveProbe(EventName{"weir_x", "k"}))
	lines(kprobeEvents, "r8:weir_x/k f\np:others/k f\n-:weir_x/k\n")
	d.refuse = func(op, path string) error {
		if op == "write" {
			return unix.EBUSY
		}
		return nil
	}
	removed, err := dir.SweepProbes("weir_", nil)
	if len(removed) != 0 || !errors.Is(err, unix.EBUSY) {
		t.Errorf("SweepProbes = %v, %v", removed, err)
	}
}

func TestFindInLog(t *testing.T) {
	log := "[1.0] trace_uprobe: error: First\n  Command: p:weir_x/y a\n             ^\n" +
		"[2.0] trace_uprobe: error: Second\n  Command: p:weir_x/y a\n           ^\n" +
		"[3.0] trace_kprobe: error: Third\n  Command: p:weir_x/y a b\n                        ^\n" +
		"[4.0] event filter parse error: error: Fourth\n  Command: f\n"
	for command, want := range map[string]struct {
		message string
		offset  int
	}{
		"p:weir_x/y a":   {"Second", 0},
		"p:weir_x/y a b": {"Third", 13},
		"f":              {"Fourth", -1},
		"p:weir_x/y":     {"", -1},
		"":               {"", -1},
	} {
		if message, offset := findInLog(log, command); message != want.message || offset != want.offset {
			t.Errorf("findInLog(%q) = %q, %d, want %q, %d", command, message, offset, want.message, want.offset)
		}
	}
}

func FuzzKernelAnswers(f *testing.F) {
	f.Add("[1.0] trace_uprobe: error: First\n  Command: p:weir_x/y a\n             ^\n", "p:weir_x/y a")
	f.Add("a == 1 && b\n          ^\nparse_error: Field not found\n\n", "a == 1 && b")
	f.Add("p:weir_x/y a\nr8:weir_x/z b\n", "weir_")
	f.Fuzz(func(t *testing.T, text, command string) {
		if _, offset := findInLog(text, command); offset < -1 || offset > len(command) {
			t.Errorf("findInLog(%q, %q): offset %d", text, command, offset)
		}
		if _, offset := parseFilterError(text); offset < -1 || offset > len(text) {
			t.Errorf("parseFilterError(%q): offset %d", text, offset)
		}
		for _, n := range parseProbes(text, command) {
			if !strings.HasPrefix(n.System, command) || n.Name == "" {
				t.Errorf("parseProbes(%q, %q) has %v", text, command, n)
			}
		}
	})
}
