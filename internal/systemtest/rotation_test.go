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

// Rotations archive a chunk each, a clear deletes what the current one holds,
// and a session that was stopped goes on in a new chunk.
func TestRotateAndClear(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("turning", "--set-url="+relayURL)
			s.enable("--subbuf-size=4096", "--num-subbuf=8")
			a := m.startApp(1, 20)
			var kept []span
			keep := func(count int) {
				from := a.emitted
				a.emit(count, 0)
				kept = append(kept, span{1, from, a.emitted})
			}
			for range 2 {
				keep(4000)
				s.rotate()
			}
			m.wantEvents("after two rotations", m.readTree(out+"/"+hostName), kept...)
			a.emit(4000, 0)
			s.clear()
			keep(1000)
			s.stop()
			m.wantEvents("after a clear", m.readGaps(out), kept...)
			kept = kept[:2]
			s.clear()
			m.wantEvents("after a clear while stopped", m.readGaps(out), kept...)
			s.start()
			keep(2000)
			s.stop()
			s.rotate()
			s.start()
			keep(100)
			a.finish()
			s.destroy()
			m.wantEvents("at the end", m.readGaps(out), kept...)
		})
	})
}

// A clear before any rotation leaves the session where it was.
func TestClearFirst(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("cleared", "--set-url="+relayURL)
			s.enable("--subbuf-size=4096", "--num-subbuf=8")
			a := m.startApp(1, 20)
			a.emit(3000, 0)
			s.clear()
			a.emit(3000, 0)
			a.finish()
			s.destroy()
			m.wantEvents("stored", m.readTree(out), span{1, 3000, 6000})
		})
	})
}

// Rotations while applications emit lose and repeat nothing:
// packets of both sides of the border arrive mixed.
func TestRotateUnderLoad(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.create("busy", "--set-url="+relayURL)
		s.enable("--subbuf-size=16384", "--num-subbuf=16")
		a, b := m.startApp(1, 20), m.startApp(2, 20)
		// With a pause: without one a busy machine makes the tracer discard.
		a.tell(40000, 20)
		b.tell(40000, 20)
		for range 5 {
			s.rotate()
		}
		a.finish()
		b.finish()
		s.destroy()
		m.wantEvents("stored", m.readTree(m.out), a.all(), b.all())
		w.stop()
	})
}

// Each record of a snapshot is a chunk of its own with all that the buffers
// held.
func TestSnapshots(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("moments", "--snapshot", "--set-url="+relayURL)
			m.lttng("enable-channel", "-u", "-s", s.name, "--subbuf-size=65536", "--num-subbuf=4", channel)
			s.event()
			s.start()
			a := m.startApp(1, 20)
			a.emit(500, 0)
			m.lttng("snapshot", "record", "-s", s.name)
			a.emit(500, 0)
			m.lttng("snapshot", "record", "-s", s.name, "-n", "named")
			a.finish()
			s.destroy()
			// Apart: read together, babeltrace2 takes what is in both for one.
			for pattern, want := range map[string]span{"snapshot-1-*-0": {1, 0, 500}, "named-*-1": {1, 0, 1000}} {
				dirs, err := filepath.Glob(filepath.Join(out, hostName, "moments-*", pattern))
				if err != nil || len(dirs) != 1 {
					m.Fatalf("records %s: %v, %v, want one", pattern, dirs, err)
				}
				m.wantEvents(pattern, m.readTree(dirs[0]), want)
			}
		})
	})
}

// TestRotateOneOfTwoDomains has a rotation fail for one domain: where it is the first one,
// neither goes on in another chunk; where it is the second, that is told, and the next
// rotation takes it along. Nothing is lost, and nothing there twice.
func TestRotateOneOfTwoDomains(t *testing.T) {
	isolated(t, func(m *machine) {
		a := m.startAgent()
		w := m.writer("weirhalf")
		out := filepath.Join(m.dir, "trace")
		a.do("create", "half", "-o", out)
		a.do("enable-channel", "-k", "small", "--num-subbuf=64")
		a.do(append(a.countedRule(w), "-c", "small")...)
		a.do("enable-event", "-u", eventName)
		a.do("start")
		p := m.startApp(1, 20)
		both := func() {
			m.write(w, 1000)
			p.emit(1000, 0)
		}
		chunks := func(domain string) int {
			found, err := filepath.Glob(filepath.Join(out, "archives", "*", domain))
			if err != nil {
				m.Fatal(err)
			}
			return len(found)
		}
		spoil := func(domain string) (mend func()) {
			next := filepath.Join(out, ".next")
			if err := os.MkdirAll(next, 0o700); err != nil {
				m.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(next, domain), nil, 0o600); err != nil {
				m.Fatal(err)
			}
			return func() {
				if err := os.RemoveAll(next); err != nil {
					m.Fatal(err)
				}
			}
		}
		both()
		mend := spoil("kernel")
		a.refuse(agent.CodeUnknown, "not a directory", "rotate")
		if k, u := chunks("kernel"), chunks("ust"); k != 0 || u != 0 {
			m.Errorf("%d chunks of the kernel, %d of applications, where the first cannot be rotated", k, u)
		}
		mend()
		both()
		mend = spoil("ust")
		a.refuse(agent.CodeUnknown, "the next rotation does what is left", "rotate")
		if k, u := chunks("kernel"), chunks("ust"); k != 1 || u != 0 {
			m.Errorf("%d chunks of the kernel, %d of applications, where the second cannot be rotated", k, u)
		}
		if warnings := a.session("half").Warnings; len(warnings) != 1 || !strings.Contains(warnings[0], "domain ust has not gone on to chunk 1") {
			m.Errorf("warnings %q, want that of a rotation", warnings)
		}
		both()
		mend()
		a.do("rotate")
		both()
		if k, u := chunks("kernel"), chunks("ust"); k != 2 || u != 2 {
			m.Errorf("%d chunks of the kernel, %d of applications, want 2 of each", k, u)
		}
		if s := a.session("half"); len(s.Warnings) != 0 || s.Chunks != 2 {
			m.Errorf("%d chunks, warnings %q", s.Chunks, s.Warnings)
		}
		p.finish()
		a.do("destroy")
		a.end()
		if n, lost := m.writesOf("all", out); n != 4000 || lost != 0 {
			m.Errorf("%d calls, %d lost, want 4000", n, lost)
		}
		if got := m.ticks(out); got[1] != 4000 {
			m.Errorf("events %v, want 4000", got)
		}
	})
}
