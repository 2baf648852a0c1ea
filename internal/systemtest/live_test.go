// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// liveTimer is how often live sessions send what they have, in microseconds.
const liveTimer = "100000"

// createLive makes a session for viewers and starts it, with further options
// for its channel.
func (m *machine) createLive(name string, options ...string) *session {
	m.Helper()
	s := m.create(name, "--live="+liveTimer, "--set-url="+relayURL)
	s.enable(options...)
	return s
}

// Two viewers from the beginning see every event once, and so does the disk.
func TestLive(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("live")
		a := m.startApp(1, 17)
		a.emit(1, 0)
		viewers := []*viewer{m.view(s.name), m.view(s.name)}
		a.emit(20000, 50)
		a.finish()
		s.stop()
		s.destroy()
		for i, v := range viewers {
			// The packet with the first event may have been sent before.
			got := v.finish()
			if len(got) > 0 && got[0] == (event{1, 0}) {
				got = got[1:]
			}
			m.wantEvents(fmt.Sprintf("viewer %d", i), got, span{1, 1, a.emitted})
		}
		m.wantEvents("stored", m.readTree(m.out), a.all())
		w.stop()
	})
}

// Viewers that were there before the first application get all of it, however
// many they are.
func TestTenViewers(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("crowd", "--subbuf-size=16384")
		a := m.startApp(1, 50)
		a.emit(1, 0)
		var viewers []*viewer
		for range 10 {
			viewers = append(viewers, m.view(s.name+"@begin"))
		}
		a.emit(30000, 0)
		a.finish()
		s.destroy()
		for i, v := range viewers {
			m.wantEvents(fmt.Sprintf("viewer %d", i), v.finish(), a.all())
		}
		m.wantEvents("stored", m.readTree(m.out), a.all())
		w.stop()
	})
}

// A second name of the session gives its history to viewers that only ask for
// what is new.
func TestHistory(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("past", "--subbuf-size=4096", "--num-subbuf=8")
		a := m.startApp(1, 20)
		a.emit(5000, 0)
		early := m.view(s.name + "@begin")
		early.await(1, 5000) // all is stored
		now, begin := m.view(s.name), m.view(s.name+"@begin")
		a.emit(1000, 0)
		a.finish()
		s.destroy()
		m.wantEvents("history, from the beginning on", early.finish(), a.all())
		m.wantEvents("history", begin.finish(), a.all())
		m.wantEvents("without history", now.finish(), span{1, 5000, 6000})
		w.stop()
	})
}

// Babeltrace 1 sees every event as well.
func TestLiveBabeltrace1(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("old")
		a := m.startApp(1, 20)
		a.emit(1, 0)
		witness := m.view(s.name + "@begin")
		witness.await(1, 1) // metadata and a packet are there
		v := m.viewOld(s.name)
		a.emit(10000, 20)
		a.finish()
		s.destroy()
		m.wantEvents("babeltrace 1", v.finish(), span{1, 1, a.emitted})
		m.wantEvents("babeltrace 2", witness.finish(), a.all())
		w.stop()
	})
}

// A clear takes away what was stored, and nothing else: the viewer goes on with
// what comes after it.
func TestClearLive(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("swept", "--subbuf-size=4096", "--num-subbuf=8")
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := m.view(s.name + "@begin")
		v.await(1, 1)
		for range 3 {
			a.emit(3000, 0)
			v.await(1, a.emitted)
			s.clear()
		}
		from := a.emitted
		a.emit(3000, 0)
		a.finish()
		s.destroy()
		m.wantEvents("viewer", v.finish(), a.all())
		m.wantEvents("stored", m.readTree(m.out), span{1, from, a.emitted})
		w.stop()
	})
}

// A viewer that does not read when the session is destroyed gets all of it
// later.
func TestDestroyWithUnreadData(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("unread", "--subbuf-size=4096", "--num-subbuf=8")
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := m.view(s.name + "@begin")
		v.await(1, 1)
		v.signal(syscall.SIGSTOP)
		a.emit(30000, 0)
		a.finish()
		s.destroy()
		v.signal(syscall.SIGCONT)
		m.wantEvents("viewer", v.finish(), a.all())
		w.stop()
	})
}

// A producer that is killed leaves its stored packets to the viewer.
func TestProducerVanishes(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("vanishing", "--subbuf-size=4096", "--num-subbuf=8")
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := m.view(s.name + "@begin")
		v.await(1, 1)
		v.signal(syscall.SIGSTOP)
		a.emit(5000, 0)
		witness := m.view(s.name + "@begin")
		witness.await(1, a.emitted) // all is stored
		m.killLTTng()
		v.signal(syscall.SIGCONT)
		m.wantEvents("stopped viewer", v.finish(), a.all())
		m.wantEvents("viewer", witness.finish(), a.all())
		m.wantEvents("stored", m.readUnindexed(m.out), a.all())
		w.stop()
	})
}

// The list that babeltrace2 prints has both names of a session, and nothing of
// one that has ended.
func TestListing(t *testing.T) {
	isolated(t, func(m *machine) {
		m.startSessiond()
		w := m.startWeir()
		s := m.createLive("listed")
		a := m.startApp(1, 20)
		a.emit(1, 0)
		v := m.view(s.name + "@begin")
		v.await(1, 1)
		if got, want := m.viewers(s.name), 1; got != want {
			m.Errorf("%d viewers of %s, want %d", got, s.name, want)
		}
		list := m.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1")
		for _, want := range []string{liveURL(s.name) + " (", liveURL(s.name+"@begin") + " ("} {
			if !strings.Contains(list, want) {
				m.Errorf("list has no %q:\n%s", want, list)
			}
		}
		a.finish()
		s.destroy()
		m.wantEvents("viewer", v.finish(), a.all())
		if list := m.run("babeltrace2", "-i", "lttng-live", "net://127.0.0.1"); strings.Contains(list, s.name) {
			m.Errorf("list has a session that was destroyed:\n%s", list)
		}
		w.stop()
	})
}
