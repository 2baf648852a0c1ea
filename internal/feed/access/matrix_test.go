// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// probe is a file in every directory: stat of it tells whether that can be searched.
const probe = "probe"

// The users of the matrix, by what they have in common with the directories.
var users = []feed.Caller{
	{UID: 3001, GID: 3001},                              // owner of some, named in an ACL
	{UID: 3002, GID: 3002, Groups: []uint32{4001}},      // of the group, by a supplementary one
	{UID: 3003, GID: 4001},                              // of the group, by the main one
	{UID: 3004, GID: 3004, Groups: []uint32{4002, 100}}, // of a group that an ACL names
	{UID: 3005, GID: 3005},                              // nobody's
}

// dirs are the directories of the matrix: each owner, mode, ACL. "a/b" is in "a".
var dirs = []struct {
	path     string
	uid, gid int
	mode     string
	acl      string
}{
	{"pub", 0, 0, "0755", ""},
	{"d700", 0, 0, "0700", ""},
	{"d700/pub", 0, 0, "0755", ""},
	{"d711", 0, 0, "0711", ""},
	{"d711/pub", 0, 0, "0755", ""},
	{"d711/pub/d750", 3001, 4001, "0750", ""},
	{"d750", 0, 4001, "0750", ""},
	{"d750/deep", 0, 0, "0755", ""},
	{"d744", 0, 0, "0744", ""},
	{"d744/pub", 0, 0, "0777", ""},
	{"own", 3001, 3001, "0700", ""},
	{"own/deep", 3001, 3001, "0755", ""},
	{"own070", 3001, 4001, "0070", ""}, // the owner has less than the group
	{"sticky", 0, 0, "1777", ""},
	{"acl", 0, 0, "0700", "u:3001:r-x,g:4002:r-x"},
	{"acl/deep", 0, 0, "0755", ""},
	{"aclmask", 0, 0, "0750", "u:3001:rwx,m::--x"},
	{"aclread", 0, 0, "0700", "u:3001:r--,u:3005:--x"},
	{"acldeny", 0, 4001, "0755", "u:3002:---"},
}

// stage is a watched file system with the directories, a reader with all rights, and one
// for each user.
type stage struct {
	t       *testing.T
	fs      *fstest.FS
	m       *feed.Manager
	admin   *feed.Consumer
	readers []*feed.Consumer
	rounds  int
	store   journal.Store
}

// scene is what viewers look at.
func (s *stage) scene() feed.Scene {
	s.t.Helper()
	id, _, err := capture.Identify(s.fs.Dir)
	must(s.t, err)
	j, err := s.store.Open(id)
	must(s.t, err)
	return feed.Scene{Source: id, Dir: s.fs.Dir, Index: j}
}

// fid is that of what a path names.
func (s *stage) fid(path string) changelog.FID {
	s.t.Helper()
	fd, err := unix.Open(s.fs.Path(path), unix.O_PATH|unix.O_CLOEXEC, 0)
	must(s.t, err)
	defer unix.Close(fd)
	f, err := fidAt(fd)
	must(s.t, err)
	return f
}

// find finds the file system of a stage.
func find(s *stage) func(journal.UUID, string) (string, bool) {
	return func(journal.UUID, string) (string, bool) { return s.fs.Dir, true }
}

func newStage(t *testing.T, kind string) *stage {
	t.Helper()
	s := &stage{t: t, fs: fstest.New(t, kind)}
	// Directories for tests are their owner's only.
	for dir := filepath.Dir(s.fs.Dir); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	must(t, os.Chmod(s.fs.Dir, 0o755))
	for _, d := range dirs {
		s.sh(0, fmt.Sprintf("mkdir %[1]s; touch %[1]s/%[5]s; chown %[2]d:%[3]d %[1]s; chmod %[4]s %[1]s", d.path, d.uid, d.gid, d.mode, probe))
		if d.acl != "" {
			s.sh(0, "setfacl -m "+d.acl+" "+d.path)
		}
	}
	s.sh(0, "touch "+probe)
	store, err := journal.OpenMemory()
	must(t, err)
	s.store = store
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s.m, err = feed.New(feed.Options{Store: store, Log: log, Access: New(Options{Find: capture.Find})})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended, store.Close())
	})
	s.admin = s.tail(feed.Caller{Admin: true})
	for _, u := range users {
		s.readers = append(s.readers, s.tail(u))
	}
	return s
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// tail opens a transient feed, as soon as the manager runs.
func (s *stage) tail(c feed.Caller) *feed.Consumer {
	s.t.Helper()
	for {
		n, err := s.m.Tail(s.t.Context(), c, client.CreateOptions{Source: s.fs.Dir})
		if errors.Is(err, &client.Error{Code: client.CodeStore}) && s.t.Context().Err() == nil && strings.Contains(err.Error(), "does not run yet") {
			continue
		}
		must(s.t, err)
		s.t.Cleanup(func() { must(s.t, n.Close(context.Background(), false)) })
		return n
	}
}

// sh changes the file system by a process of a user.
func (s *stage) sh(uid uint32, script string) {
	s.t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = s.fs.Dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// sees asks a process of a user what it sees of the directories.
func (s *stage) sees(u feed.Caller) map[string]sight {
	s.t.Helper()
	var paths strings.Builder
	fmt.Fprintln(&paths, s.fs.Dir)
	for _, d := range dirs {
		fmt.Fprintln(&paths, s.fs.Path(d.path))
	}
	c := exec.Command("/proc/self/exe")
	c.Env = []string{lookerEnv + "=1", "GORACE=atexit_sleep_ms=0"}
	c.Dir = "/"
	c.Stdin, c.Stderr = strings.NewReader(paths.String()), os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}}
	out, err := c.Output()
	must(s.t, err)
	var absolute map[string]sight
	must(s.t, json.Unmarshal(out, &absolute))
	seen := map[string]sight{}
	for dir, what := range absolute {
		rel, err := filepath.Rel(s.fs.Dir, dir)
		must(s.t, err)
		seen[rel] = what
	}
	return seen
}

// drain makes a name that all see and reads each reader up to that.
func (s *stage) drain() (all []*changelog.Record, each [][]*changelog.Record) {
	s.t.Helper()
	s.rounds++
	end := fmt.Sprintf("end-%d", s.rounds)
	s.sh(0, "ln -s x "+end)
	all = s.read(s.admin, end)
	for _, n := range s.readers {
		each = append(each, s.read(n, end))
	}
	return all, each
}

func (s *stage) read(n *feed.Consumer, end string) (got []*changelog.Record) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		ended := false
		_, err := n.Read(ctx, client.ReadOptions{Wait: -1}, func(r *changelog.Record) int {
			if r == nil {
				s.t.Fatal("a record did not fit")
			}
			b := changelog.AppendNative(nil, r)
			var c changelog.Record
			must(s.t, changelog.DecodeNative(b, &c))
			ended = ended || string(c.Path) == end
			if !ended && c.Mark == nil {
				got = append(got, &c)
			}
			return len(b)
		})
		must(s.t, err)
		if ended {
			return got
		}
	}
}

// expected is what a user may be told of a record, by what a process of his sees.
func expected(u feed.Caller, seen map[string]sight, r *changelog.Record) (text string, shown bool) {
	at := func(path []byte) sight { return seen[filepath.Dir(string(path))] }
	kind, path, source, attr := r.Type, string(r.Path), "", r.Has&changelog.HasAttr != 0
	to := at(r.Path)
	visible := to
	if r.Type == changelog.Rename {
		from := at(r.SourcePath)
		isDir := attr && r.Attr.Mode&syscall.S_IFMT == syscall.S_IFDIR
		switch {
		case to.List && from.List:
			source = string(r.SourcePath)
		case to.List:
			kind = changelog.Create
			if isDir {
				kind = changelog.Mkdir
			}
		case from.List:
			kind, path, visible = changelog.Unlink, string(r.SourcePath), sight{List: true}
			if isDir {
				kind = changelog.Rmdir
			}
		}
	}
	uid, _ := r.Actor()
	return text4(kind, path, source, attr && visible.Search, uid == u.UID), visible.List
}

func text4(kind changelog.Type, path, source string, attr, actor bool) string {
	return fmt.Sprintf("%v %q from %q attr=%v actor=%v", kind, path, source, attr, actor)
}

// shownAs is the same of what a user was told.
func shownAs(r *changelog.Record) string {
	return text4(r.Type, string(r.Path), string(r.SourcePath), r.Has&changelog.HasAttr != 0, r.Has&(changelog.HasUser|changelog.HasProc) != 0)
}

// compare tells what of a round users were told and may not know, and the reverse.
func (s *stage) compare(all []*changelog.Record, each [][]*changelog.Record) (leaks int) {
	s.t.Helper()
	for i, u := range users {
		seen := s.sees(u)
		var want, got []string
		for _, r := range all {
			if text, shown := expected(u, seen, r); shown {
				want = append(want, text)
			}
		}
		for _, r := range each[i] {
			got = append(got, shownAs(r))
			leaks += s.hidden(u, seen, r)
		}
		if !slices.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			s.t.Errorf("user %d: at record %d: got %q, want %q", u.UID, at, got[at:min(at+3, len(got))], want[at:min(at+3, len(want))])
		}
	}
	return leaks
}

// hidden counts what of a record a user cannot see, whatever the record should be.
func (s *stage) hidden(u feed.Caller, seen map[string]sight, r *changelog.Record) (leaks int) {
	s.t.Helper()
	leak := func(what string) {
		leaks++
		s.t.Errorf("user %d: leak: %s: %s", u.UID, what, shownAs(r))
	}
	for _, p := range [][]byte{r.Path, r.SourcePath} {
		if len(p) > 0 && !seen[filepath.Dir(string(p))].List {
			leak("name in a directory that ls refuses")
		}
	}
	if r.Has&changelog.HasAttr != 0 && !seen[filepath.Dir(string(r.Path))].Search {
		leak("attributes that stat refuses")
	}
	if len(r.Path) == 0 && (len(r.Name) > 0 || len(r.SourceName) > 0 || !r.Parent.IsZero() || !r.SourceParent.IsZero()) {
		leak("a side that is hidden has a name or parent")
	}
	if uid, _ := r.Actor(); uid != changelog.Unknown && uid != u.UID || len(r.Job) > 0 && uid != u.UID {
		leak("who did it")
	}
	return leaks
}

// storm makes changes in all directories, with renames from one to another.
func (s *stage) storm(r *rand.Rand, n int) {
	s.t.Helper()
	var script bytes.Buffer
	paths := []string{"."}
	for _, d := range dirs {
		paths = append(paths, d.path)
	}
	pick := func() string { return paths[r.IntN(len(paths))] }
	for i := range n {
		a, b, name := pick(), pick(), fmt.Sprintf("r%d-%d", s.rounds, i)
		switch r.IntN(6) {
		case 0:
			fmt.Fprintf(&script, "echo x > %[1]s/%[2]s; chmod 0600 %[1]s/%[2]s\n", a, name)
		case 1:
			fmt.Fprintf(&script, "mkdir %[1]s/%[2]s; mv -T %[1]s/%[2]s %[3]s/%[2]sd; rmdir %[3]s/%[2]sd\n", a, name, b)
		case 2:
			fmt.Fprintf(&script, "touch %[1]s/%[2]s; mv -T %[1]s/%[2]s %[3]s/%[2]sn; rm %[3]s/%[2]sn\n", a, name, b)
		case 3:
			fmt.Fprintf(&script, "ln -s %[1]s %[1]s/%[2]s; ln %[1]s/probe %[3]s/%[2]sh\n", a, name, b)
		case 4:
			fmt.Fprintf(&script, "touch %[1]s/%[2]s %[3]s/%[2]sv; mv -f %[1]s/%[2]s %[3]s/%[2]sv\n", a, name, b)
		case 5:
			fmt.Fprintf(&script, "mkfifo %[1]s/%[2]s; chown 3001:3001 %[1]s/%[2]s\n", a, name)
		}
	}
	s.sh(0, script.String())
}

func TestUsersSeeWhatListAndStatShow(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			s := newStage(t, kind)
			s.drain()
			r := rand.New(rand.NewPCG(1, 2))
			leaks, shown := 0, 0
			for range 4 {
				s.storm(r, 40)
				s.sh(3001, "set +e; touch own/mine sticky/mine; mv own/mine own/deep/mine; rm -f sticky/mine; true")
				all, each := s.drain()
				leaks += s.compare(all, each)
				for _, got := range each {
					shown += len(got)
				}
				s.turn(r) // rights are others from here on
				s.drain()
			}
			t.Logf("%d records shown, %d leaks", shown, leaks)
			if shown == 0 {
				t.Error("nothing was shown to anybody")
			}
		})
	}
}

// turn gives some directories other rights.
func (s *stage) turn(r *rand.Rand) {
	s.t.Helper()
	var script strings.Builder
	for range 6 {
		d := dirs[r.IntN(len(dirs))]
		modes := []string{"0700", "0711", "0750", "0755", "0744", "0070", "0007"}
		fmt.Fprintf(&script, "chmod %s %s; chgrp %d %[2]s\n", modes[r.IntN(len(modes))], d.path, 4000+r.IntN(3))
		if r.IntN(3) == 0 {
			fmt.Fprintf(&script, "setfacl -m u:%d:%s %s\n", 3001+r.IntN(5), []string{"r-x", "---", "r--", "--x"}[r.IntN(4)], d.path)
		}
	}
	s.sh(0, script.String())
}
