// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"path/filepath"
	"testing"
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
