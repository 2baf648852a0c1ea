// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/wait"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *Watcher {
	t.Helper()
	w, err := Open(Options{Dir: dir, Mask: changelog.DefaultMask, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// errEnd ends a watcher.
var errEnd = errors.New("enough")

// until runs a watcher up to a record of a path, which is not in what it returns.
func until(t *testing.T, w *Watcher, end string) (got []changelog.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	err := w.Run(ctx, func(r *changelog.Record) error {
		if string(r.Path) == end {
			return errEnd
		}
		got = append(got, *r)
		return nil
	})
	if !errors.Is(err, errEnd) {
		t.Fatalf("waited for %q: got %v after %d records", end, err, len(got))
	}
	return got
}

func briefly(records []changelog.Record) (texts []string) {
	for i := range records {
		r := &records[i]
		text := r.Type.String() + " " + string(r.Path)
		if r.Type == changelog.Rename {
			text += " from " + string(r.SourcePath) + " " + r.Edge.String()
		}
		if r.Flags&changelog.FlagSynth != 0 {
			text += " synth"
		}
		texts = append(texts, text)
	}
	return texts
}

func wantRecords(t *testing.T, got []changelog.Record, want ...string) {
	t.Helper()
	if texts := briefly(got); !slices.Equal(texts, want) {
		t.Errorf("got  %q\nwant %q", texts, want)
	}
}

func TestEachChange(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/old/deep", 0o755))
	w := open(t, dir)
	must(t,
		os.WriteFile(dir+"/f", []byte("x"), 0o600), os.Chmod(dir+"/f", 0o640), os.Link(dir+"/f", dir+"/old/deep/g"),
		os.Symlink("target", dir+"/l"), syscall.Mkfifo(dir+"/p", 0o600), os.Rename(dir+"/l", dir+"/old/l"),
		os.Remove(dir+"/p"), os.Remove(dir+"/old/l"), os.Chmod(dir+"/old", 0o700), os.Mkdir(dir+"/end", 0o755))
	got := until(t, w, "end")
	wantRecords(t, got,
		"HLINK f", // it has two names by the time that the event is read
		"MTIME f", "CLOSE f", "SATTR f", "HLINK old/deep/g", "CREAT l", "CREAT p", "RENME old/l from l none",
		"UNLNK p", "UNLNK old/l", "SATTR old")
	if a := got[0].Attr; a.Mode != 0o100640 || a.Size != 1 || a.Links != 2 || got[0].Index != 1 || got[0].Has != changelog.HasAttr {
		t.Errorf("first record: got %+v, want what the file is like, and nobody", got[0])
	}
	if got[5].Flags&changelog.FlagGone == 0 {
		t.Errorf("name that is gone when its event is read: got flags %#x, want GONE", got[5].Flags)
	}
}

func TestNewDirectoriesAreListed(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	must(t, os.MkdirAll(dir+"/a/b/c", 0o755), os.Symlink("t", dir+"/a/b/l"), os.Mkdir(dir+"/end", 0o755))
	wantRecords(t, until(t, w, "end"), "MKDIR a", "MKDIR a/b synth", "MKDIR a/b/c synth", "SLINK a/b/l synth")
	must(t, os.Mkdir(dir+"/a/b/c/d", 0o755), os.RemoveAll(dir+"/a"), os.Mkdir(dir+"/end2", 0o755))
	wantRecords(t, until(t, w, "end2"), "MKDIR a/b/c/d", "RMDIR a/b/c/d", "RMDIR a/b/c", "UNLNK a/b/l", "RMDIR a/b", "RMDIR a")
}

func TestMovesOverTheEdge(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(dir+"/in/deep", 0o755), os.MkdirAll(outside+"/come/deep", 0o755))
	w := open(t, dir)
	must(t, os.Rename(outside+"/come", dir+"/come"), os.Rename(dir+"/in", outside+"/in"), os.Mkdir(dir+"/in", 0o700), os.Mkdir(dir+"/end", 0o755))
	got := until(t, w, "end")
	wantRecords(t, got, "RENME come from  in", "MKDIR come/deep synth", "RENME  from in out", "MKDIR in")
	must(t, os.Mkdir(outside+"/in/more", 0o755), os.Rename(dir+"/come/deep", outside+"/deep"), os.Mkdir(dir+"/end2", 0o755))
	var late []changelog.Record
	err := w.Run(t.Context(), func(r *changelog.Record) error {
		late = append(late, *r)
		if len(late) == 2 {
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) {
		t.Fatal(err)
	}
	wantRecords(t, late, "MKDIR end2", "RENME  from come/deep out") // it might still have come in elsewhere
}

// replay is what is there by the records, beginning with what was.
type replay map[string]bool // whether it is a directory

func (p replay) take(t *testing.T, records []changelog.Record) {
	t.Helper()
	for i := range records {
		r := &records[i]
		path := string(r.Path)
		switch r.Type {
		case changelog.Create, changelog.Mkdir, changelog.Softlink, changelog.Hardlink, changelog.Mknod:
			p[path] = r.Type == changelog.Mkdir
		case changelog.Unlink, changelog.Rmdir:
			p.drop(path)
		case changelog.Rename:
			p.move(string(r.SourcePath), path, r)
		}
	}
}

func (p replay) drop(path string) {
	for name := range p {
		if name == path || strings.HasPrefix(name, path+"/") {
			delete(p, name)
		}
	}
}

func (p replay) move(from, to string, r *changelog.Record) {
	switch r.Edge {
	case changelog.EdgeOut:
		p.drop(from)
		return
	case changelog.EdgeIn:
		p[to] = r.Has&changelog.HasAttr != 0 && r.Attr.Mode&syscall.S_IFMT == syscall.S_IFDIR
		return
	}
	moved := replay{}
	for name, isDir := range p {
		if name == from || strings.HasPrefix(name, from+"/") {
			moved[to+name[len(from):]] = isDir
		}
	}
	p.drop(from)
	p.drop(to)
	maps.Copy(p, moved)
}

func onDisk(t *testing.T, dir string) replay {
	t.Helper()
	there := replay{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			there[rel] = d.IsDir()
		}
		return err
	}))
	return there
}

func (p replay) compare(t *testing.T, dir string) {
	t.Helper()
	want := onDisk(t, dir)
	for path, isDir := range want {
		if got, ok := p[path]; !ok || got != isDir {
			t.Errorf("%q: it is on the disk (directory: %v) and not in the records", path, isDir)
		}
	}
	for path := range p {
		if _, ok := want[path]; !ok {
			t.Errorf("%q: it is in the records and not on the disk", path)
		}
	}
}

// storm changes a directory at random, and another one outside.
func storm(r *rand.Rand, dir, outside string, n int) {
	pick := func() string {
		path := dir
		if r.IntN(10) == 0 {
			path = outside
		}
		for range 1 + r.IntN(3) {
			path += fmt.Sprintf("/%d", r.IntN(6))
		}
		return path
	}
	for range n {
		// Most fail, as what they need is not there.
		switch r.IntN(7) {
		case 0, 1:
			_ = os.MkdirAll(pick(), 0o755)
		case 2:
			_ = os.WriteFile(pick(), nil, 0o600)
		case 3, 4:
			_ = os.Rename(pick(), pick())
		case 5:
			_ = os.Remove(pick())
		case 6:
			_ = os.Link(pick(), pick())
		}
	}
}

func TestStorm(t *testing.T) {
	for seed := range uint64(6) {
		dir, outside := t.TempDir(), t.TempDir()
		w := open(t, dir)
		ended := make(chan struct{})
		go func() { // ends by itself
			defer close(ended)
			storm(rand.New(rand.NewPCG(seed, 0)), dir, outside, 3000)
			_ = os.Mkdir(dir+"/end", 0o755)
		}()
		got := replay{"end": true}
		got.take(t, until(t, w, "end"))
		<-ended
		// What is in doubt is found out when all is quiet.
		for w.doubt || len(w.moving) > 0 {
			ctx, cancel := context.WithTimeout(t.Context(), quietAfter)
			must(t, w.Run(ctx, func(r *changelog.Record) error {
				got.take(t, []changelog.Record{*r})
				return nil
			}))
			cancel()
		}
		got.compare(t, dir)
	}
}

// TestOverflow has the kernel's queue lose events, and what they told found.
func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/gone/deep", 0o755), os.Mkdir(dir+"/stays", 0o755))
	w := open(t, dir)
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	var n int
	_, err = fmt.Sscan(string(limit), &n)
	must(t, err)
	for i := range n + 10 {
		must(t, os.Symlink("x", fmt.Sprintf("%s/l%d", dir, i)))
	}
	must(t, os.RemoveAll(dir+"/gone"), os.Mkdir(dir+"/stays/new", 0o755))
	got := replay{"gone": true, "gone/deep": true, "stays": true}
	gaps := 0
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	err = w.Run(ctx, func(r *changelog.Record) error {
		got.take(t, []changelog.Record{*r})
		if r.Mark != nil && r.Mark.Kind == changelog.MarkGap && r.Mark.Reason == changelog.GapOverflow {
			gaps++
		}
		if string(r.Path) == "stays/new" { // the last that the comparison finds
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) || gaps != 1 {
		t.Fatalf("got %v and %d gaps, want one", err, gaps)
	}
	got.compare(t, dir)
	must(t, os.Mkdir(dir+"/stays/new/deep", 0o755), os.Mkdir(dir+"/end", 0o755))
}

func TestOpensWhenAsked(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", []byte("x"), 0o600))
	w, err := Open(Options{Dir: dir, Mask: changelog.AllMask, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer w.Close()
	_, err = os.ReadFile(dir + "/f")
	must(t, err, os.Mkdir(dir+"/end", 0o755))
	wantRecords(t, until(t, w, "end"), "OPEN f", "ATIME f")
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", nil, 0o600), os.Symlink("/", dir+"/link"))
	for _, path := range []string{dir + "/none", dir + "/file"} {
		if w, err := Open(Options{Dir: path, Log: slog.New(slog.DiscardHandler)}); err == nil {
			w.Close()
			t.Errorf("%s: got no error", path)
		}
	}
	w := open(t, dir)
	if len(w.nodes) != 1 {
		t.Errorf("%d directories are followed, want the top alone: links lead out", len(w.nodes))
	}
	must(t, os.RemoveAll(dir))
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	if err := w.Run(ctx, func(*changelog.Record) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the directory's end: got %v, want %v", err, os.ErrNotExist)
	}
}

// TestOnOverlay follows a file system of which an agent hears nothing.
func TestOnOverlay(t *testing.T) {
	peer.Root(t, "to mount file systems")
	// The upper layer must not be on an overlay itself.
	tmpfs := t.TempDir()
	must(t, syscall.Mount("tmpfs", tmpfs, "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, syscall.Unmount(tmpfs, syscall.MNT_DETACH)) })
	for _, d := range []string{"lower/old", "upper", "work", "merged"} {
		must(t, os.MkdirAll(filepath.Join(tmpfs, d), 0o755))
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmpfs)
	must(t, syscall.Mount("overlay", tmpfs+"/merged", "overlay", 0, options))
	t.Cleanup(func() { must(t, syscall.Unmount(tmpfs+"/merged", syscall.MNT_DETACH)) })
	w := open(t, tmpfs+"/merged")
	out, err := exec.Command("sh", "-ec", "cd "+tmpfs+"/merged; mkdir old/new; rmdir old/new; rmdir old; mkdir end").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantRecords(t, until(t, w, "end"), "MKDIR old/new", "RMDIR old/new", "RMDIR old")
}
