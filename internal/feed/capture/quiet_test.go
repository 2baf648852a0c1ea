// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
)

// What waits is taken out when it was left alone, more of it when there is much, and
// comes back soon when it could not be settled.
func TestQuietTurns(t *testing.T) {
	q, now := newQuiet(), time.Unix(1, 0)
	at := func(i int) name { return name{changelog.FID{Seq: 1}, strconv.Itoa(i)} }
	q.touch(at(0), now)
	q.touch(at(1), now)
	q.touch(at(0), now.Add(quietTime/2))
	if chunk := q.ripe(now.Add(quietTime)); len(chunk) != 1 || chunk[0].name != at(1) {
		t.Fatalf("ripe: %v, want the one that was left alone", chunk)
	} else {
		q.done(chunk)
	}
	chunk := q.ripe(now.Add(2 * quietTime))
	if len(chunk) != 1 || chunk[0].name != at(0) || !q.pending(at(0)) {
		t.Fatalf("ripe: %v, want the other one", chunk)
	}
	q.again(chunk, now)
	if !q.due.Equal(now.Add(quietPause)) {
		t.Errorf("due in %v, want %v", q.due.Sub(now), quietPause)
	}
	q.done(q.ripe(now.Add(3 * quietTime)))
	if !q.empty() || q.pending(at(0)) {
		t.Error("something waits that is done")
	}
	for i := range quietMany + amidChunk + 1 {
		q.touch(at(i), now)
	}
	if chunk = q.ripe(now.Add(quietTime)); len(chunk) != amidChunk {
		t.Fatalf("ripe: %d of many, want %d", len(chunk), amidChunk)
	}
	q.again(chunk, now)
	if !q.due.Equal(now.Add(amidPause)) {
		t.Errorf("due in %v with many, want %v", q.due.Sub(now), amidPause)
	}
}

// Amid events, what is as the index says is forgotten.
func TestDoubtful(t *testing.T) {
	s := watch(t, memory(t), fstest.New(t, "tmpfs").Dir)
	same, other, gone := name{changelog.FID{Seq: 9}, "a"}, name{changelog.FID{Seq: 9}, "b"}, changelog.FID{Seq: 8}
	must(t, s.ask(t.Context(), func(context.Context) error {
		w, now := s.worker, time.Now()
		w.quiet = newQuiet()
		w.quiet.touch(same, now)
		w.quiet.touch(other, now)
		w.quiet.list(gone, now)
		w.quiet.list(w.index.root, now)
		rest, err := w.doubtful(w.quiet.ripe(now.Add(quietTime)), []difference{{at: other}})
		if err != nil {
			return err
		}
		if len(rest) != 2 || !slices.ContainsFunc(rest, func(c *waiting) bool { return c.name == other }) ||
			!slices.ContainsFunc(rest, func(c *waiting) bool { return c.parent == w.index.root }) {
			t.Errorf("%d are left, want the one that differs and the directory that is there", len(rest))
		}
		if w.quiet.pending(same) || !w.quiet.pending(other) {
			t.Error("what is as the index says waits, or what is not does not")
		}
		w.quiet.again(rest, now)
		return nil
	}))
	s.settled()
}

// The names of an object that is gone wait no more, but for those that something else has
// touched or that the index has stand for it.
func TestBuried(t *testing.T) {
	s := watch(t, memory(t), fstest.New(t, "tmpfs").Dir)
	at := func(n string) name { return name{changelog.FID{Seq: 9}, n} }
	f, other := changelog.FID{Seq: 7}, changelog.FID{Seq: 8}
	must(t, s.ask(t.Context(), func(context.Context) error {
		x := s.worker.index
		for _, c := range []struct {
			what  string
			touch func(q *quiet, now time.Time)
			wait  []string
		}{
			{"renames of it alone", func(*quiet, time.Time) {}, nil},
			// The way that it went before is not known any more.
			{"there and back", func(q *quiet, now time.Time) { q.moved(at("c"), at("a"), f, now); q.moved(at("a"), at("c"), f, now) }, []string{"b"}},
			{"another's at the last", func(q *quiet, now time.Time) { q.moved(at("c"), at("x"), other, now) }, []string{"a", "b", "c", "x"}},
			{"another's at the first", func(q *quiet, now time.Time) { q.moved(at("x"), at("a"), other, now) }, []string{"a", "x"}},
			{"anything in the midst", func(q *quiet, now time.Time) { q.touch(at("b"), now) }, []string{"a", "b"}},
			{"looked at meanwhile", func(q *quiet, now time.Time) { q.done([]*waiting{q.names[at("b")]}) }, []string{"a"}},
		} {
			q, now := newQuiet(), time.Unix(1, 0)
			q.moved(at("a"), at("b"), f, now)
			q.moved(at("b"), at("c"), f, now)
			c.touch(q, now)
			q.buried(at("c"), f, x)
			var wait []string
			for _, n := range []string{"a", "b", "c", "x"} {
				if q.pending(at(n)) {
					wait = append(wait, n)
				}
			}
			if !slices.Equal(wait, c.wait) {
				t.Errorf("%s: %v wait, want %v", c.what, wait, c.wait)
			}
			ripe := q.ripe(now.Add(quietTime))
			for _, w := range ripe {
				if !q.pending(w.name) {
					t.Errorf("%s: %s is looked up, and waits no more", c.what, w.name.name)
				}
			}
			if len(ripe) != len(wait) {
				t.Errorf("%s: %d are looked up, want %d", c.what, len(ripe), len(wait))
			}
		}
		q, now := newQuiet(), time.Unix(1, 0)
		q.moved(at("a"), at("b"), f, now)
		x.names[at("a")] = &link{name: at("a"), f: f}
		if q.buried(at("b"), f, x); !q.pending(at("a")) || q.pending(at("b")) {
			t.Error("a name that the index has does not wait, or another does")
		}
		delete(x.names, at("a"))
		return nil
	}))
}

// A file that was made, renamed and removed leaves nothing to look up; one that has
// another name does.
func TestBury(t *testing.T) {
	for _, dirs := range []bool{false, true} {
		t.Run("dirs="+strconv.FormatBool(dirs), func(t *testing.T) {
			fs := fstest.New(t, "tmpfs")
			s := watchWith(t, Options{Dir: fs.Dir, Store: memory(t), Dirs: dirs})
			lookups := func() uint64 { return s.Status().Lookups }
			path := func(n string) string { return filepath.Join(fs.Dir, n) }
			// While the source waits, however long that takes, no name is left alone for long.
			together := func(change func() error) {
				must(t, s.ask(t.Context(), func(context.Context) error { return change() }))
				s.settled()
			}
			s.settled()
			before := lookups()
			together(func() error {
				return errors.Join(os.WriteFile(path("a"), nil, 0o600), os.Rename(path("a"), path("b")), os.Remove(path("b")))
			})
			if n := lookups() - before; n != 0 {
				t.Errorf("%d names were looked up, want none", n)
			}
			together(func() error {
				return errors.Join(os.WriteFile(path("c"), nil, 0o600), os.Link(path("c"), path("other")),
					os.Rename(path("c"), path("d")), os.Remove(path("d")))
			})
			if n := lookups() - before; n != 2 {
				t.Errorf("%d names were looked up, want both of the renamed file", n)
			}
		})
	}
}

// An object that was there when it was looked at may be gone when it is looked at again,
// but never the other way round.
func TestLookAgain(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	s := watch(t, memory(t), fs.Dir)
	path := filepath.Join(fs.Dir, "a")
	must(t, os.WriteFile(path, nil, 0o600))
	s.settled()
	must(t, s.ask(t.Context(), func(context.Context) error {
		d := s.worker.disk
		f, err := s.worker.index.dirent(name{s.worker.index.root, "a"})
		if err != nil {
			return err
		}
		if l, err := d.look(f); err != nil || l.gone || l.dead {
			t.Errorf("look: %+v, %v; want what is there", l, err)
		}
		must(t, os.Remove(path))
		if l, err := d.look(f); err != nil || l.gone {
			t.Errorf("look: %+v, %v; want what was seen", l, err)
		}
		for range 2 {
			if l, err := d.lookAgain(f); err != nil || !l.gone || !l.dead {
				t.Errorf("look again: %+v, %v; want what is gone", l, err)
			}
		}
		return nil
	}))
}

// A directory that is open somewhere, as the working directory of a process, is opened by
// its handle after it was removed, and cannot be listed then.
func TestListsRemovedDirectory(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			s := watch(t, memory(t), fs.Dir)
			sh(t, fs.Dir, "mkdir d")
			s.settled()
			gone, err := fidAt(fs.Path("d"))
			must(t, err)
			f, err := os.Open(fs.Path("d"))
			must(t, err)
			defer f.Close()
			must(t, os.Remove(fs.Path("d")))
			s.settled()
			must(t, s.ask(t.Context(), func(context.Context) error {
				fd, err := s.worker.disk.openFID(gone, unix.O_RDONLY|unix.O_DIRECTORY)
				if err != nil {
					return fmt.Errorf("directory that is open: %w", err)
				}
				unix.Close(fd)
				return s.worker.visit(gone)
			}))
			sh(t, fs.Dir, "mkdir e")
			if got, want := briefs(s.records()), "MKDIR d; RMDIR d last; MKDIR e"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
