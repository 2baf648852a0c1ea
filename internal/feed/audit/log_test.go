// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

func must(tb testing.TB, errs ...error) {
	tb.Helper()
	if err := errors.Join(errs...); err != nil {
		tb.Fatal(err)
	}
}

// batchOf is a batch of records from first through last.
func batchOf(first, last uint64) *client.Batch {
	b := &client.Batch{Through: last}
	for i := first; i <= last; i++ {
		n := fmt.Appendf(nil, "file %d \xff\n\"", i)
		b.Records = append(b.Records, changelog.Record{
			Index: i, Time: int64(i), Type: changelog.Create, Target: changelog.FID{Seq: i, Ver: 1}, Parent: changelog.FID{Seq: 2}, Name: n, Path: n,
		})
	}
	return b
}

func options(dir string) Options {
	return Options{
		Dir: dir, Info: client.Info{ID: "cl1", Source: "8c1f6be0-3f0e-4ad0-8e4f-1f5c5d8e7a11", Last: 1 << 40}, Host: "h",
		Log: slog.New(slog.DiscardHandler),
	}
}

// written is a log with records 1 through 9 in three files.
func written(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "log")
	o := options(dir)
	o.Size = 700
	l, err := Open(o)
	must(t, err, l.Append(batchOf(1, 4)), l.Append(batchOf(5, 9)), l.Close())
	if l.chain.header.Through == 9 {
		t.Fatal("the last file has no record")
	}
	return dir
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "audit-*.jsonl"))
	must(t, err)
	return paths
}

// A log may end anywhere: it goes on with the first record that is not whole.
func TestCutAtEveryByte(t *testing.T) {
	dir := written(t)
	paths := files(t, dir)
	if len(paths) < 3 {
		t.Fatalf("got %d files, want 3 or more", len(paths))
	}
	last := filepath.Base(paths[len(paths)-1])
	whole, err := os.ReadFile(paths[len(paths)-1])
	must(t, err)
	for cut := range len(whole) + 1 {
		dir := copyOf(t, dir)
		must(t, os.Truncate(filepath.Join(dir, last), int64(cut)))
		l, err := Open(options(dir))
		must(t, err)
		if got := l.Through(); got > 9 || (got == 9) != (cut == len(whole)) {
			t.Errorf("cut at %d of %d: the log is through %d", cut, len(whole), got)
		}
		must(t, l.Append(batchOf(1, 4)), l.Append(batchOf(5, 9)), l.Append(batchOf(5, 12)), l.Close())
		r, err := Verify(dir, "")
		must(t, err)
		if r.Records != 12 || r.Through != 12 || r.Torn != 0 {
			t.Fatalf("cut at %d: got %+v, want 12 records", cut, r)
		}
	}
}

// copyOf is a copy of a log.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "log")
	must(t, os.CopyFS(other, os.DirFS(dir)))
	return other
}

// No byte can be changed unseen.
func TestEveryChangeIsFound(t *testing.T) {
	dir := written(t)
	before, err := Verify(dir, "")
	must(t, err)
	for n, path := range files(t, dir) {
		text, err := os.ReadFile(path)
		must(t, err)
		for i := range text {
			if n != 1 && i%11 != 0 {
				continue // all bytes of one file will do
			}
			text[i] ^= 1
			must(t, os.WriteFile(path, text, 0o600))
			r, err := Verify(dir, before.Hash)
			var f *Fault
			if !errors.As(err, &f) {
				t.Fatalf("%s: byte %d changed: got %+v, %v", path, i, r, err)
			}
			if want := 1 + bytes.Count(text[:i], []byte("\n")); f.File == path && f.Line != want && f.Line != want+1 && f.Line != 0 {
				t.Errorf("%s: byte %d changed: found in line %d, want %d", path, i, f.Line, want)
			}
			text[i] ^= 1
		}
		must(t, os.WriteFile(path, text, 0o600))
	}
	if r, err := Verify(dir, before.Hash); err != nil || !r.Anchored {
		t.Errorf("unchanged: got %+v, %v", r, err)
	}
}

func TestVerifyNamesTheLine(t *testing.T) {
	lines := func(path string) []string {
		b, err := os.ReadFile(path)
		must(t, err)
		return strings.SplitAfter(string(b), "\n")
	}
	for name, tt := range map[string]struct {
		change func(dir string, paths []string)
		file   int // index of the file in which it is found
		line   int
		want   string
	}{
		"line removed": {func(_ string, p []string) {
			l := lines(p[1])
			must(t, os.WriteFile(p[1], []byte(l[0]+strings.Join(l[2:], "")), 0o600))
		}, 1, 2, "chain"},
		"lines swapped": {func(_ string, p []string) {
			l := lines(p[0])
			l[1], l[2] = l[2], l[1]
			must(t, os.WriteFile(p[0], []byte(strings.Join(l, "")), 0o600))
		}, 0, 2, "chain"},
		"line twice": {func(_ string, p []string) {
			l := lines(p[0])
			l[1] += l[1]
			must(t, os.WriteFile(p[0], []byte(strings.Join(l, "")), 0o600))
		}, 0, 3, "chain"},
		"file removed": {func(_ string, p []string) { must(t, os.Remove(p[1])) }, 2, 1, "file 3"},
		"header removed": {func(_ string, p []string) {
			must(t, os.WriteFile(p[1], []byte(strings.Join(lines(p[1])[1:], "")), 0o600))
		}, 1, 1, "header"},
		"end cut": {func(_ string, p []string) {
			l := lines(p[0])
			must(t, os.WriteFile(p[0], []byte(strings.Join(l[:len(l)-2], "")), 0o600))
		}, 1, 1, "after"},
		"end torn": {func(_ string, p []string) {
			must(t, os.Truncate(p[0], int64(len(strings.Join(lines(p[0]), "")))-3))
		}, 0, 0, "without the end"},
		"file emptied": {func(_ string, p []string) { must(t, os.Truncate(p[0], 0)) }, 0, 1, "header"},
		"all files emptied": {func(_ string, p []string) {
			for _, path := range p {
				must(t, os.Truncate(path, 0))
			}
		}, 0, 1, "header"},
		"no JSON": {func(_ string, p []string) { must(t, os.WriteFile(p[0], []byte("hello\n"), 0o600)) }, 0, 1, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t)
			paths := files(t, dir)
			tt.change(dir, paths)
			_, err := Verify(dir, "")
			var f *Fault
			if !errors.As(err, &f) || f.File != paths[tt.file] || f.Line != tt.line || !strings.Contains(f.Got+f.Want, tt.want) {
				t.Errorf("got %v, want line %d of %s, with %q", err, tt.line, paths[tt.file], tt.want)
			}
		})
	}
}

// The end of a log can only be missed by someone who knows what it was.
func TestAnchor(t *testing.T) {
	dir := written(t)
	r, err := Verify(dir, "")
	must(t, err)
	l, err := Open(options(dir))
	must(t, err, l.Append(batchOf(10, 11)), l.Close())
	if r, err := Verify(dir, r.Hash); err != nil || !r.Anchored || r.Records != 11 {
		t.Errorf("anchor before the end: got %+v, %v", r, err)
	}
	paths := files(t, dir)
	must(t, os.Remove(paths[len(paths)-1]))
	if _, err := Verify(dir, r.Hash); err == nil {
		t.Error("last file removed: got no error")
	}
	if _, err := Verify(dir, "abc"); err == nil {
		t.Error("anchor that is no hash: got no error")
	}
	if _, err := Verify(t.TempDir(), ""); err == nil {
		t.Error("directory without a log: got no error")
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Every, o.Keep = time.Nanosecond, 3
	l, err := Open(o)
	must(t, err, l.Append(batchOf(1, 8)), l.Close())
	if got := files(t, dir); len(got) != 3 || filepath.Base(got[2]) != "audit-0000000009.jsonl" {
		t.Errorf("files: got %v, want the last 3 of 9", got)
	}
	if r, err := Verify(dir, ""); err != nil || r.First != 7 || r.Through != 8 {
		t.Errorf("after the oldest were removed: got %+v, %v", r, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := written(t)
	l, err := Open(options(dir))
	must(t, err)
	if _, err := Open(options(dir)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second writer: got %v", err)
	}
	must(t, l.Close())
	for want, change := range map[string]func(*Options){
		"not of other":       func(o *Options) { o.Info.Source = "other" },
		"was made anew":      func(o *Options) { o.Info.Last = 3 },
		"lies in the source": func(o *Options) { o.Info.Dir = filepath.Dir(dir) },
	} {
		o := options(dir)
		change(&o)
		if l, err := Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", want, l, err)
		}
	}
	paths := files(t, dir)
	last := paths[len(paths)-1]
	text, err := os.ReadFile(last)
	must(t, err)
	must(t, os.WriteFile(last, bytes.Replace(text, []byte("CREAT"), []byte("UNLNK"), 1), 0o600))
	if _, err := Open(options(dir)); err == nil || !strings.Contains(err.Error(), "was changed") {
		t.Errorf("changed last file: got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	var h Hash
	text, h := appendLine(nil, []byte(`{"audit":1,"feed":"cl1","source":"u","file":1,"t":"2026-11-20T10:00:00Z","through":0,"after":"`+h.String()+`"}`), h)
	text, _ = appendLine(text, []byte(`{"i":1,"t":"2026-11-20T10:00:00Z","type":"CREAT"}`), h)
	f.Add(text)
	f.Add([]byte(`{"note":"gap","chain":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), fileName(1))
		must(t, os.WriteFile(path, b, 0o600))
		var c chain
		whole, torn, err := c.read(path, 1, nil)
		if err == nil && int(whole)+torn != len(b) {
			t.Errorf("%d bytes whole and %d torn of %d", whole, torn, len(b))
		}
		if l, err := parseLine(bytes.TrimSuffix(b, []byte("\n"))); err == nil {
			again, _ := appendLine(nil, l.body, Hash{})
			if !bytes.HasPrefix(again, l.body[:len(l.body)-1]) {
				t.Errorf("body %q of %q", l.body, b)
			}
		}
	})
}
