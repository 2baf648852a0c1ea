// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

// files are those of a fixture by path below its directory, which has proc, sys and
// host. A text that begins with "-> " makes a link.
type files map[string]string

// engine returns an engine of a fixture.
func (f files) engine(t testing.TB) *Engine {
	t.Helper()
	return newEngine(t, f.options(t))
}

// options writes the fixture.
func (f files) options(t testing.TB) Options {
	t.Helper()
	dir := t.TempDir()
	for _, root := range []string{"proc", "sys", "host"} {
		if err := os.Mkdir(filepath.Join(dir, root), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range f {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Options{
		ProcRoot: filepath.Join(dir, "proc"), SysRoot: filepath.Join(dir, "sys"), Root: filepath.Join(dir, "host"),
		MinInterval: -1, Expose: Expose{true, true, true, true},
	}
}

// sectionOf samples one section and returns its leaves, and those of system/errors.
func sectionOf(t testing.TB, e *Engine, path string) map[string]string {
	t.Helper()
	s := newSession(t, e)
	samples := s.Sample(t.Context(), within(e.Model(), path, "system/errors"), nil)
	defer samples.Release()
	all := make(map[string]string)
	for _, p := range samples.Parts() {
		for k, v := range values(t, e.Model(), p.Tape) {
			all[k] = v
		}
	}
	return all
}

// within wants paths, what is below and what is above them.
func within(m *xmlsysd.Model, paths ...string) func(xmlsysd.NodeID) bool {
	return func(id xmlsysd.NodeID) bool {
		at := m.Node(id).Path
		for _, p := range paths {
			if at == p || strings.HasPrefix(at, p+"/") || strings.HasPrefix(p, at+"/") {
				return true
			}
		}
		return false
	}
}

// want compares leaves; a value of "-" wants none.
func want(t testing.TB, got map[string]string, prefix string, wanted map[string]string) {
	t.Helper()
	for path, text := range wanted {
		have, ok := got[prefix+path]
		if text == "-" {
			if ok {
				t.Errorf("%s = %q, want none", prefix+path, have)
			}
			continue
		}
		if !ok || have != text {
			t.Errorf("%s = %q (%v), want %q", prefix+path, have, ok, text)
		}
	}
}

// manyCPUs is /proc/stat of a host with 256 CPUs of which some are offline.
func manyCPUs(n int, offline ...int) string {
	var b strings.Builder
	b.WriteString("cpu  1 2 3 4 5 6 7 8 9 10\n")
	gone := make(map[int]bool)
	for _, i := range offline {
		gone[i] = true
	}
	for i := range n {
		if !gone[i] {
			fmt.Fprintf(&b, "cpu%d %d 1 2 3 4 5 6 7 8 9\n", i, i)
		}
	}
	b.WriteString("intr 77 1 2 3\nctxt 88\nbtime 1000\nprocesses 99\nprocs_running 2\nprocs_blocked 1\nsoftirq 55 1 2\n")
	return b.String()
}

// manyInterrupts is /proc/interrupts of such a host.
func manyInterrupts(cpus, lines int) string {
	var b strings.Builder
	b.WriteString("    ")
	for i := range cpus {
		fmt.Fprintf(&b, " CPU%d", 2*i)
	}
	for l := range lines {
		fmt.Fprintf(&b, "\n%3d:", l)
		for i := range cpus {
			fmt.Fprintf(&b, " %d", l*i)
		}
		fmt.Fprintf(&b, "  IR-PCI-MSI %d-edge      nvme0q%d", l, l)
	}
	b.WriteString("\nERR:          7\nMIS:          0\n")
	return b.String()
}
