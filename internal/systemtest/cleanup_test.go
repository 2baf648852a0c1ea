// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKernelCleanup removes by hand what a killed daemon has left in the kernel, and
// nothing of others.
func TestKernelCleanup(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weircleanup")
		record := func(name string) {
			a.do("create", name, "-o", filepath.Join(m.dir, name))
			a.do(a.countedRule(w)...)
			a.do("start")
		}
		record("killed")
		noted, err := filepath.Glob("/run/weir/instances/weir.*")
		if err != nil || len(noted) != 1 {
			m.Fatalf("instances written down: %v, %v; want one", noted, err)
		}
		instance := filepath.Join(kernelRoot, "instances", filepath.Base(noted[0]))
		// One that has a name like it, and is nobody's.
		foreign := filepath.Join(kernelRoot, "instances", fmt.Sprintf("weir.0.foreign.%08x", rand.Uint32()))
		if err := os.Mkdir(foreign, 0o700); err != nil {
			m.Fatal(err)
		}
		m.Cleanup(func() {
			if err := os.Remove(foreign); err != nil {
				m.Error(err)
			}
		})
		cleanup := func(want string, args ...string) {
			m.Helper()
			if out := a.do(append([]string{"cleanup", "--instances"}, args...)...); !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 1 {
				m.Errorf("weir cleanup %s: %q, want one line %q", strings.Join(args, " "), out, want)
			}
		}
		cleanup("nothing is left behind") // its daemon runs
		consumers := m.children(a.p.cmd.Process.Pid)
		a.p.kill()
		for _, pid := range consumers {
			m.untilGone(pid)
		}
		cleanup("would be removed: "+filepath.Base(instance)+", session killed of daemon ", "--dry-run")
		if _, err := os.Stat(instance); err != nil {
			m.Errorf("after --dry-run: %v", err)
		}
		cleanup("removed: " + filepath.Base(instance) + ", session killed of daemon ")
		if _, err := os.Stat(instance); !errors.Is(err, fs.ErrNotExist) {
			m.Errorf("instance %s: %v, want none", instance, err)
		}
		if _, err := os.Stat(foreign); err != nil {
			m.Errorf("another's instance: %v", err)
		}
		cleanup("nothing is left behind")
		a = m.startAgent()
		record("running")
		cleanup("nothing is left behind")
		m.write(w, 1000)
		a.do("stop")
		a.do("destroy")
		m.wantWrites("beside the cleanup", 1000, filepath.Join(m.dir, "running"))
		a.end()
		if _, errs, code := m.try(m.weir(), "cleanup"); code != 2 || !strings.Contains(errs, "--instances") {
			m.Errorf("cleanup of nothing: exit code %d, %s", code, errs)
		}
	})
}
