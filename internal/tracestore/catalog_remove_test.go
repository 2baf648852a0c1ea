// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

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
