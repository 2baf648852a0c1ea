// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/lttng"
)

// catalogFixture is a store with its catalog and output directory.
type catalogFixture struct {
	t       *testing.T
	out     string
	store   *Store
	catalog *Catalog
	now     time.Time
	nextID  uint64
}

func newCatalogFixture(t *testing.T, by Grouping) *catalogFixture {
	t.Helper()
	f := &catalogFixture{t: t, out: filepath.Join(t.TempDir(), "traces"), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	f.store = New(Options{
		Output: f.out, GroupBy: by, AllowClear: true, Files: fdpool.New(100), Location: time.UTC,
		Now: func() time.Time { return f.now }, Log: log,
	})
	f.catalog = NewCatalog(f.store, CatalogLimits{}, log)
	return f
}

// write makes files of n bytes below the output directory.
func (f *catalogFixture) write(n int, names ...string) {
	f.t.Helper()
	for _, name := range names {
		name = filepath.Join(f.out, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o770); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(name, make([]byte, n), 0o660); err != nil {
			f.t.Fatal(err)
		}
	}
}

// trace makes the files of one user space trace in a directory.
func (f *catalogFixture) trace(n int, dirs ...string) {
	f.t.Helper()
	for _, dir := range dirs {
		at := dir + "/ust/uid/0/64-bit/"
		f.write(n, at+"metadata", at+"ch_0", at+"index/ch_0.idx")
	}
}

func (f *catalogFixture) list() *Inventory {
	f.t.Helper()
	inv, err := f.catalog.List(f.t.Context(), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return inv
}

// find returns the session of a directory.
func (f *catalogFixture) find(dir string) StoredSession {
	f.t.Helper()
	for _, s := range f.list().Sessions {
		if s.Dir == dir {
			return s
		}
	}
	f.t.Fatalf("session %s is not listed; there are %s", dir, f.describe())
	return StoredSession{}
}

func (f *catalogFixture) chunk(s StoredSession, id string) StoredChunk {
	f.t.Helper()
	c, ok := s.Chunk(id)
	if !ok {
		f.t.Fatalf("session %s has no chunk %s: %+v", s.Dir, id, s.Chunks)
	}
	return c
}

// describe writes the inventory as text: a line for each session and chunk.
func (f *catalogFixture) describe() string {
	f.t.Helper()
	var b strings.Builder
	for _, s := range f.list().Sessions {
		state := "closed"
		if s.Active() {
			state = "active"
		}
		b.WriteString(strings.Join([]string{s.Dir, s.Host, s.Name, s.Created.UTC().Format(time.RFC3339), state}, " ") + "\n")
		for _, c := range s.Chunks {
			b.WriteString("  " + c.ID + " " + c.State.String() + "\n")
		}
	}
	return b.String()
}

// tree lists the files below the output directory.
func (f *catalogFixture) tree() []string {
	f.t.Helper()
	var files []string
	err := filepath.WalkDir(f.out, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == f.out {
			return err
		}
		rel, err := filepath.Rel(f.out, p)
		if !d.IsDir() {
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return files
}

func (f *catalogFixture) has(name string) bool {
	_, err := os.Lstat(filepath.Join(f.out, name))
	return err == nil
}

// open opens a session as a producer does, with one stream in chunk 0.
func (f *catalogFixture) open(name string, change func(*lttng.CreateSession)) *Session {
	f.t.Helper()
	f.nextID++
	m := lttng.CreateSession{
		Name: name, Hostname: "vm", SessiondUUID: [16]byte{1}, SessiondSessionID: f.nextID,
		CreationTime: uint64(f.now.Unix()), LiveTimer: 1000000,
	}
	if change != nil {
		change(&m)
	}
	ss, err := f.store.CreateSession(m, lttng.MinorChunks, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		f.t.Fatal(err)
	}
	return ss
}

func (f *catalogFixture) begin(ss *Session, id lttng.ChunkID, name string) {
	f.t.Helper()
	if err := ss.CreateChunk(lttng.CreateTraceChunk{Chunk: id, CreationTime: uint64(f.now.Unix()), OverrideName: name}); err != nil {
		f.t.Fatal(err)
	}
}

// streams adds metadata and one channel with a packet's bytes.
func (f *catalogFixture) streams(ss *Session) []*Stream {
	f.t.Helper()
	var added []*Stream
	for _, channel := range []string{"metadata", "ch_0"} {
		st, _, err := ss.AddStream(lttng.AddStream{Channel: channel, Path: "ust/uid/0/64-bit"})
		if err != nil {
			f.t.Fatal(err)
		}
		added = append(added, st)
	}
	ss.Publish()
	if err := added[0].AppendMetadata(lttng.Metadata{Content: []byte("/* CTF 1.8 */")}); err != nil {
		f.t.Fatal(err)
	}
	f.packet(added[1], 0)
	return added
}

func (f *catalogFixture) packet(st *Stream, seq uint64) {
	f.t.Helper()
	if err := st.Begin(lttng.DataHeader{Stream: st.ID(), NetSeqNum: seq, DataSize: 100}); err != nil {
		f.t.Fatal(err)
	}
	st.Write(make([]byte, 100))
	st.Finish()
	if !st.indexed {
		return
	}
	if err := st.PutIndex(lttng.Index{Stream: st.ID(), NetSeqNum: seq, PacketSize: 800, ContentSize: 800, TimestampEnd: seq, PacketSeqNum: seq}); err != nil {
		f.t.Fatal(err)
	}
	st.Session().FlushIndexes()
}

// rotate goes on in the next chunk and archives the one before.
func (f *catalogFixture) rotate(ss *Session, sts []*Stream, next lttng.ChunkID) {
	f.t.Helper()
	f.begin(ss, next, "")
	var at []lttng.RotatePosition
	for _, st := range sts {
		at = append(at, lttng.RotatePosition{Stream: st.ID(), SeqNum: st.nextSeq})
	}
	if err := ss.Rotate(lttng.RotateStreams{HasChunk: true, Chunk: next, Streams: at}); err != nil {
		f.t.Fatal(err)
	}
	_, err := ss.CloseChunk(lttng.CloseTraceChunk{Chunk: next - 1, CloseTime: uint64(f.now.Unix()), HasCommand: true, Command: lttng.CloseMove})
	if err != nil {
		f.t.Fatal(err)
	}
}

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

func TestRemoveSession(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	f.trace(1, "vm/a-20261120-101639", "vm/b-20261120-101639", "other/deep/base")
	for _, dir := range []string{"vm/a-20261120-101639", "other/deep/base"} {
		if err := f.catalog.RemoveSession(t.Context(), f.find(dir)); err != nil {
			t.Fatal(err)
		}
	}
	if f.has("vm/a-20261120-101639") || f.has("other") || !f.has("vm/b-20261120-101639") {
		t.Errorf("left: %q, want b alone", f.tree())
	}
	s := f.find("vm/b-20261120-101639")
	if err := f.catalog.RemoveSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !f.has(".") || f.has("vm") {
		t.Error("want the output directory to stay, and nothing in it")
	}
	if err := f.catalog.RemoveSession(t.Context(), s); !errors.Is(err, ErrNotStored) {
		t.Errorf("second RemoveSession = %v, want ErrNotStored", err)
	}
}

func TestRemoveChunk(t *testing.T) {
	const archive = "20261120T101655+0000-20261120T101656+0000-1"
	dir := "vm/s-20261120-101639"
	f := newCatalogFixture(t, ByHost)
	f.trace(1, dir, dir+"/archives/"+archive, dir+"/snapshot-1-20261120-101647-0")
	f.write(1, dir+"/notes")
	s := f.find(dir)
	for _, id := range []string{archive, RootChunk, "snapshot-1-20261120-101647-0"} {
		if err := f.catalog.RemoveChunk(t.Context(), s, f.chunk(s, id)); err != nil {
			t.Fatal(err)
		}
		if id == archive && f.has(dir+"/archives") {
			t.Error("the empty archives stayed")
		}
		if id == RootChunk && !f.has(dir+"/snapshot-1-20261120-101647-0/ust") {
			t.Error("the session's own chunk took a snapshot with it")
		}
	}
	if f.has("vm") {
		t.Errorf("left: %q, want nothing", f.tree())
	}
	if err := f.catalog.RemoveChunk(t.Context(), s, f.chunk(s, archive)); !errors.Is(err, ErrNotStored) {
		t.Errorf("second RemoveChunk = %v, want ErrNotStored", err)
	}
}

func TestOpenSessionSurvives(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	ss := f.open("s", nil)
	dir := ss.Dir()
	f.begin(ss, 0, "")
	sts := f.streams(ss)
	s := f.find(dir)
	if !s.Active() || len(s.Open) != 1 || s.Name != "s" || s.Host != "vm" || f.chunk(s, RootChunk).State != ChunkOpen {
		t.Fatalf("open session is listed as %+v", s)
	}
	refused := func(s StoredSession) {
		t.Helper()
		before := f.tree()
		if err := f.catalog.RemoveSession(t.Context(), s); !errors.Is(err, ErrInUse) {
			t.Errorf("RemoveSession = %v, want ErrInUse", err)
		}
		for _, c := range s.Chunks {
			if c.State != ChunkOpen {
				continue
			}
			c.State = ChunkClosed // what an outdated inventory would say
			if err := f.catalog.RemoveChunk(t.Context(), s, c); !errors.Is(err, ErrInUse) {
				t.Errorf("RemoveChunk(%s) = %v, want ErrInUse", c.ID, err)
			}
		}
		if diff := cmp.Diff(before, f.tree()); diff != "" {
			t.Errorf("files changed (-before +after):\n%s", diff)
		}
	}
	refused(s)
	f.rotate(ss, sts, 1)
	f.packet(sts[1], 1)
	f.rotate(ss, sts, 2)
	f.packet(sts[1], 2)
	s = f.find(dir)
	refused(s)
	states := map[ChunkState]int{}
	for _, c := range s.Chunks {
		states[c.State]++
		if c.State == ChunkArchived {
			if err := f.catalog.RemoveChunk(t.Context(), s, c); err != nil {
				t.Errorf("RemoveChunk(%s) = %v", c.ID, err)
			}
		}
	}
	if diff := cmp.Diff(map[ChunkState]int{ChunkOpen: 1, ChunkArchived: 2}, states); diff != "" {
		t.Errorf("states of the chunks (-want +got):\n%s\n%s", diff, f.describe())
	}
	// The producer notices nothing, also when the archives are made anew.
	f.packet(sts[1], 3)
	f.rotate(ss, sts, 3)
	if s = f.find(dir); len(s.Chunks) != 2 {
		t.Errorf("after another rotation:\n%s", f.describe())
	}
	ss.Close()
	s = f.find(dir)
	if s.Active() {
		t.Error("closed session is active")
	}
	if err := f.catalog.RemoveSession(t.Context(), s); err != nil {
		t.Error(err)
	}
	if f.has("vm") {
		t.Errorf("left: %q", f.tree())
	}
}

// A viewer that reads a chunk which is removed goes on with the next one.
func TestRemovedChunkIsTakenFromViewers(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	ss := f.open("s", nil)
	f.begin(ss, 0, "")
	sts := f.streams(ss)
	f.packet(sts[1], 1)
	cursor := sts[1].Cursor(SeekBeginning)
	defer cursor.Close()
	next := func() uint64 {
		t.Helper()
		step, err := cursor.Peek()
		if err != nil || step.State != StatePacket {
			t.Fatalf("Peek = %+v, %v, want a packet", step, err)
		}
		cursor.Take()
		return step.Entry.PacketSeqNum
	}
	if got := next(); got != 0 {
		t.Fatalf("first packet is %d, want 0", got)
	}
	f.rotate(ss, sts, 1)
	f.packet(sts[1], 2)
	s := f.find(ss.Dir())
	for _, c := range s.Chunks {
		if c.State == ChunkArchived {
			if err := f.catalog.RemoveChunk(t.Context(), s, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := next(); got != 2 {
		t.Errorf("packet after the removal is %d, want 2", got)
	}
	if got := f.store.Counters().SkippedByViewers.Load(); got != 1 {
		t.Errorf("skipped packets = %d, want 1", got)
	}
	ss.Close()
	if n := len(ss.Streams()); n != 2 {
		t.Fatalf("closed session keeps %d streams for viewers, want 2", n)
	}
	if err := f.catalog.RemoveSession(t.Context(), f.find(ss.Dir())); err != nil {
		t.Fatal(err)
	}
	if n := len(ss.Streams()); n != 0 {
		t.Errorf("removed session keeps %d streams for viewers, want none", n)
	}
	if step, err := cursor.Peek(); err != nil || step.State != StateEnd {
		t.Errorf("Peek after the session's removal = %+v, %v, want its end", step, err)
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

// Base paths may put a session below another one's directory.
func TestNestedSessions(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	outer := f.open("outer", func(m *lttng.CreateSession) { m.BasePath = "base" })
	f.begin(outer, 0, "")
	f.streams(outer)
	inner := f.open("inner", func(m *lttng.CreateSession) { m.BasePath = "base/inner" })
	f.begin(inner, 0, "")
	f.streams(inner)
	outer.Close()
	want := "vm/base vm base " // closed: named by its directory
	if got := f.describe(); !strings.HasPrefix(got, want) || !strings.Contains(got, "vm/base/inner vm inner ") {
		t.Errorf("inventory:\n%s", got)
	}
	around, within := f.find("vm/base"), f.find("vm/base/inner")
	if around.Files != within.Files || around.Bytes != within.Bytes || within.Files == 0 {
		t.Errorf("outer has %d bytes in %d files, inner %d in %d, want the same", around.Bytes, around.Files, within.Bytes, within.Files)
	}
	if err := f.catalog.RemoveSession(t.Context(), around); !errors.Is(err, ErrInUse) {
		t.Errorf("removal around an open session = %v, want ErrInUse", err)
	}
	if !f.store.InUse("vm/base") || !f.store.InUse("vm/base/inner/ust") || f.store.InUse("vm/bas") {
		t.Error("InUse does not see what lies above and below")
	}
	inner.Close()
	if f.store.InUse("vm") {
		t.Error("InUse after the end of all sessions")
	}
}

func TestLegacySessionSurvives(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	ss, err := f.store.CreateSession(lttng.CreateSession{Name: "s", Hostname: "vm"}, lttng.MinorIndexes, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.describe(); !strings.HasPrefix(got, " vm s 2026-11-20T12:00:00Z active\n") {
		t.Errorf("session without a directory is listed as %q", got)
	}
	st, _, err := ss.AddStream(lttng.AddStream{Channel: "metadata", Path: "/vm/s-20261120-120000//ust/uid/0/64-bit"})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.AppendMetadata(lttng.Metadata{Content: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	s := f.find("vm/s-20261120-120000")
	if got := f.chunk(s, RootChunk).State; got != ChunkOpen {
		t.Errorf("chunk is %v, want open", got)
	}
	if err := f.catalog.RemoveSession(t.Context(), s); !errors.Is(err, ErrInUse) {
		t.Errorf("RemoveSession = %v, want ErrInUse", err)
	}
	id := s.ID
	ss.Close()
	s = f.find("vm/s-20261120-120000")
	if s.ID != id || s.Active() {
		t.Errorf("closed session has id %s, active %v, want %s, false", s.ID, s.Active(), id)
	}
	if err := f.catalog.RemoveSession(t.Context(), s); err != nil {
		t.Error(err)
	}
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

// Sessions come and go in the directories that are being removed; none may
// lose a file.
func TestRemovalRacesWithSessions(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	stop := make(chan struct{})
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { // ends with stop; the test waits for ended
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			inv, err := f.catalog.List(ctx, 0)
			if err != nil {
				ended <- err
				return
			}
			for _, s := range inv.Sessions {
				err := f.catalog.RemoveSession(ctx, s)
				if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotStored) {
					ended <- err
					return
				}
			}
		}
	}()
	for i := range 150 {
		record := fmt.Sprintf("snapshot-1-20270126-080000-%d", i)
		ss := f.open("s", func(m *lttng.CreateSession) { m.SessiondSessionID = 5; m.Snapshot = true; m.LiveTimer = 0 })
		f.begin(ss, lttng.ChunkID(i), record)
		for _, channel := range []string{"metadata", "ch_0"} {
			if _, _, err := ss.AddStream(lttng.AddStream{Channel: channel, Path: "ust/uid/0/64-bit"}); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"metadata", "ch_0"} {
			if !f.has(filepath.Join(ss.Dir(), record, "ust/uid/0/64-bit", name)) {
				t.Errorf("%s of an open session is missing: %q", name, f.tree())
			}
		}
		ss.Close()
		if t.Failed() {
			break
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if i := slices.IndexFunc(f.tree(), func(name string) bool { return strings.Contains(name, trashPrefix) }); i >= 0 {
		t.Errorf("a removal was left unfinished: %s", f.tree()[i])
	}
}
