// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// userTraces are the traces of users below a directory: their places, once each.
func (m *machine) userTraces(dir string) (places []string) {
	m.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "metadata" {
			_, place, _ := strings.Cut(filepath.Dir(path), "/ust/")
			if !slices.Contains(places, place) {
				places = append(places, place)
			}
		}
		return err
	})
	if err != nil {
		m.Fatal(err)
	}
	slices.Sort(places)
	return places
}

// wantUsers checks that each user's events are in a trace of their own, whose files have
// the names that LTTng gives them.
func (m *machine) wantUsers(dir string, n int) {
	m.Helper()
	if got := m.userTraces(dir); !slices.Equal(got, []string{"uid/0/64-bit", "uid/65534/64-bit"}) {
		m.Errorf("traces below %s: %q", dir, got)
	}
	if got := m.ticks(dir); got[1] != n || got[2] != n {
		m.Errorf("events below %s: %v, want %d of each run", dir, got, n)
	}
	for uid, run := range map[string]int{"0": 1, "65534": 2} {
		sum := 0
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() && strings.HasSuffix(path, "/ust/uid/"+uid+"/64-bit") {
				got := m.ticks(path)
				if sum += got[run]; sum != 0 && len(got) > 1 {
					m.Errorf("%s has events of %v", path, got)
				}
				if _, err := os.Stat(filepath.Join(path, "c_0")); err != nil {
					m.Error(err)
				}
				text, err := os.ReadFile(filepath.Join(path, "metadata"))
				if err != nil || !strings.Contains(string(text), "tracer_buffering_id = "+uid+";") {
					m.Errorf("%s: metadata of another user: %v", path, err)
				}
			}
			return err
		})
		if err != nil {
			m.Fatal(err)
		}
		if sum != n {
			m.Errorf("%d events of run %d in the traces of user %s, want %d", sum, run, uid, n)
		}
	}
}

// TestUserTraces records programs of two users, the second of which comes while the
// session is active: each has a trace of their own, in chunks and snapshots, and on a
// relay.
func TestUserTraces(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		r := m.startWeir()
		a := m.startAgent()
		local, shots := filepath.Join(m.dir, "local"), filepath.Join(m.dir, "shots")
		for name, to := range map[string][]string{"local": {"-o", local}, "net": {"-U", relayURL}, "shot": {"--snapshot", "-o", shots}} {
			a.do(append([]string{"create", name}, to...)...)
			a.do("enable-channel", "-u", "c", "-s", name)
			a.do("enable-event", "-u", eventName, "-c", "c", "-s", name)
			a.do("start", name)
		}
		emit := func() {
			m.run(m.life("emit", 1, 100)...)
			m.run(m.life("emit", 2, 100, asNobody...)...)
		}
		emit()
		a.do("rotate", "local")
		a.do("rotate", "net")
		emit()
		a.do("regenerate", "metadata", "-s", "local")
		a.do("snapshot", "record", "-s", "shot")
		emit()
		a.do("destroy", "-a")
		a.end()
		r.stop()
		m.wantUsers(local, 300)
		m.wantUsers(m.out, 300)
		m.wantUsers(shots, 200)
	})
}

// TestUserTracesAsSessiond compares the files of two users' programs with those that
// LTTng's session daemon makes.
func TestUserTracesAsSessiond(t *testing.T) {
	isolated(t, func(m *machine) {
		m.publishPrograms()
		record := func(do func(...string) string, out string) {
			do("create", "s", "-o", out)
			do("enable-channel", "-u", "c")
			do("enable-event", "-u", eventName, "-c", "c")
			do("start")
			m.run(m.life("emit", 1, 100)...)
			m.run(m.life("emit", 2, 100, asNobody...)...)
			do("destroy")
		}
		theirs, ours := filepath.Join(m.dir, "theirs"), filepath.Join(m.dir, "ours")
		m.startSessiond()
		record(m.lttng, theirs)
		m.killLTTng()
		a := m.startAgent("--take-ust-socket")
		record(a.do, ours)
		a.end()
		files := func(dir string) (all []string) {
			err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if rel, rerr := filepath.Rel(dir, path); rerr == nil && err == nil {
					all = append(all, rel)
				}
				return err
			})
			if err != nil {
				m.Fatal(err)
			}
			return all
		}
		if got, want := files(ours), files(theirs); !slices.Equal(got, want) {
			m.Errorf("files %q, want LTTng's %q", got, want)
		}
		m.wantUsers(ours, 100)
	})
}
