// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// shown are the records that the user of a number was told since the last drain.
func shown(each [][]*changelog.Record, user int) (texts []string) {
	for _, r := range each[user] {
		texts = append(texts, r.Type.String()+" "+string(r.Path))
	}
	return texts
}

func (s *stage) check(got []string, want ...string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("got %q, want %q", got, want)
	}
}

// nobody is the user of no group and no ACL.
const nobody = 4

func TestDirectoryThatTookAName(t *testing.T) {
	s := newStage(t, "ext4")
	s.drain()
	// What is told late must not be judged by the directory that has the name now.
	s.sh(0, "mkdir -m 700 x; mkdir x/secret; mv x d700/x; mkdir -m 755 x; mkdir x/open; rmdir d700/x/secret")
	_, each := s.drain()
	s.check(shown(each, nobody), "MKDIR x", "RMDIR x", "MKDIR x", "MKDIR x/open")
}

func TestDirectoryComesIntoSight(t *testing.T) {
	s := newStage(t, "tmpfs")
	s.sh(0, "mkdir -p d700/t/u d700/t/v; echo abc > d700/t/f; ln d700/t/f d700/t/u/g; ln -s x d700/t/u/l; chmod 700 d700/t/v; touch d700/t/v/hidden")
	s.drain()
	s.sh(0, "mv d700/t pub/t; mv pub/t d700/t")
	all, each := s.drain()
	if len(all) != 2 {
		t.Errorf("all: got %d records, want the two renames: %v", len(all), all)
	}
	// What is below is told as it is now, which is out of sight again: but for the
	// directory, whose name was seen.
	s.check(shown(each, nobody), "MKDIR pub/t", "RMDIR pub/t")
	s.sh(0, "mv d700/t pub/t")
	_, each = s.drain()
	s.check(shown(each, nobody), "MKDIR pub/t", "CREAT pub/t/f", "MKDIR pub/t/u", "HLINK pub/t/u/g", "SLINK pub/t/u/l", "MKDIR pub/t/v")
	for _, r := range each[nobody][1:] {
		if r.Flags&changelog.FlagSynth == 0 || r.Index != each[nobody][0].Index {
			t.Errorf("%s: got flags %#x, index %d, want SYNTH and that of the move, %d", r.Path, r.Flags, r.Index, each[nobody][0].Index)
		}
	}
}

func TestExchangeOverTheBorder(t *testing.T) {
	s := newStage(t, "ext4")
	s.sh(0, "mkdir pub/e; touch d700/e")
	s.drain()
	s.sh(0, "mv --exchange -T pub/e d700/e 2>/dev/null || python3 -c \"import ctypes; exit(ctypes.CDLL(None).renameat2(-100, b'pub/e', -100, b'd700/e', 2))\"")
	all, each := s.drain()
	if len(all) != 1 || all[0].Flags&changelog.FlagExchange == 0 {
		t.Fatalf("all: got %+v, want one exchange", all)
	}
	s.check(shown(each, nobody), "CREAT pub/e")
	r := each[nobody][0]
	if r.Target == all[0].Source || !r.Source.IsZero() || r.Has&changelog.HasAttr != 0 {
		t.Errorf("got %+v, want the other object, without attributes", r)
	}
}

func TestMarksTellNoPlaces(t *testing.T) {
	v := &viewer{}
	r := &changelog.Record{Type: changelog.Mark, Mark: &changelog.Marker{
		Kind: changelog.MarkMount, Dir: "/srv", Device: "/dev/sda1", UUID: "u",
	}}
	was := r.Mark
	if !v.Show(r) || *r.Mark != (changelog.Marker{Kind: changelog.MarkMount, UUID: "u"}) || was.Dir == "" {
		t.Errorf("mount: got %+v, want it without places, and the original as it was", r.Mark)
	}
	r.Mark = &changelog.Marker{Kind: changelog.MarkFSError, Object: changelog.FID{Seq: 1}}
	if v.Show(r) {
		t.Error("an error of the file system was shown")
	}
}

func TestWayToTheMount(t *testing.T) {
	s := newStage(t, "ext4")
	s.drain()
	must(t, os.Chmod(filepath.Dir(s.fs.Dir), 0o700))
	v, err := New(Options{Find: find(s)}).View(users[0], s.scene())
	must(t, err)
	defer v.Close()
	r := &changelog.Record{Type: changelog.Create, Parent: s.fid("."), Name: []byte("x"), Path: []byte("x")}
	if v.Show(r) {
		t.Error("a name was shown of a file system that the user cannot come to")
	}
	err = New(Options{}).Reach(users[0], s.fs.Path("pub"))
	if err == nil || New(Options{}).Reach(feed.Caller{Admin: true}, s.fs.Path("pub")) != nil {
		t.Errorf("Reach: got %v, want an error, and none for root", err)
	}
	_, tailErr := s.m.Tail(t.Context(), users[0], client.CreateOptions{Source: s.fs.Path("d700/nothing")})
	_, otherErr := s.m.Tail(t.Context(), users[0], client.CreateOptions{Source: s.fs.Path("d700/pub")})
	if tailErr == nil || otherErr == nil || !strings.HasSuffix(tailErr.Error(), "permission denied") || !strings.HasSuffix(otherErr.Error(), "permission denied") {
		t.Errorf("tail of what cannot be reached: got %v and %v, want the same refusal", tailErr, otherErr)
	}
}

func TestNameless(t *testing.T) {
	s := newStage(t, "ext4")
	s.sh(0, "touch d700/a; ln d700/a d711/a")
	s.drain()
	a := New(Options{Find: find(s)})
	v, err := a.View(users[nobody], s.scene())
	must(t, err)
	defer v.Close()
	top := &changelog.Record{Type: changelog.Setattr, Target: s.fid("."), Has: changelog.HasAttr}
	if !v.Show(top) || top.Has&changelog.HasAttr == 0 {
		t.Error("the root was not shown, which stat does")
	}
	hidden := &changelog.Record{Type: changelog.Setattr, Target: s.fid("d700/a"), Has: changelog.HasAttr, Path: []byte("d700/a")}
	if paths, err := v.Paths(top.Target); err != nil || !slices.Equal(paths, []string{""}) {
		t.Errorf("Paths of the root: got %q, %v, want its empty one", paths, err)
	}
	if v.Show(hidden) {
		t.Error("an object was shown that has no name in sight")
	}
	if paths, err := v.Paths(hidden.Target); err != nil || len(paths) != 0 {
		t.Errorf("Paths: got %q, %v, want none", paths, err)
	}
	s.sh(0, "ln d700/a pub/b")
	s.drain()
	hidden.Path = []byte("d700/a")
	if !v.Show(hidden) || len(hidden.Path) != 0 {
		t.Errorf("got path %q, want the object without it", hidden.Path)
	}
	paths, err := v.Paths(hidden.Target)
	must(t, err)
	s.check(paths, "pub/b")
}
