// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/weir-io/weir/internal/peer"
)

// hotplugVariable allows to take a processor off line: that is the whole machine's,
// and processes that are bound to it are bound no more.
const hotplugVariable = "WEIR_TEST_HOTPLUG"

const secondProcessor = "/sys/devices/system/cpu/cpu1/online"

// online switches the second processor.
func (m *machine) online(on bool) {
	m.Helper()
	value := "0"
	if on {
		value = "1"
	}
	if err := os.WriteFile(secondProcessor, []byte(value), 0o644); err != nil {
		m.Fatal(err)
	}
}

// TestKernelHotplug takes a processor away from a session and gives it back, and
// starts one without it: each call is recorded.
func TestKernelHotplug(t *testing.T) {
	peer.Consent(t, hotplugVariable, "takes a processor of this machine off line")
	isolated(t, func(m *machine) {
		if _, err := os.Stat(secondProcessor); err != nil {
			peer.Lack(m.T, "a processor that can be taken off line: %v", err)
		}
		m.Cleanup(func() { m.online(true) })
		taskset := peer.Need(t, "taskset")
		a := m.startAgent()
		w := m.writer("weirplug")
		write := func(cpu, n int) {
			m.run(taskset, "-c", strconv.Itoa(cpu), w, "if=/dev/zero", "of=/dev/null", "bs=1", "count="+strconv.Itoa(n))
		}
		begin := func(name string) string {
			out := filepath.Join(m.dir, name)
			a.do("create", name, "-o", out)
			a.do(a.countedRule(w)...)
			a.do("start")
			return out
		}
		end := func(out string, want int) {
			a.do("stop")
			a.do("destroy")
			m.wantWrites(filepath.Base(out), want, out)
			m.wantConsecutive(out)
		}
		out := begin("unplugged")
		write(1, 2000)
		m.online(false)
		write(0, 2000)
		m.online(true)
		write(1, 2000)
		end(out, 6000)

		m.online(false)
		out = begin("plugged")
		write(0, 2000)
		m.online(true)
		write(1, 2000) // before the session looks for processors, every 10 s
		m.until("the processor is recorded", func() bool {
			return len(a.session("plugged").Domains[0].Channels[0].Streams) == 2
		})
		write(1, 2000)
		end(out, 6000)
		a.end()
	})
}
