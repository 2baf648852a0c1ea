// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/match"
)

// names are the users and groups of a host of these tests.
var names = match.Names{
	User: func(name string) (uint32, error) {
		if name == "alice" {
			return 1000, nil
		}
		return 0, errors.New("no such user")
	},
	Group: func(name string) (uint32, error) {
		if name == "staff" {
			return 50, nil
		}
		return 0, errors.New("no such group")
	},
}

// compile makes a matcher of flags, by way of the document so that both forms are
// always compared.
func compile(t *testing.T, flags ...string) *match.Matcher {
	t.Helper()
	f, err := match.ParseFlags(flags)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := f.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := match.Parse(doc)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	m, err := again.Compile(names)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return m
}

func user(uid, gid uint32) changelog.Record {
	return changelog.Record{Type: changelog.Create, Has: changelog.HasUser, UID: uid, GID: gid}
}

func process(pid, fsuid uint32, comm string) changelog.Record {
	r := user(1, 1)
	r.Has |= changelog.HasProc
	r.Proc = changelog.Proc{PID: pid, FSUID: fsuid, FSGID: changelog.Unknown}
	copy(r.Proc.Comm[:], comm)
	return r
}

func at(path string) changelog.Record {
	return changelog.Record{Type: changelog.Create, Path: []byte(path), Name: []byte(path[strings.LastIndexByte(path, '/')+1:])}
}

func rename(from, to string) changelog.Record {
	r := at(to)
	r.Type = changelog.Rename
	r.SourcePath, r.SourceName = []byte(from), []byte(from[strings.LastIndexByte(from, '/')+1:])
	return r
}

func ofMode(typ changelog.Type, mode uint32) changelog.Record {
	r := changelog.Record{Type: typ}
	if mode != 0 {
		r.Has, r.Attr = changelog.HasAttr, changelog.Attr{Mode: mode, UID: 33}
	}
	return r
}

func flagged(f changelog.Flags) changelog.Record {
	return changelog.Record{Type: changelog.Create, Flags: f}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		flags string // with spaces between them
		r     changelog.Record
		want  match.Result
	}{
		{"", at("a"), match.Whole},
		{"types=CREAT", at("a"), match.Whole},
		{"types=UNLNK", at("a"), match.None},
		{"types=-CREAT", at("a"), match.None},
		{"types=+ATIME", changelog.Record{Type: changelog.Atime}, match.Whole},
		{"types=CREAT", changelog.Record{Type: changelog.Open}, match.None},

		{"uid=1000", user(1000, 0), match.Whole},
		{"uid=1000", user(1001, 0), match.None},
		{"uid=alice", user(1000, 0), match.Whole},
		{"uid=1-5,9,7-12", user(10, 0), match.Whole},
		{"uid=1-5,9,7-12", user(6, 0), match.None},
		{"uid=1000-1999,!1005", user(1004, 0), match.Whole},
		{"uid=1000-1999,!1005", user(1005, 0), match.None},
		{"uid=!0", user(1, 0), match.Whole},
		{"uid=!0", user(0, 0), match.None},
		{"uid=!0", changelog.Record{Type: changelog.Create}, match.None},
		{"uid=unknown", changelog.Record{Type: changelog.Create}, match.Whole},
		{"uid=unknown", user(1, 0), match.None},
		{"uid=!0,unknown", changelog.Record{Type: changelog.Create}, match.Whole},
		{"uid=!0,unknown", user(5, 0), match.Whole},
		{"uid=!unknown", user(5, 0), match.Whole},
		{"uid=!unknown", changelog.Record{Type: changelog.Create}, match.None},
		{"uid=0-4294967294", user(4294967294, 0), match.Whole},
		{"gid=staff", user(0, 50), match.Whole},
		{"gid=staff", user(50, 0), match.None},
		{"uid=1000 gid=50", user(1000, 51), match.None},
		{"uid=7", process(1, 7, "cp"), match.Whole}, // the process goes before the user of the record
		{"uid=1", process(1, 7, "cp"), match.None},
		{"uid=1", process(1, changelog.Unknown, "cp"), match.Whole},

		{"owner=33", ofMode(changelog.Create, 0o100644), match.Whole},
		{"owner=34", ofMode(changelog.Create, 0o100644), match.None},
		{"owner=33", ofMode(changelog.Create, 0), match.None},
		{"owner=unknown", ofMode(changelog.Create, 0), match.Whole},

		{"pid=4711", process(4711, 0, "cp"), match.Whole},
		{"pid=1-10", process(4711, 0, "cp"), match.None},
		{"pid=1-10", user(0, 0), match.None},
		{"comm=c?", process(1, 0, "cp"), match.Whole},
		{"comm=k*0", process(1, 0, "kworker/0:0"), match.Whole},
		{"comm=c", process(1, 0, "cp"), match.None},
		{"comm=*", user(0, 0), match.None},
		{"comm=!cp", process(1, 0, "mv"), match.Whole},
		{"comm=!cp", process(1, 0, "cp"), match.None},
		{"job=cp.*", changelog.Record{Type: changelog.Create, Job: []byte("cp.0")}, match.Whole},
		{"job=cp.*", changelog.Record{Type: changelog.Create}, match.None},

		{"kind=f", ofMode(changelog.Setattr, 0o100644), match.Whole},
		{"kind=f", ofMode(changelog.Setattr, 0o040755), match.None},
		{"kind=dl", ofMode(changelog.Setattr, 0o120777), match.Whole},
		{"kind=psbc", ofMode(changelog.Mknod, 0), match.Whole},
		{"kind=f", ofMode(changelog.Mkdir, 0), match.None},
		{"kind=d", ofMode(changelog.Rmdir, 0), match.Whole},
		{"kind=f", ofMode(changelog.Unlink, 0), match.Whole}, // may have been one
		{"kind=d", ofMode(changelog.Unlink, 0), match.None},
		{"kind=f,d", ofMode(changelog.Mtime, 0), match.Whole},

		{"synth=no", flagged(changelog.FlagSynth), match.None},
		{"synth=no", flagged(0), match.Whole},
		{"synth=only", flagged(0), match.None},
		{"synth=only", flagged(changelog.FlagSynth), match.Whole},
		{"synth=yes", flagged(changelog.FlagSynth), match.Whole},
		{"merged=only", flagged(changelog.FlagMerged), match.Whole},
		{"merged=no", flagged(changelog.FlagMerged), match.None},
		{"merged=no", changelog.Record{Type: changelog.HSM, Flags: changelog.FlagMerged}, match.Whole},

		{"name=*.c", at("d/a.c"), match.Whole},
		{"name=*.c", at("a.c/d"), match.None},
		{"name=*.c", changelog.Record{Type: changelog.Mtime, Path: []byte("d/a.c")}, match.Whole},
		{"name=*.c", changelog.Record{Type: changelog.Mtime}, match.None},
		{"name=*.c", rename("d/a.c", "d/a.o"), match.Whole},
		{"name=*.o", rename("d/a.c", "d/a.o"), match.Whole},
		{"name=*.h", rename("d/a.c", "d/a.o"), match.None},
		{"name=!*.c", at("d/a.c"), match.None},

		{"path=home/**", at("home/u/x"), match.Whole},
		{"path=home/**", at("home"), match.None},
		{"path=/home/", at("home"), match.Whole},
		{"path=home", at("home/u/x"), match.Whole},
		{"path=home", at("homes"), match.None},
		{"path=*.c", at("d/a.c"), match.None},
		{"path=home path=!home/tmp path=home/tmp/keep", at("home/tmp/x"), match.None},
		{"path=home path=!home/tmp path=home/tmp/keep", at("home/tmp/keep/x"), match.Whole},
		{"path=home path=!home/tmp path=home/tmp/keep", at("home/y"), match.Whole},
		{"path=!**/.cache", at("home/u/.cache/x"), match.None},
		{"path=!**/.cache", at("home/u/x"), match.Whole},
		{"path=home", changelog.Record{Type: changelog.Mtime}, match.None},
		{"path=!home", changelog.Record{Type: changelog.Mtime}, match.Whole},
		{"path=/", changelog.Record{Type: changelog.Mtime, Path: []byte{}}, match.Whole},

		{"path=in", rename("in/a", "in/b"), match.Whole},
		{"path=in", rename("out/a", "in/b"), match.EdgeIn},
		{"path=in", rename("in/a", "out/b"), match.EdgeOut},
		{"path=in", rename("out/a", "out/b"), match.None},
		{"path=in types=-RENME", rename("out/a", "in/b"), match.None},

		{"types=CREAT uid=5 path=x kind=f", changelog.Record{Type: changelog.Mark, Mark: &changelog.Marker{}}, match.Whole},
	} {
		if got := compile(t, strings.Fields(tt.flags)...).Match(&tt.r); got != tt.want {
			t.Errorf("filter %q: %v of %+v, want %v", tt.flags, got, tt.r, tt.want)
		}
	}
}

// TestRefused has filters that are refused, and the place and reason that is told.
func TestRefused(t *testing.T) {
	for _, tt := range []struct{ flag, want string }{
		{"type=CREAT", `filter 1: at offset 0: got "type=CREAT", want FIELD=VALUE with one of types, uid`},
		{"types", "want FIELD=VALUE"},
		{"types=", "filter 1: types at offset 6"},
		{"types=CREAT,foo", `filter 1: types at offset 12: got "foo"`},
		{"uid=1,bob", `filter 1: uid at offset 6: got "bob", want an id, a range, or a name that this host knows: no such user`},
		{"uid=1,,2", "filter 1: uid at offset 6"},
		{"uid=5-4", `filter 1: uid at offset 6: got "4", want a number from 5 on`},
		{"uid=4294967295", "below 4294967295"},
		{"uid=1x", `got "1x"`},
		{"uid=!", "uid at offset 4"},
		{"uid=!bob", `uid at offset 5: got "bob"`},
		{"pid=init", "a number or a range"},
		{"gid=alice", "no such group"},
		{"kind=x", "kind at offset 5: got 'x', want letters of fdlpsbc"},
		{"kind=,", "letters of"},
		{"synth=maybe", "yes, no or only"},
		{"merged=1", "yes, no or only"},
		{"name=a/b", "name at offset 6: got a slash"},
		{"path=a//b", "path at offset 7: got an empty component"},
		{"path=a/../b", "path at offset 7: got .."},
		{"path=./a", "path at offset 5: got ."},
		{"path=!a/[b", `path at offset 8: got [ without ]`},
		{"path=a[z-a]", "a range that ends before it begins"},
		{"path=a[é]", "a character that is not ASCII"},
		{"path=a[/]", "no slash within []"},
		{`path=a\`, `got a \ at the end`},
		{"path=" + strings.Repeat("a", 8193), "got 8193 bytes, want at most 8192"},
		{"path=" + strings.Repeat("?", 300), "a pattern of 1200 steps behind its plain begin, want at most 1023"},
		{"name=" + strings.Repeat("a", 8194), "got 8194 bytes, want at most 8193"},
		{"path=\xff", "UTF-8"},
		{"path=a\x00", "a zero"},
	} {
		f, err := match.ParseFlags([]string{tt.flag})
		if err == nil {
			_, err = f.Compile(names)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("filter %q: error %v, want %q", tt.flag, err, tt.want)
		}
	}
	if _, err := match.ParseFlags([]string{"types=CREAT", "types=UNLNK"}); err == nil || !strings.Contains(err.Error(), "filter 2: types at offset 6: got a second one") {
		t.Errorf("types twice: %v", err)
	}
	for _, tt := range []struct{ doc, want string }{
		{``, "filter: at offset 0: got the end, want JSON"},
		{`[]`, "filter: at offset 0: got [, want an object"},
		{`{"typ":"CREAT"}`, `filter: at offset 1: got "typ", want one of types`},
		{`{"types":"CREAT","types":"UNLNK"}`, "types at offset 17: got a second one"},
		{`{"types":["CREAT"]}`, "types at offset 9: got a list, want a string"},
		{`{"types":5}`, "types at offset 9: got 5, want a string"},
		{`{"uid":[1,null]}`, "uid at offset 10: got null"},
		{`{"uid":[1,"x"]}`, `uid at offset 11: got "x"`},
		{`{"uid":1.5}`, "uid at offset 7"},
		{`{"uid":-1}`, `uid at offset 7: got "-1"`},
		{`{"path":[]}`, "path at offset 8: got an empty list"},
		{`{"path":["a",5]}`, "path at offset 13: got 5, want a string"},
		{`{"path":"[a"}`, "path at offset 9: got [ without ]"},
		{`{"path":{"a":1}}`, "path at offset 8: got {"},
		{`{"path":"a"`, "at offset 11: got the end"},
		{`{"path":"a"} x`, `at offset 13: got "x", want the end`},
		{`{"path":"` + "\xff" + `"}`, "want UTF-8"},
		{`{"pid":[` + strings.Repeat("1,", 1000) + `1]}`, "pid at offset 2008: got more, want at most 1000 items"},
		{`{"path":"` + strings.Repeat("a", 70000) + `"}`, "at most 65536"},
	} {
		f, err := match.Parse([]byte(tt.doc))
		if err == nil {
			_, err = f.Compile(names)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("filter %.60q: error %v, want %q", tt.doc, err, tt.want)
		}
		if _, ok := errors.AsType[*changelog.Error](err); err != nil && !ok {
			t.Errorf("filter %.60q: error of type %T", tt.doc, err)
		}
	}
}

// TestEdge makes the records that are delivered of renames over the edge.
func TestEdge(t *testing.T) {
	m := compile(t, "path=in")
	in, out := rename("out/a", "in/b"), rename("in/a", "out/b")
	for _, r := range []*changelog.Record{&in, &out} {
		r.Target, r.Source = changelog.FID{Seq: 1}, changelog.FID{Seq: 2}
		r.Parent, r.SourceParent = changelog.FID{Seq: 3}, changelog.FID{Seq: 4}
		r.Flags = changelog.FlagLast
		r.CutEdge(m.Match(r).Edge())
	}
	if in.Edge != changelog.EdgeIn || in.Flags != changelog.FlagLast|changelog.FlagPartial || !in.SourceParent.IsZero() ||
		in.SourceName != nil || in.SourcePath != nil || in.Target.Seq != 1 || in.Source.Seq != 2 || string(in.Path) != "in/b" {
		t.Errorf("a rename in: %+v", in)
	}
	if out.Edge != changelog.EdgeOut || out.Flags != changelog.FlagPartial || !out.Parent.IsZero() || out.Name != nil ||
		out.Path != nil || !out.Target.IsZero() || out.Source.Seq != 2 || string(out.SourcePath) != "in/a" {
		t.Errorf("a rename out: %+v", out)
	}
	swap := rename("in/a", "out/b")
	swap.Target, swap.Flags = changelog.FID{Seq: 1}, changelog.FlagExchange
	swap.CutEdge(m.Match(&swap).Edge())
	if swap.Target.Seq != 1 || swap.Edge != changelog.EdgeOut {
		t.Errorf("an exchange out: %+v", swap)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	m := compile(t, "types=ALL", "uid=0-100000,!7", "gid=!9", "path=**/a?c/*/[x-z]*", "path=!**/tmp", "name=*", "comm=c*", "job=*", "kind=fd", "pid=1-99999")
	r := rename("home/aéc/d/xyz", "home/abc/d/yes")
	r.Has, r.UID, r.Job = changelog.HasUser|changelog.HasProc, 5, []byte("cp.5")
	r.Proc = changelog.Proc{PID: 5, FSUID: 5, FSGID: 5, Comm: [16]byte{'c', 'p'}}
	if got := m.Match(&r); got != match.Whole {
		t.Fatalf("the record is %v, want whole", got)
	}
	if n := testing.AllocsPerRun(100, func() { m.Match(&r) }); n != 0 {
		t.Errorf("%v allocations a match, want 0", n)
	}
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		dir, path string
		want      match.Result
	}{
		{"a[b*", "a[b*", match.Whole},
		{"a[b*", "a[b*/c", match.Whole},
		{"a[b*", "a[bx/c", match.None},
		{"\xff/d", "\xff/d/e", match.Whole},
		{"\xff/d", "\uFFFD/d/e", match.None},
		{"", "a/b", match.Whole},
		{".", "a/b", match.Whole},
		{strings.Repeat("d/", 2000) + "d", strings.Repeat("d/", 2000) + "d/x", match.Whole},
	} {
		r := at(tt.path)
		if got := match.Below([]byte(tt.dir)).Match(&r); got != tt.want {
			t.Errorf("%.20q below %.20q is %v, want %v", tt.path, tt.dir, got, tt.want)
		}
	}
	in := rename("b/x", "a/x")
	if got := match.Below([]byte("a")).Match(&in); got != match.EdgeIn {
		t.Errorf("a rename into the directory is %v, want %v", got, match.EdgeIn)
	}
}

func TestHostNames(t *testing.T) {
	f, err := match.ParseFlags([]string{"uid=root", "gid=root"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.Compile(match.HostNames())
	if err != nil {
		t.Fatal(err)
	}
	root, other := user(0, 0), user(1, 0)
	if m.Match(&root) != match.Whole || m.Match(&other) != match.None {
		t.Error("root is not user 0")
	}
}
