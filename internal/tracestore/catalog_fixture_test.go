// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
