// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// TestKernelHangingFileSystem records the kernel into a file system that does not answer
// any more: status tells, another session is not disturbed, and the session goes on
// at another place, although its consumer cannot be ended.
func TestKernelHangingFileSystem(t *testing.T) {
	isolated(t, func(m *machine) {
		mount := m.mkdir("mount")
		f := m.startFUSE(mount)
		a := m.startAgent()
		w, x := m.writer("weirhang"), m.writer("weirother")
		a.do("create", "stuck", "-o", filepath.Join(mount, "trace"))
		a.do(a.countedRule(w)...)
		a.do("start")
		m.write(w, 1000)
		m.until("packets are written", func() bool { return a.session("stuck").Consumer.Packets > 0 })
		if doc := a.session("stuck"); doc.State != agent.Active || len(doc.Warnings) > 0 {
			m.Fatalf("session is %s with warnings %q", doc.State, doc.Warnings)
		}
		f.hang()
		m.write(w, 1000)
		m.until("status tells that nothing is written", func() bool {
			return strings.Contains(a.do("status", "-s", "stuck"), ": the file system does not answer, for ")
		})
		if doc := a.session("stuck"); doc.State != agent.OutputError || !strings.Contains(doc.Consumer.LastError, "packet of channel0_") || f.waiting() == 0 {
			m.Errorf("session is %s, last error %q, %d requests wait", doc.State, doc.Consumer.LastError, f.waiting())
		}
		out := filepath.Join(m.dir, "other")
		a.do("create", "other", "-o", out)
		a.do(a.countedRule(x)...)
		a.do("start")
		m.write(x, 5000)
		a.do("destroy", "other")
		m.wantWrites("other", 5000, out)
		rescue := filepath.Join(m.dir, "rescue")
		a.do("enable-consumer", "-s", "stuck", rescue)
		m.write(w, 3000)
		a.do("stop", "stuck")
		if n, _ := m.writesOf("rescue", rescue); n < 3000 || n > 4000 {
			m.Errorf("%d calls are recorded at the other place, want the 3000 since and at most 1000 before", n)
		}
		if doc := a.session("stuck"); !strings.Contains(strings.Join(doc.Warnings, "\n"), "is left as it is") {
			m.Errorf("warnings %q, want that of what is left", doc.Warnings)
		}
		// The consumer that was killed has the rings open until it is answered.
		if _, errs, code := m.try(m.weir(), "destroy", "stuck"); code != 4 || !strings.Contains(errs, "waits in the kernel") {
			m.Errorf("destroyed with exit code %d: %s", code, errs)
		}
		f.abort()
		m.until("the tracing instance is gone", func() bool {
			left, err := os.ReadDir("/run/weir/instances")
			return err == nil && len(left) == 0
		})
		a.end()
	})
}
