// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// Session daemons that know nothing of each other, as those of two containers,
// may call their sessions the same, down to the directory. Nothing of one
// overwrites anything of the other.
func TestTwoDaemons(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		m.publishPrograms()
		const home = "/run/nobody"
		if err := os.Mkdir(home, 0o700); err != nil {
			m.Fatal(err)
		}
		if err := os.Chown(home, 65534, 65534); err != nil {
			m.Fatal(err)
		}
		w := m.startWeir()
		other := append(slices.Clip(asNobody), "env", "HOME="+home, "LTTNG_HOME="+home)
		m.run(append(slices.Clip(other), "lttng-sessiond", "-b")...)
		url := "--set-url=" + relayURL + "/same"
		s := m.create("same", url)
		s.enable()
		for _, args := range [][]string{
			{"create", "same", url},
			{"enable-channel", "-u", "-s", "same", "--blocking-timeout=inf", channel},
			{"enable-event", "-u", "-s", "same", "-c", channel, eventName},
			{"start", "same"},
		} {
			m.run(append(append(slices.Clip(other), "lttng"), args...)...)
		}
		first := m.startApp(1, 20)          // known to root's daemon alone
		both := m.startApp(2, 20, other...) // to root's and to its user's
		first.emit(1000, 0)
		both.emit(1000, 0)
		first.finish()
		both.finish()
		s.destroy()
		m.run(append(slices.Clip(other), "lttng", "destroy", "same")...)
		got := countEvents(m.readTree(m.out))
		if want := map[int]int{1: 1000, 2: 2000}; !maps.Equal(got, want) {
			m.Errorf("events by application %v, want %v", got, want)
		}
		w.stop()
	})
}
