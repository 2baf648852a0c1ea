// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/xmlsysd"
)

// messageOf writes all that there is as a message, and returns its document.
func messageOf(t *testing.T, e *Engine, more ...string) []byte {
	t.Helper()
	sel := xmlsysd.NewSelection(e.Model())
	for _, name := range append([]string{"all", "tasks", "cgroups", "sessions", "/proc/net/dev/interface/speed", "/proc/interrupts/irq/cpu", "/proc/softirqs/softirq/cpu"}, more...) {
		if err := sel.Add(true, name); err != nil {
			t.Fatal(err)
		}
	}
	s := newSession(t, e)
	samples := s.Sample(t.Context(), sel.Wants, &Query{Raw: sel.Raw(), Tasks: xmlsysd.TaskMask{Top: 1000}})
	defer samples.Release()
	enc := xmlsysd.NewEncoder(sel)
	enc.Begin()
	for _, p := range samples.Parts() {
		enc.Add(p.Tape)
	}
	_, document, ok := bytes.Cut(enc.Finish(), []byte("\n\n"))
	if !ok {
		t.Fatal("a message without its head")
	}
	return document
}

// What sections give is what the schema lets a message have.
func TestMessagesLikeSchema(t *testing.T) {
	xmllint := peer.Need(t, "xmllint")
	for name, e := range map[string]*Engine{
		"this host": newEngine(t, Options{Version: "1", Expose: Expose{true, true, true, true}}),
		"a board":   files{"proc/cpuinfo": armText, "proc/stat": manyCPUs(256, 7), "proc/diskstats": diskstatsText, "proc/meminfo": "x\n"}.engine(t),
		"a server": files{
			"proc/mdstat": mdstatText, "proc/swaps": swapsText, "proc/schedstat": schedText, "proc/net/dev": netDevText, "proc/net/softnet_stat": softnetNew,
			"sys/class/hwmon/hwmon0/name": "k10temp\n", "sys/class/hwmon/hwmon0/temp1_input": "1000\n", "sys/class/hwmon/hwmon0/temp1_alarm": "0\n",
			"sys/class/thermal/thermal_zone0/temp": "36000\n", "sys/class/thermal/thermal_zone0/type": "x\n",
			"sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq": "800000\n", "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal: 16 kB\n",
			"proc/sys/net/netfilter/nf_conntrack_count": "7\n", "proc/sys/net/netfilter/nf_conntrack_max": "100\n",
			"host/run/utmp": utmp(7, "pts/0"), "sys/fs/cgroup/cgroup.controllers": "cpu\n", "sys/fs/cgroup/cpu.stat": "usage_usec 100\n",
			"sys/fs/cgroup/io.stat": "8:0 rbytes=1\n", "sys/fs/cgroup/pids.current": "5\n",
		}.engine(t),
	} {
		file := filepath.Join(t.TempDir(), "message.xml")
		if err := os.WriteFile(file, messageOf(t, e, "raw:net/dev"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), xmllint, "--noout", "--schema", "../../xmlsysd/testdata/xmlsysd.xsd", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%.2000s", name, err, out)
		}
	}
}

// wellFormed reads a document to its end.
func wellFormed(t *testing.T, document []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
