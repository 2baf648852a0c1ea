// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

func TestCatalogFindsSessions(t *testing.T) {
	tests := []struct {
		name string
		by   Grouping
		dirs []string // of traces
		also []string // other files
		want string
	}{
		{
			name: "by host", dirs: []string{"vm/s-20261120-101639"},
			want: "vm/s-20261120-101639 vm s 2026-11-20T10:16:39Z closed\n  .session closed\n",
		},
		{
			name: "number behind the time", dirs: []string{"vm/s-20261120-101639-2"},
			want: "vm/s-20261120-101639-2 vm s 2026-11-20T10:16:39Z closed\n  .session closed\n",
		},
		{
			name: "automatic name", dirs: []string{"vm/auto-20261120-101639"},
			want: "vm/auto-20261120-101639 vm auto-20261120-101639 2026-11-20T10:16:39Z closed\n  .session closed\n",
		},
		{
			name: "by session", by: BySession, dirs: []string{"s/vm-20261120-101639", "s/vm-2-20261120-101640/base"},
			want: "s/vm-2-20261120-101640/base vm-2 s 2026-11-20T10:16:40Z closed\n  .session closed\n" +
				"s/vm-20261120-101639 vm s 2026-11-20T10:16:39Z closed\n  .session closed\n",
		},
		{
			name: "base path, rotated", dirs: []string{
				"vm/my/sub_dir/archives/20261120T101655+0000-20261120T101656+0000-1",
				"vm/my/sub_dir/archives/20261120T101655+0100-20261120T101655+0100-0",
				"vm/my/sub_dir/20261120T101656+0000-2",
			},
			want: "vm/my/sub_dir vm my/sub_dir 2026-11-20T09:16:55Z closed\n" +
				"  20261120T101655+0100-20261120T101655+0100-0 archived\n" +
				"  20261120T101655+0000-20261120T101656+0000-1 archived\n" +
				"  20261120T101656+0000-2 closed\n",
		},
		{
			name: "snapshots", dirs: []string{"vm/s-20261120-101646/snapshot-1-20261120-101647-0", "vm/s-20261120-101646/named-20261120-101648-1"},
			want: "vm/s-20261120-101646 vm s 2026-11-20T10:16:46Z closed\n" +
				"  snapshot-1-20261120-101647-0 snapshot\n  named-20261120-101648-1 snapshot\n",
		},
		{
			name: "leftovers of a rotation", dirs: []string{"vm/s-20261120-101646/.tmp_old_chunk-3"},
			want: "vm/s-20261120-101646 vm s 2026-11-20T10:16:46Z closed\n  .tmp_old_chunk-3 closed\n",
		},
		{
			name: "kernel", also: []string{"vm/s-20261120-101646/kernel/metadata"},
			want: "vm/s-20261120-101646 vm s 2026-11-20T10:16:46Z closed\n  .session closed\n",
		},
		{name: "no traces", also: []string{
			"src/linux/kernel/sched/core.c", "src/linux/archives/old.tar", "vm/ust/x/metadata", "ust/metadata", "kernel/metadata",
			"a/b/archives/20261120T101655+0000-20261120T101656+0000/x", "a/b/snapshot-1-20261120-101647-0/readme",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newCatalogFixture(t, tt.by)
			f.trace(10, tt.dirs...)
			f.write(1, tt.also...)
			if diff := cmp.Diff(tt.want, f.describe()); diff != "" {
				t.Errorf("inventory (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCatalogMeasures(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	f.trace(10, "vm/s-20261120-101639", "vm/s-20261120-101639/archives/20261120T101655+0000-20261120T101656+0000-1")
	inv := f.list()
	if inv.Bytes != 60 || inv.Truncated || len(inv.Sessions) != 1 {
		t.Fatalf("inventory has %d bytes in %d sessions, truncated %v, want 60 in 1, false", inv.Bytes, len(inv.Sessions), inv.Truncated)
	}
	s := inv.Sessions[0]
	if s.Bytes != 60 || s.Files != 6 || s.Modified.IsZero() {
		t.Errorf("session has %d bytes in %d files, changed %v, want 60 in 6", s.Bytes, s.Files, s.Modified)
	}
	c := f.chunk(s, "20261120T101655+0000-20261120T101656+0000-1")
	if c.Bytes != 30 || c.Number != 1 || c.Closed.Unix()-c.Created.Unix() != 1 || !c.Ended().Equal(c.Closed) {
		t.Errorf("chunk = %+v, want number 1 of 30 bytes and one second", c)
	}
	if got, ok := inv.Session(s.ID); !ok || got.Dir != s.Dir {
		t.Errorf("Session(%q) = %v, %v", s.ID, got.Dir, ok)
	}
	if _, ok := inv.Session("0"); ok {
		t.Error("Session(0) was found")
	}
}

func TestCatalogOfMissingOutput(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	if inv := f.list(); len(inv.Sessions) != 0 {
		t.Errorf("inventory of no directory = %+v", inv.Sessions)
	}
	space, err := f.catalog.Space()
	if err != nil || space.Free <= 0 || space.Total < space.Free {
		t.Errorf("Space() = %+v, %v, want the parent's file system", space, err)
	}
}

func TestCatalogLimits(t *testing.T) {
	tests := []struct {
		name   string
		limits CatalogLimits
		want   bool // truncated
		find   int
	}{
		{"enough", CatalogLimits{}, false, 2},
		{"entries", CatalogLimits{Entries: 3}, true, 0},
		{"directory", CatalogLimits{DirEntries: 600}, true, 0},
		{"depth", CatalogLimits{Depth: 1}, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newCatalogFixture(t, ByHost)
			f.trace(1, "vm/a-20261120-101639", "vm/b-20261120-101639")
			for i := range 700 {
				f.write(1, filepath.Join("zz", "x"+time.Unix(int64(i), 0).UTC().Format("150405")))
			}
			f.catalog = NewCatalog(f.store, tt.limits, f.store.log)
			inv := f.list()
			if inv.Truncated != tt.want || !tt.want && len(inv.Sessions) != tt.find {
				t.Errorf("limits %+v: truncated %v with %d sessions, want %v with %d", tt.limits, inv.Truncated, len(inv.Sessions), tt.want, tt.find)
			}
		})
	}
}

func TestCatalogNeverFollowsLinks(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	outside := t.TempDir()
	precious := filepath.Join(outside, "s-20261120-101639", "ust", "metadata")
	if err := os.MkdirAll(filepath.Dir(precious), 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, []byte("x"), 0o660); err != nil {
		t.Fatal(err)
	}
	f.trace(10, "vm/real-20261120-101639")
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(f.out, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(outside, "host")                                           // out of the tree
	link("vm", "alias")                                             // within it
	link("real-20261120-101639", "vm/alias-20261120-101639")        // a session
	link(outside, "vm/real-20261120-101639/ust/uid/1")              // in a chunk
	link(precious, "vm/real-20261120-101639/ust/uid/0/64-bit/ch_1") // a file
	inv := f.list()
	if len(inv.Sessions) != 1 || inv.Bytes != 30 {
		t.Fatalf("found %s and %d bytes, want one session of 30 bytes", f.describe(), inv.Bytes)
	}
	s := inv.Sessions[0]
	r, err := f.catalog.OpenChunk(t.Context(), s, s.Chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for file, err := range r.Files(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file.Path, "ch_1") || strings.Contains(file.Path, "uid/1") {
			t.Errorf("Files names %s, which a link leads to", file.Path)
		}
	}
	if _, err := r.Open(ChunkFile{Path: "ust/uid/0/64-bit/ch_1"}); err == nil {
		t.Error("Open of a link succeeded")
	}
	for _, dir := range []string{"alias/real-20261120-101639", "vm/alias-20261120-101639", "host/s-20261120-101639"} {
		if err := f.catalog.RemoveSession(t.Context(), StoredSession{Dir: dir}); !errors.Is(err, ErrNotStored) {
			t.Errorf("RemoveSession(%s) = %v, want ErrNotStored", dir, err)
		}
	}
	if err := f.catalog.RemoveSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("a file outside was removed: %v", err)
	}
	if f.has("vm/real-20261120-101639") {
		t.Error("the session was not removed")
	}
}

func TestSnapshotsOfOpenGroup(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	snapshot := func(m *lttng.CreateSession) { m.Snapshot, m.LiveTimer, m.SessiondSessionID = true, 0, 77 }
	first := f.open("s", snapshot)
	f.begin(first, 0, "snapshot-1-20261120-120000-0")
	f.streams(first)
	first.Close()
	second := f.open("s", snapshot)
	f.begin(second, 1, "snapshot-2-20261120-120100-1")
	f.streams(second)
	s := f.find(second.Dir())
	want := s.Dir + " vm s 2026-11-20T12:00:00Z active\n  snapshot-1-20261120-120000-0 snapshot\n  snapshot-2-20261120-120100-1 open\n"
	if got := f.describe(); got != want {
		t.Fatalf("inventory:\n%s\nwant:\n%s", got, want)
	}
	if err := f.catalog.RemoveChunk(t.Context(), s, f.chunk(s, "snapshot-1-20261120-120000-0")); err != nil {
		t.Error(err)
	}
	if err := f.catalog.RemoveChunk(t.Context(), s, f.chunk(s, "snapshot-2-20261120-120100-1")); !errors.Is(err, ErrInUse) {
		t.Errorf("removal of the open snapshot = %v, want ErrInUse", err)
	}
	second.Close()
}

func TestChunkReader(t *testing.T) {
	dir := "vm/s-20261120-101639"
	f := newCatalogFixture(t, ByHost)
	f.trace(3, dir, dir+"/snapshot-1-20261120-101647-0")
	s := f.find(dir)
	r, err := f.catalog.OpenChunk(t.Context(), s, f.chunk(s, RootChunk))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var names []string
	for file, err := range r.Files(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, file.Path)
		in, err := r.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil || int64(len(b)) != file.Size || file.Size != 3 {
			t.Errorf("%s: read %d bytes, %v, want %d", file.Path, len(b), err, file.Size)
		}
		in.Close()
	}
	want := []string{"ust/uid/0/64-bit/ch_0", "ust/uid/0/64-bit/index/ch_0.idx", "ust/uid/0/64-bit/metadata"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range r.Files(ended) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Files of an ended context = %v, want its error", err)
		}
	}
	open := s.Chunks[0]
	open.State = ChunkOpen
	if _, err := f.catalog.OpenChunk(t.Context(), s, open); !errors.Is(err, ErrInUse) {
		t.Errorf("OpenChunk of an open chunk = %v, want ErrInUse", err)
	}
}

func TestListIsShared(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	f.trace(1, "vm/a-20261120-101639")
	first := f.list()
	if again, err := f.catalog.List(t.Context(), time.Minute); err != nil || again != first {
		t.Errorf("List within its age walked again (%v)", err)
	}
	if err := f.catalog.RemoveSession(t.Context(), first.Sessions[0]); err != nil {
		t.Fatal(err)
	}
	if after, err := f.catalog.List(t.Context(), time.Minute); err != nil || len(after.Sessions) != 0 {
		t.Errorf("List after a removal = %d sessions, %v, want none", len(after.Sessions), err)
	}
	f.trace(1, "vm/b-20261120-101639")
	f.now = f.now.Add(time.Minute)
	if after, err := f.catalog.List(t.Context(), time.Minute); err != nil || len(after.Sessions) != 1 {
		t.Errorf("List after its age = %d sessions, %v, want one", len(after.Sessions), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.catalog.List(ended, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("List of an ended context = %v", err)
	}
}
