// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// isStopped opens the mirror, which is to refuse for what others have changed at a path.
func (m *mirrored) isStopped(o Options, path string) {
	m.t.Helper()
	mi, err := Open(m.t.Context(), o)
	if err == nil {
		must(m.t, mi.Close())
		m.t.Fatalf("mirror that was stopped for %s: got no error", path)
	}
	var changed *ChangedError
	if !errors.As(err, &changed) || changed.Path != filepath.Join(m.target, path) || changed.Since.IsZero() || !strings.Contains(err.Error(), "--take-over") {
		m.t.Errorf("mirror that was stopped for %s: got %v, want that others have changed that, since when, and what to do", path, err)
	}
	s, err := ReadStatus(m.target)
	if must(m.t, err); !strings.Contains(s.Stopped, filepath.Join(m.target, path)) {
		m.t.Errorf("status of a mirror that was stopped: got %q, want the path %s in it", s.Stopped, path)
	}
}

// A mirror stops where others have changed its target, and stays so when it is started
// again, whatever they do then. Told to, it takes over what they have done.
func TestTargetChangedByOthers(t *testing.T) {
	for _, tt := range []struct{ what, change, path, undo string }{
		{"another file", "echo mine > new; mv new f", "f", ""},
		{"another dir", "mv d e; mkdir d; echo mine > d/f", "d", ""},
		{"removed", "rm -r d", "d", ""},
		{"something there", "echo mine > n", "n", ""},
		{"something there for a while", "echo mine > n", "n", "rm n"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			m := newMirrored(t, "tmpfs")
			m.sh("echo 1 > f; mkdir d; echo 2 > d/g")
			mi := m.start()
			m.equal(mi)
			m.others(tt.change)
			m.sh("rm f; mv d n; echo 3 > h")
			var changed *ChangedError
			if err := m.fails(mi); !errors.As(err, &changed) {
				t.Errorf("got error %v, want that others have changed the target", err)
			}
			m.stop()
			m.others(tt.undo)
			before := m.treeOf(m.target)
			o := m.options()
			for range 2 {
				m.isStopped(o, tt.path)
			}
			if after := m.treeOf(m.target); after != before {
				t.Errorf("target of a mirror that refuses: got\n%s\nwant\n%s", after, before)
			}
			o.TakeOver = true
			mi = m.startWith(o)
			m.others("rm -rf e") // what is in no way of the mirror's stays
			m.equal(mi)
			m.stop()
			mi = m.start() // and is not stopped any more
			m.sh("echo 4 > h")
			m.equal(mi)
		})
	}
}

// What others change while a mirror that takes over runs does not stop it.
func TestTakeOverGoesOn(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	o := m.options()
	o.TakeOver = true
	mi := m.startWith(o)
	m.sh("mkdir -p d/e; echo 1 > d/e/f; echo 1 > g")
	m.equal(mi)
	for _, change := range []string{
		"rm -r d; echo mine > d", "mv d/e e; mkdir d/e; mv e d/e/f", "rm g; mkdir -p g/h", "mv d x; mv g d; mv x g",
	} {
		m.others(change)
		m.sh("for f in d/e/f g; do rm $f; echo 2 > $f; done; touch d/new; rm d/new")
		m.equal(mi)
		if mi.st.stopped != nil {
			t.Fatalf("%s: the mirror has stopped", change)
		}
	}
}

// What others have put in a directory that the source has no more is not removed with it.
func TestDirectoryOfOthersFilesThatGoesAway(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir -p d/e; echo 1 > d/e/f")
	mi := m.start()
	m.equal(mi)
	m.others("echo mine > d/e/mine")
	m.sh("rm -r d")
	var changed *ChangedError
	if err := m.fails(mi); !errors.As(err, &changed) {
		t.Fatalf("got error %v, want that others have changed the target", err)
	}
	if b, err := os.ReadFile(filepath.Join(changed.Path, "mine")); string(b) != "mine\n" || err != nil {
		t.Errorf("what others have put in a directory, in the one that is told (%s): got %q, %v", changed.Path, b, err)
	}
	m.stop()
	if path, err := Foreign(m.target); path != filepath.Join(changed.Path, "mine") || err != nil {
		t.Errorf("what is not to be removed with the mirror: got %q, %v, want %s/mine", path, err, changed.Path)
	}
	o := m.options()
	o.TakeOver = true
	m.equal(m.startWith(o))
	m.stop()
	// A directory that is parked with what belongs to it is none of others'.
	s, err := openState(filepath.Join(m.target, ownDir))
	must(t, err)
	stage, d := t.TempDir(), changelog.FID{Seq: 1, OID: 2, Ver: 3}
	e := changelog.FID{Seq: 4}
	must(t, os.MkdirAll(filepath.Join(stage, stagedName(d), "e", "f"), 0o700),
		s.set(name{d, "e"}, e), s.set(name{e, "f"}, changelog.FID{Seq: 5}))
	if path, err := s.foreign(stage); path != "" || err != nil {
		t.Errorf("a directory that is parked: got %q, %v, want nothing of others", path, err)
	}
	must(t, s.close())
}

// Copies that were made for names that do not come about are not kept.
func TestNothingIsParkedForNamesThatAreRefused(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.onto("ext4-1k") // has no room for a long link target
	long := strings.Repeat("x", 3000)
	m.sh("mkdir lost+found; echo 1 > f; ln -s " + long + " link")
	mi := m.start()
	m.isInTrouble(mi, "unmirrorable link")
	m.sh("cd lost+found; mkdir a; echo 1 > a/b; ln -s x a/c; cd ..; echo 2 > g")
	m.isInTrouble(mi, "unmirrorable link")
	m.until("g", func() bool {
		must(t, mi.Run(t.Context(), true))
		_, err := os.Lstat(filepath.Join(m.target, "g"))
		return err == nil
	})
	parked, err := os.ReadDir(filepath.Join(m.target, ownDir, "staged"))
	if must(t, err); len(parked)+len(mi.st.staged) > 0 {
		t.Errorf("parked: got %v on disk, %v in the state, want nothing", parked, mi.st.staged)
	}
}

// cut is a source that fails once it was asked so often.
type cut struct {
	origin
	left int
}

var errCut = errors.New("cut off")

func (c *cut) asked() error {
	if c.left--; c.left < 0 {
		return errCut
	}
	return nil
}

func (c *cut) lookUp(n name) (changelog.FID, error) {
	if err := c.asked(); err != nil {
		return changelog.FID{}, err
	}
	return c.origin.lookUp(n)
}

func (c *cut) xattrs(f changelog.FID) (map[string][]byte, error) {
	if err := c.asked(); err != nil {
		return nil, err
	}
	return c.origin.xattrs(f)
}

// What a batch has made that is cut off again and again is known to be the mirror's.
func TestBatchThatWasCutTwice(t *testing.T) {
	for at := 14; at < 26; at += 2 { // when all copies are made, and some have names
		m := newMirrored(t, "tmpfs")
		mi := m.start()
		m.equal(mi)
		m.sh("mkdir e1 e2 e3 e4; for i in 1 2 3 4; do echo $i > e$i/f; mkdir e$i/g; done")
		for round := range 3 { // copies that have no name are made anew each time
			mi.src = &cut{mi.src, at + 3*round}
			if err := m.runs(mi); err != nil && !errors.Is(err, errCut) {
				t.Fatalf("cut at %d: %v", at, err)
			}
			m.stop()
			mi = m.start()
		}
		m.equal(mi)
	}
}

// A batch that ends at whatever point leaves what the mirror knows to be its own, and goes
// on with that. What others put at a name meanwhile that was going to be touched stays.
func TestNamesOfOthersAfterABatchWasCut(t *testing.T) {
	placed, foreign := 0, 0
	for at := 0; ; at++ {
		m := newMirrored(t, "tmpfs")
		mi := m.start()
		m.equal(mi)
		m.sh("mkdir e1 e2 e3; echo 1 > e1/f; echo 2 > e2/f; ln e2/f e3/g; ln -s x e3/l; echo 3 > f")
		mi.src = &cut{mi.src, at}
		if err := m.runs(mi); err == nil {
			m.stop()
			break // all of it was done
		} else if !errors.Is(err, errCut) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		m.stop()
		made := map[string]uint64{}
		free := ""
		for _, name := range []string{"e1", "e2", "e3", "f", "e1/f", "e2/f", "e3/g"} {
			switch info, err := os.Lstat(filepath.Join(m.target, name)); {
			case err == nil:
				made[name] = info.Sys().(*syscall.Stat_t).Ino
			case free == "" && m.isIntended(name):
				free = name
			}
		}
		placed += len(made)
		o := m.options()
		if free != "" {
			foreign++
			must(t, os.WriteFile(filepath.Join(m.target, free), []byte("mine"), 0o600))
			if mi, err := Open(t.Context(), o); err == nil {
				must(t, mi.Close())
				t.Fatalf("cut at %d: got no error for what others have put at %s", at, free)
			}
			m.isStopped(o, free)
			if b, err := os.ReadFile(filepath.Join(m.target, free)); string(b) != "mine" || err != nil {
				t.Fatalf("cut at %d: what others have put at %s: got %q, %v", at, free, b, err)
			}
			o.TakeOver = true
		}
		mi = m.startWith(o)
		m.equal(mi)
		for name, ino := range made {
			if info, err := os.Lstat(filepath.Join(m.target, name)); err != nil || info.Sys().(*syscall.Stat_t).Ino != ino {
				t.Errorf("cut at %d: %s, which the mirror had made: it is another object now, %v", at, name, err)
			}
		}
		m.stop()
	}
	if placed == 0 || foreign == 0 {
		t.Errorf("got %d objects placed before a cut, %d names taken by others, want some of both", placed, foreign)
	}
}

// isIntended reports whether a name of the source is going to be touched by the batch that
// was cut.
func (m *mirrored) isIntended(path string) bool {
	m.t.Helper()
	s, err := openState(filepath.Join(m.target, ownDir))
	must(m.t, err)
	defer s.close()
	dir, err := fidAt(unix.AT_FDCWD, filepath.Dir(m.src.Path(path)))
	must(m.t, err)
	return s.intents[name{dir, filepath.Base(path)}]
}

// What is parked is named where it is, for people to look at.
func TestStopNamesWhatIsParked(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir d; echo 1 > d/f")
	mi := m.start()
	m.equal(mi)
	_, f, err := mi.find("d")
	must(t, err)
	mi.st.staged[f] = true
	want := filepath.Join(m.target, ownDir, "staged", stagedName(f), "f")
	if got := mi.dst.path(name{f, "f"}); got != want {
		t.Errorf("path of a name in a directory that is parked: got %s, want %s", got, want)
	}
	delete(mi.st.staged, f)
}

// A state that is damaged is told with what is to be done, and that does.
func TestDamagedState(t *testing.T) {
	m := newMirrored(t, "tmpfs")
	m.sh("mkdir -p d/e; echo 1 > d/e/f; echo 2 > g")
	m.equal(m.start())
	m.stop()
	own := filepath.Join(m.target, ownDir)
	lists, err := filepath.Glob(filepath.Join(own, "state", "MANIFEST-*"))
	must(t, err)
	for _, list := range lists {
		must(t, os.Truncate(list, 10))
	}
	o := m.options()
	_, err = Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "remove "+own) || strings.Contains(err.Error(), "weir feed repair") {
		t.Fatalf("got %v, want what to do with %s", err, own)
	}
	must(t, os.RemoveAll(own))
	o.Adopt, o.TakeOver = true, true
	m.equal(m.startWith(o))
}
