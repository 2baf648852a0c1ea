// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/client/agent"
)

// TestUserLoadsLTTng loads what LTTng saved of sessions with applications: the same
// events are recorded as by what LTTng was told.
func TestUserLoadsLTTng(t *testing.T) {
	isolated(t, func(m *machine) {
		saved, theirs, ours := filepath.Join(m.dir, "saved"), filepath.Join(m.dir, "theirs"), filepath.Join(m.dir, "ours")
		record := func() {
			k := m.startKinds(sameAddresses...)
			k.emit(600, 0)
			k.finish()
		}
		m.startSessiond()
		m.lttng("create", "s", "-o", theirs)
		m.lttng("enable-channel", "-u", "fast", "--subbuf-size", "1M", "--num-subbuf", "2", "--blocking-timeout", "100")
		m.lttng("enable-event", "-u", "weirkinds:*", "-c", "fast", "-x", "weirkinds:nothing", "--loglevel", "TRACE_DEBUG_LINE")
		m.lttng("enable-event", "-u", "weirkinds:enums", "-c", "fast", "-f", "as_int > 1")
		m.lttng("enable-event", "-u", "weirkinds:floats", "-c", "fast")
		m.lttng("disable-event", "-u", "weirkinds:floats", "-c", "fast")
		m.lttng("add-context", "-u", "-c", "fast", "-t", "procname")
		m.lttng("enable-event", "-j", "a.logger", "--loglevel", "WARNING")
		m.lttng("track", "-u", "--vuid", "root")
		m.lttng("save", "s", "-o", saved)
		m.lttng("start")
		record()
		m.lttng("destroy")
		m.killLTTng()
		a := m.startAgent("--take-ust-socket")
		a.do("load", "s", "-i", filepath.Join(saved, "s.lttng"), "--override-url", "file://"+ours)
		s := a.session("s")
		if d := s.Domains; len(d) != 2 || len(d[0].UIDs) != 1 || len(d[0].Channels) != 2 || d[1].Channels[0].Events[0].LogLevel != "WARNING" {
			m.Errorf("domains: %+v", d)
		}
		for _, c := range s.Domains[0].Channels {
			if c.Name == "fast" && (c.SubbufBytes != 1<<20 || c.BlockingTimeout == 0 || c.BlockingTimeout == agent.Forever || len(c.Events) != 3) {
				m.Errorf("channel fast: %+v", c)
			}
		}
		a.do("start", "s")
		record()
		a.do("destroy", "s")
		a.end()
		want, got := m.userEvents(theirs), m.userEvents(ours)
		if len(want) < 200 || strings.Join(got, "\n") != strings.Join(want, "\n") {
			m.Errorf("%d events, want LTTng's %d:\n%q\n%q", len(got), len(want), got[:min(3, len(got))], want[:min(3, len(want))])
		}
	})
}

// TestUserProcessors has programs fill the rings of two processors as fast as they can:
// both are read meanwhile, as each gets more into its file than it holds. One of them
// alone would do so well that nobody looked at the other one.
func TestUserProcessors(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Log("one processor has one ring: nothing to see")
		return
	}
	isolated(t, func(m *machine) {
		a := m.startAgent()
		const (
			rounds, events, text = 4, 1_000_000, 24 // more than 40 bytes each
			ringBytes            = 8 << 20
		)
		const out = "/run/fast" // memory, for which the consumer does not even wait
		a.do("create", "s", "-o", out)
		a.do("enable-channel", "-u", "c", "--subbuf-size", strconv.Itoa(ringBytes/8), "--num-subbuf", "8")
		a.do("enable-event", "-u", eventName, "-c", "c")
		a.do("start")
		first, second := m.startApp(1, text, "taskset", "-c", "0"), m.startApp(2, text, "taskset", "-c", "1")
		for range rounds { // which of the two rings comes first is luck
			first.tell(events, 0)
			second.emit(events, 0)
			first.emit(0, 0)
		}
		first.finish()
		second.finish()
		a.do("destroy")
		files, err := filepath.Glob(filepath.Join(out, "ust/uid/*/*/c_[01]"))
		if err != nil || len(files) != 2 {
			m.Fatalf("files %v, %v; want one of each processor", files, err)
		}
		for _, file := range files {
			st, err := os.Stat(file)
			if err != nil || st.Size() < rounds*2*ringBytes {
				m.Errorf("%s: %d bytes, %v; want %d at least", file, st.Size(), err, rounds*2*ringBytes)
			}
		}
	})
}
