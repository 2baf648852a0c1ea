// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"os"
	"path/filepath"
	"testing"
)

// What an earlier weir has stored stays when another starts, sessions of one
// are nothing to the other, and a stop with a producer connected keeps all that
// was received.
func TestRestart(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		var spans []span
		for run := range 3 {
			w := m.startWeir()
			s := m.createLive("again" + string(rune('a'+run)))
			a := m.startApp(run, 20)
			a.emit(2000, 0)
			v := m.view(s.name + "@begin")
			v.await(run, 2000) // all is received
			w.stop()
			a.kill()                                       // nobody reads what it emits
			m.try("lttng", "destroy", "--no-wait", s.name) // whatever it says of a lost relay
			spans = append(spans, span{run, 0, 2000})
			m.wantEvents("stored", m.readTree(m.out), spans...)
		}
	})
}

// The directory of all traces may vanish between two sessions, and is made
// again. Nothing but traces lies in it.
func TestOutputVanishes(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		for run := range 3 {
			s := m.create("back", "--set-url="+relayURL)
			s.enable()
			a := m.startApp(run, 20)
			a.emit(1000, 0)
			a.finish()
			s.destroy()
			m.wantEvents("stored", m.readTree(m.out), a.all())
			entries, err := os.ReadDir(m.out)
			if err != nil || len(entries) != 1 || entries[0].Name() != hostName {
				m.Errorf("output directory holds %v, %v, want %s", entries, err, hostName)
			}
			if err := os.RemoveAll(m.out); err != nil {
				m.Fatal(err)
			}
		}
		w.stop()
	})
}

// A session of two consumers is one at the relay too: here the second one is
// that of another user's applications, with a trace of its own.
func TestTwoUsers(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		m.publishPrograms()
		s := m.createLive("users")
		root := m.startApp(0, 20)
		root.emit(10, 0)
		v := m.view(s.name + "@begin")
		v.await(0, 10)
		other := m.startApp(1, 20, asNobody...)
		other.emit(10, 0)
		other.finish()
		root.emit(10, 0)
		root.finish()
		s.destroy()
		m.wantEvents("viewer", v.finish(), root.all(), other.all())
		m.wantEvents("stored", m.readTree(m.out), root.all(), other.all())
		if found, err := filepath.Glob(filepath.Join(m.out, hostName, "users-*", "ust", "uid", "*")); err != nil || len(found) != 2 {
			m.Errorf("traces of users: %v, %v, want two", found, err)
		}
		w.stop()
	})
}
