// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What the probe says is what the machine's files say.
func TestCapabilities(t *testing.T) {
	fs := mounted(t)
	keepsDescriptors(t)
	c, err := fs.Capabilities()
	must(t, err)
	for file, got := range map[string]bool{
		"uprobe_events": c.Uprobes, "kprobe_events": c.Kprobes, "dynamic_events": c.DynamicEvents,
		"user_events_data": c.UserEvents, "snapshot": c.Snapshot, "events/syscalls": c.Syscalls,
		"buffer_subbuf_size_kb": c.Subbuffers, "buffer_percent": c.WakePercent,
		"events/sched/sched_switch/hist": c.Hist, "events/sched/sched_switch/trigger": c.Triggers,
	} {
		if _, err := os.Stat(filepath.Join(fs.Path(), file)); got != (err == nil) {
			t.Errorf("%s: %v, but %v", file, got, err)
		}
	}
	if !slices.Contains(c.Clocks, "local") || slices.ContainsFunc(c.Clocks, func(s string) bool { return strings.ContainsAny(s, "[]") }) {
		t.Errorf("Clocks = %q", c.Clocks)
	}
	if c.SubbufferBytes < os.Getpagesize() || c.Path != fs.Path() {
		t.Errorf("%+v", c)
	}
	if probes, err := fs.Probes(ProbeGroupPrefix + "trial"); len(probes) != 0 || err != nil {
		t.Errorf("left by the trial: %v, %v", probes, err)
	}
	b, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(b), `"kprobe_events":`) {
		t.Errorf("as JSON: %s, %v", b, err)
	}
}

// What is certain is asked once; what was not is asked again.
func TestCapabilitiesAreKept(t *testing.T) {
	dir, d := tree(t)
	asked := make(map[string]int)
	failing := "uprobe_events"
	d.refuse = func(op, path string) error {
		if op == "open" {
			asked[path]++
			if path == failing {
				return unix.EMFILE
			}
		}
		if op == "write" && path == dynamicEvents {
			return unix.EINVAL // no eprobes
		}
		return nil
	}
	c, err := dir.Capabilities()
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "probe for uprobe_events") || c.Uprobes || !c.DynamicEvents || c.Kprobes || c.Eprobes || c.Hist {
		t.Errorf("Capabilities = %+v, %v", c, err)
	}
	failing = ""
	for range 2 {
		c, err = dir.Capabilities()
		if err != nil || !c.Uprobes || c.SubbufferBytes != 8<<10 || !slices.Equal(c.Clocks, []string{"local", "global", "x86-tsc", "mono"}) {
			t.Errorf("Capabilities = %+v, %v", c, err)
		}
	}
	for path, want := range map[string]int{"uprobe_events": 2, "kprobe_events": 1, "events/sched/sched_switch/hist": 1, "snapshot": 1} {
		if asked[path] != want {
			t.Errorf("%s is asked for %d times, want %d", path, asked[path], want)
		}
	}
}

// A kernel that takes a probe of an event has it taken away again.
func TestEprobes(t *testing.T) {
	dir, d := tree(t)
	c, err := dir.Capabilities()
	if err != nil || !c.Eprobes {
		t.Errorf("Capabilities = %+v, %v", c, err)
	}
	b, err := os.ReadFile(filepath.Join(d.tree, dynamicEvents))
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "e:weir_trial/eprobe_") || !strings.HasPrefix(lines[1], "-:weir_trial/eprobe_") {
		t.Errorf("%s = %q", dynamicEvents, lines)
	}
}
