// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shortTest is the one that runs with -short.
const shortTest = "TestStreaming"

// scenario is what happens at a relay that stores below out.
type scenario func(m *machine, out string)

// both plays a scenario to weir and to the original, one after the other, and
// checks that they leave the same names, kinds and permissions.
func both(m *machine, options []string, play scenario) {
	m.Helper()
	m.startSessiond()
	w := m.startWeir(options...)
	play(m, m.out)
	w.stop()
	o := m.startOriginal(options...)
	play(m, o.out)
	o.stop()
	if diff := cmp.Diff(m.shape(o.out), m.shape(m.out)); diff != "" {
		m.Errorf("tree differs from the original's (-original +weir):\n%s", diff)
	}
}

func TestStreaming(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("plain", "--set-url="+relayURL)
			s.enable("--subbuf-size=4096", "--num-subbuf=8")
			a := m.startApp(1, 20)
			a.emit(20000, 0)
			a.finish()
			s.stop()
			s.destroy()
			m.wantEvents("stored", m.readTree(out), a.all())
		})
	})
}

// A subdirectory in the URL takes the place of name and time; grouped by
// session it comes below them. Two sessions of one name are two.
func TestSubdirectoryGroupedBySession(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, []string{"--group-output-by-session"}, func(m *machine, out string) {
			last := int64(0)
			for run, url := range []string{relayURL + "/sub/dir", relayURL} {
				// Of two sessions of one second the second one gets a name of its own at weir.
				m.until("the next second", func() bool { return time.Now().Unix() > last })
				s := m.create("grouped", "--set-url="+url)
				last = time.Now().Unix() // it was created no later
				s.enable()
				a := m.startApp(run, 20)
				a.emit(1000, 0)
				a.finish()
				s.destroy()
			}
			m.wantEvents("stored", m.readTree(out), span{0, 0, 1000}, span{1, 0, 1000})
		})
	})
}

func TestSubdirectoryGroupedByHost(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("placed", "--set-url="+relayURL+"/my/sub_dir")
			s.enable()
			a := m.startApp(1, 20)
			a.emit(1000, 0)
			a.finish()
			s.destroy()
			m.wantEvents("stored", m.readTree(out), a.all())
		})
	})
}

// Applications with buffers of their own come and go, one of them stays beyond
// the end of the session: its streams are closed after their chunk.
func TestBuffersPerProcess(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("processes", "--set-url="+relayURL)
			s.enable("--buffers-pid", "--subbuf-size=4096", "--num-subbuf=8")
			long := m.startApp(9, 20)
			long.emit(500, 0)
			spans := []span{{9, 0, 1000}}
			for run := range 3 {
				a := m.startApp(run, 20)
				a.emit(3000, 0)
				a.finish()
				spans = append(spans, a.all())
			}
			long.emit(500, 0)
			s.stop()
			s.destroy()
			m.wantEvents("stored", m.readTree(out), spans...)
			long.finish()
		})
	})
}

// Metadata that is sent again replaces what was there.
func TestRegenerateMetadata(t *testing.T) {
	isolated(t, func(m *machine) {
		both(m, nil, func(m *machine, out string) {
			s := m.create("again", "--set-url="+relayURL)
			s.enable()
			a := m.startApp(1, 20)
			a.emit(500, 0)
			for range 2 {
				m.lttng("regenerate", "metadata", "-s", s.name)
				a.emit(500, 0)
			}
			a.finish()
			s.stop()
			s.destroy()
			m.wantEvents("stored", m.readTree(out), a.all())
		})
	})
}
