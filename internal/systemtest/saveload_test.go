// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// TestKernelSaveLoad saves sessions of several destinations and makes them again,
// which record then.
func TestKernelSaveLoad(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir("--data-udp")
		m.startNotifying(m.weir(), "relayd", "-o", m.mkdir("hop"), "--http=none", "-C", "tcp://127.0.0.1:7100", "-D", "tcp://127.0.0.1:7200",
			"-L", "tcp://127.0.0.1:7300", "--hop-listen=127.0.0.1:7000", "--hop-allow=127.0.0.0/8:*")
		const hop = "tcp://127.0.0.1:7000,"
		for name, create := range map[string][]string{
			"net":  {"-U", relayURL},
			"live": {"--live=200000"},
			"hop":  {"-C", hop + "tcp://127.0.0.1", "-D", hop + "tcp://127.0.0.1"},
			"udp":  {"-C", "tcp://127.0.0.1", "-D", "udp://127.0.0.1?mtu=1400&window=64k"},
			"dir":  {"-o", filepath.Join(m.dir, "traces")},
		} {
			w := m.writer("load" + name)
			a.do(append([]string{"create", name}, create...)...)
			a.do("enable-channel", "-k", "channel0", "--subbuf-size=32k")
			a.do(a.countedRule(w)...)
			before := a.session(name)
			files := m.mkdir("saved-" + name)
			a.do("save", name, "-o", files)
			a.do("destroy", name)
			a.do("load", name, "-i", files)
			after := a.session(name)
			if len(after.Consumer.URIs) == 0 || !slices.Equal(after.Consumer.URIs, before.Consumer.URIs) || after.Output != before.Output {
				m.Errorf("%s: goes to %q, %q; before to %q, %q", name, after.Consumer.URIs, after.Output, before.Consumer.URIs, before.Output)
			}
			if after.Mode != before.Mode || after.LiveTimer != before.LiveTimer {
				m.Errorf("%s: %s with timer %v; before %s with %v", name, after.Mode, after.LiveTimer, before.Mode, before.LiveTimer)
			}
			a.do("start", name)
			m.write(w, 1000)
			a.do("destroy", name)
		}
		r.stop()
		m.wantWrites("on the relay", 4*1000, m.out)
		m.wantWrites("in a directory", 1000, filepath.Join(m.dir, "traces"))
		a.end()
	})
}

// TestKernelSaveOptions saves a session of which all was chosen.
func TestKernelSaveOptions(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		r := m.startWeir()
		a.do("create", "chosen", "--hostname=elsewhere", "--clock=boot", "--naming=tracefs", "--trace-self", "--hash-pointers")
		a.do("enable-consumer", relayURL, "--spool=1M", "--reconnect-timeout=30", "--timeout=5", "--allow-split")
		a.do("enable-event", "-k", "sched_switch")
		a.do("untrack", "-k", "--pid", "-a")
		before := a.session("chosen")
		files := m.mkdir("saved")
		a.do("save", "chosen", "-o", files)
		a.do("destroy")
		a.do("load", "chosen", "-i", files)
		after := a.session("chosen")
		if after.Hostname != "elsewhere" || after.Clock != "boot" || after.Naming != "tracefs" || !after.TraceSelf || !after.HashPointers {
			m.Errorf("hostname %q, clock %q, naming %q, trace-self %t, hash-pointers %t", after.Hostname, after.Clock, after.Naming, after.TraceSelf, after.HashPointers)
		}
		want := agent.EnableConsumer{SpoolBytes: 1 << 20, ReconnectTimeout: 30 * time.Second, Timeout: 5 * time.Second, AllowSplit: true}
		if before.Consumer.Options != want || after.Consumer.Options != want {
			m.Errorf("consumer has %+v, before %+v; want %+v", after.Consumer.Options, before.Consumer.Options, want)
		}
		d := after.Domains[0]
		if d.PIDs == nil || len(d.PIDs) > 0 || d.UIDs != nil {
			m.Errorf("tracked are processes %v, users %v; want none, all", d.PIDs, d.UIDs)
		}
		a.do("destroy")
		r.stop()
		a.end()
	})
}
