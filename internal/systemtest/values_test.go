// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// fieldValue finds the fields of an event, as trace-cmd and as babeltrace2 print
// them.
var fieldValue = regexp.MustCompile(`(\w+)\s*=\s*("[^"]*"|[^\s,}]+)`)

// values returns the wanted fields of a line, numbers in decimal digits.
func values(line string, want ...string) string {
	all := make([]string, len(want))
	for _, m := range fieldValue.FindAllStringSubmatch(line, -1) {
		i := slices.Index(want, m[1])
		if i < 0 {
			continue
		}
		text := strings.Trim(m[2], `"`)
		if n, err := strconv.ParseUint(text, 0, 64); err == nil {
			text = strconv.FormatUint(n, 10)
		}
		all[i] = m[1] + "=" + text
	}
	return strings.Join(all, " ")
}

// TestKernelValues records calls and a program's beginning beside trace-cmd: the
// fields have the same values, in the same order.
func TestKernelValues(t *testing.T) {
	peer.Need(t, "trace-cmd")
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirvals")
		name := fmt.Sprintf("values%07x", rand.Uint32()>>4)
		instance := filepath.Join(kernelRoot, "instances", name)
		m.Cleanup(func() { _ = os.Remove(instance) }) // trace-cmd leaves it there
		file := filepath.Join(m.dir, "trace.dat")
		comm := fmt.Sprintf("comm == %q", filepath.Base(w))
		rival := m.start("trace-cmd", "record", "-q", "-d", "--no-filter", "--compression", "none", "-o", file, "-B", name, "-C", "mono",
			"-e", "syscalls:sys_enter_lseek", "-f", comm, "-e", "syscalls:sys_enter_write", "-f", comm, "-e", "syscalls:sys_exit_write", "-f", comm,
			"-e", "sched:sched_process_exec", "-f", comm)
		m.until("trace-cmd records", func() bool {
			on, err := os.ReadFile(filepath.Join(instance, "tracing_on"))
			set, serr := os.ReadFile(filepath.Join(instance, "events", "sched", "sched_process_exec", "enable"))
			return err == nil && serr == nil && string(on) == "1\n" && string(set) == "1\n"
		})
		out := filepath.Join(m.dir, "trace")
		a.do("create", "values", "-o", out, "--naming=tracefs")
		filter := fmt.Sprintf(`$ctx.procname == "%s"`, filepath.Base(w))
		for _, call := range []string{"lseek", "write"} {
			a.do("enable-event", "-k", "--syscall", call, "-f", filter)
		}
		a.do("enable-event", "-k", "sched_process_exec", "-f", filter)
		a.do("start")
		copied := filepath.Join(m.dir, "copy")
		m.run(w, "if=/proc/self/exe", "of="+copied, "bs=777", "count=50", "seek=3")
		m.run(w, "if=/dev/zero", "of=/dev/null", "bs=1", "count=100")
		a.do("destroy")
		rival.signal(syscall.SIGINT)
		rival.wait() // whatever it says: some hosts forbid how it resets its instance
		events := map[string][]string{
			"sys_enter_lseek": {"fd", "offset", "whence"}, "sys_enter_write": {"fd", "buf", "count"}, "sys_exit_write": {"ret"},
			"sched_process_exec": {"filename", "pid", "old_pid"},
		}
		texts := map[string]string{"trace-cmd": m.run("trace-cmd", "report", "-R", file), "weir": m.run("babeltrace2", out)}
		for event, fields := range events {
			got := make(map[string][]string)
			for who, text := range texts {
				for line := range strings.Lines(text) {
					if _, rest, found := strings.Cut(line, event+": "); found {
						got[who] = append(got[who], values(rest, fields...))
					}
				}
			}
			if ours, theirs := got["weir"], got["trace-cmd"]; len(theirs) == 0 || !slices.Equal(ours, theirs) {
				m.Errorf("%s: weir has %d, trace-cmd %d; first %q and %q", event, len(ours), len(theirs), ours[:min(3, len(ours))], theirs[:min(3, len(theirs))])
			}
		}
		a.end()
	})
}
