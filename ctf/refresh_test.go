// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// growing is a trace that a test records step by step.
type growing struct {
	t      *testing.T
	dir    string
	trace  *ctf.TraceWriter
	stream *ctf.StreamBuilder
	tick   *schema.Event
	now    uint64
}

func newGrowing(t *testing.T, dir string, uuid byte) *growing {
	t.Helper()
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{uuid}})
	g := &growing{t: t, dir: dir, now: 1000}
	var err error
	if g.stream, err = b.Stream(ctf.LargeHeader); err != nil {
		t.Fatal(err)
	}
	g.tick = g.event("tick")
	if g.trace, err = ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{Packetized: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.trace.Close() })
	return g
}

func (g *growing) event(name string) *schema.Event {
	g.t.Helper()
	e, err := g.stream.Event(name, schema.NoLogLevel, ctf.Uint("n", 64))
	if err != nil {
		g.t.Fatal(err)
	}
	return e
}

func (g *growing) file(cpu int) *ctf.StreamWriter {
	g.t.Helper()
	w, err := g.trace.Stream(g.stream.Class(), "c", cpu)
	if err != nil {
		g.t.Fatal(err)
	}
	return w
}

// packet writes a packet of one event.
func (g *growing) packet(w *ctf.StreamWriter, e *schema.Event) {
	g.t.Helper()
	g.now += 10
	ew := w.Event(e, g.now)
	ew.Uint(g.now)
	if err := errors.Join(ew.End(), w.ClosePacket(g.now)); err != nil {
		g.t.Fatal(err)
	}
}

// follower reads a growing set as --follow does.
type follower struct {
	t       *testing.T
	set     *ctf.Set
	cursors map[*ctf.Stream]*ctf.Cursor
	merger  *ctf.Merger[*ctf.Cursor]
}

func follow(t *testing.T, paths ...string) *follower {
	t.Helper()
	set, err := ctf.Open(ctf.Options{Growing: true, Window: 64}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, set: set, cursors: map[*ctf.Stream]*ctf.Cursor{}, merger: ctf.NewMerger[*ctf.Cursor](nil)}
	t.Cleanup(func() {
		for _, c := range f.cursors {
			c.Close()
		}
	})
	return f
}

// read returns the names and times of the events that are there.
func (f *follower) read() string {
	f.t.Helper()
	f.merger.Joining = func() (fresh []*ctf.Cursor) {
		for _, s := range f.set.Streams() {
			if f.cursors[s] == nil {
				f.cursors[s] = ctf.NewCursor(s, f.set.Window(1))
				fresh = append(fresh, f.cursors[s])
			}
		}
		return fresh
	}
	f.merger.Again()
	var events []string
	for {
		c, kind, err := f.merger.Next()
		switch {
		case errors.Is(err, io.EOF):
			return strings.Join(events, " ")
		case errors.Is(err, ctf.ErrStale):
			return strings.Join(append(events, "stale"), " ")
		case err != nil:
			f.t.Fatal(err)
		case kind == ctf.EventRecord:
			events = append(events, fmt.Sprint(c.Class().Name, c.Event().Time))
		}
	}
}

func (f *follower) refresh(want bool) {
	f.t.Helper()
	grew, err := f.set.Refresh()
	if err != nil {
		f.t.Fatal(err)
	}
	if grew != want {
		f.t.Errorf("Refresh = %v, want %v", grew, want)
	}
}

func (f *follower) want(events string) {
	f.t.Helper()
	if got := f.read(); got != events {
		f.t.Errorf("read %q, want %q", got, events)
	}
}

func TestRefreshReadsOnInAFile(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 1)
	w := g.file(0)
	g.packet(w, g.tick)
	f := follow(t, g.dir)
	f.want("tick1010")
	f.refresh(false)
	f.want("")
	g.packet(w, g.tick)
	g.packet(w, g.tick)
	f.want("") // not before a refresh
	f.refresh(true)
	f.want("tick1020 tick1030")
	f.refresh(false)
	f.want("")
}

func TestRefreshFindsStreamsAndDeclarations(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 1)
	f := follow(t, g.dir)
	f.want("")
	w := g.file(0)
	f.refresh(false) // an empty file is none
	g.packet(w, g.tick)
	tock := g.event("tock")
	if _, err := g.trace.UpdateMetadata(); err != nil {
		t.Fatal(err)
	}
	v := g.file(1)
	g.packet(v, tock)
	g.packet(w, tock)
	f.refresh(true)
	f.want("tick1010 tock1020 tock1030")
	if n := len(f.set.Streams()); n != 2 {
		t.Errorf("%d streams, want 2", n)
	}
}

// An event may be there before its declaration is: it waits.
func TestRefreshWaitsForTheDeclaration(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 1)
	w := g.file(0)
	f := follow(t, g.dir)
	g.packet(w, g.tick)
	tock := g.event("tock")
	g.packet(w, tock)
	g.packet(w, g.tick)
	f.refresh(true)
	f.want("tick1010 stale")
	f.refresh(false)
	f.want("stale")
	if _, err := g.trace.UpdateMetadata(); err != nil {
		t.Fatal(err)
	}
	f.refresh(true)
	f.want("tock1020 tick1030")
}

// Whatever part of the files is there, nothing but whole packets and
// declarations is taken.
func TestRefreshByteByByte(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 1)
	w := g.file(0)
	g.packet(w, g.tick)
	tock := g.event("tock")
	if _, err := g.trace.UpdateMetadata(); err != nil {
		t.Fatal(err)
	}
	g.packet(w, tock)
	for _, name := range []string{"metadata", "c_0"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			other := "c_0"
			if name == other {
				other = "metadata"
			}
			whole := readFile(t, filepath.Join(g.dir, name))
			appendFile(t, filepath.Join(dir, other), readFile(t, filepath.Join(g.dir, other)))
			appendFile(t, filepath.Join(dir, name), nil)
			f := follow(t, dir)
			var got []string
			for i := range whole {
				appendFile(t, filepath.Join(dir, name), whole[i:i+1])
				if i%61 != 0 && i+1 < len(whole) {
					continue
				}
				if _, err := f.set.Refresh(); err != nil {
					t.Fatalf("with %d bytes: %v", i+1, err)
				}
				if events := f.read(); events != "" && events != "stale" {
					got = append(got, fmt.Sprint(strings.TrimSuffix(events, " stale")))
				}
			}
			if want := []string{"tick1010", "tock1020"}; !slices.Equal(got, want) {
				t.Errorf("read %q, want %q", got, want)
			}
		})
	}
}

// A rotation moves the directory with its files, and begins a new one of the
// same trace whose metadata say everything anew.
func TestRefreshFollowsARotation(t *testing.T) {
	root := t.TempDir()
	g := newGrowing(t, filepath.Join(root, "ust"), 7)
	w := g.file(0)
	g.packet(w, g.tick)
	f := follow(t, root)
	f.want("tick1010")
	g.packet(w, g.tick)

	archive := filepath.Join(root, "archives", "1")
	if err := os.MkdirAll(archive, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.dir, filepath.Join(archive, "ust")); err != nil {
		t.Fatal(err)
	}
	next := newGrowing(t, g.dir, 7)
	next.now = g.now
	tock := next.event("tock")
	if _, err := next.trace.UpdateMetadata(); err != nil {
		t.Fatal(err)
	}
	next.packet(next.file(0), tock)
	stream := f.set.Streams()[0]
	f.refresh(true)
	f.want("tick1020 tock1030")
	if s := f.set.Streams(); len(s) != 1 || s[0] != stream || len(s[0].Packets) != 3 {
		t.Errorf("streams after the rotation: %v, want the one as before with 3 packets", s)
	}
	if want := []string{filepath.Join(archive, "ust"), g.dir}; len(f.set.Traces) != 1 || !equalAnyOrder(f.set.Traces[0].Dirs, want) {
		t.Errorf("traces after the rotation: %v, want one in %v", f.set.Traces, want)
	}
}

// A packet that has not been read when its file is moved is read in the new
// place, at once after a refresh.
func TestRefreshFindsAFileThatWasMoved(t *testing.T) {
	root := t.TempDir()
	g := newGrowing(t, filepath.Join(root, "a"), 7)
	g.packet(g.file(0), g.tick)
	f := follow(t, root)
	if err := os.Rename(g.dir, filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	f.want("stale")
	f.refresh(false)
	f.want("tick1010")
}

// Packets that two directories of a trace both have are read once.
func TestRefreshLeavesOutCopies(t *testing.T) {
	root := t.TempDir()
	g := newGrowing(t, filepath.Join(root, "a"), 7)
	w := g.file(0)
	g.packet(w, g.tick)
	f := follow(t, root)
	f.want("tick1010")
	g.packet(w, g.tick)
	if err := os.CopyFS(filepath.Join(root, "b"), os.DirFS(g.dir)); err != nil {
		t.Fatal(err)
	}
	f.refresh(true)
	f.want("tick1020")
}

// A tracer with a limit on files begins the oldest anew: what was in it is
// left out when it has not been read.
func TestRefreshLeavesOutWhatIsGone(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 7)
	w := g.file(0)
	g.packet(w, g.tick)
	first := readFile(t, filepath.Join(g.dir, "c_0"))
	g.packet(w, g.tick)
	second := readFile(t, filepath.Join(g.dir, "c_0"))[len(first):]
	g.packet(w, g.tick)
	third := readFile(t, filepath.Join(g.dir, "c_0"))[len(first)+len(second):]

	dir := t.TempDir()
	appendFile(t, filepath.Join(dir, "metadata"), readFile(t, filepath.Join(g.dir, "metadata")))
	appendFile(t, filepath.Join(dir, "c_0_0"), first)
	appendFile(t, filepath.Join(dir, "c_0_1"), second)
	f := follow(t, dir)
	appendFile(t, filepath.Join(dir, "new"), third)
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "c_0_0")); err != nil {
		t.Fatal(err)
	}
	f.refresh(true)
	f.want("tick1020 tick1030")
}

func TestRefreshFindsAnotherTrace(t *testing.T) {
	root := t.TempDir()
	g := newGrowing(t, filepath.Join(root, "a"), 7)
	g.packet(g.file(0), g.tick)
	f := follow(t, root)
	f.want("tick1010")
	h := newGrowing(t, filepath.Join(root, "b"), 8)
	h.packet(h.file(0), h.tick)
	f.refresh(true)
	f.want("tick1010")
	if n := len(f.set.Traces); n != 2 {
		t.Errorf("%d traces, want 2", n)
	}
}

// A trace whose directory is deleted has ended; another one that cannot be
// merged with it is refused.
func TestRefreshAfterATraceIsGone(t *testing.T) {
	root := t.TempDir()
	g := newGrowing(t, filepath.Join(root, "b"), 7)
	g.packet(g.file(0), g.tick)
	f := follow(t, root)
	f.want("tick1010")
	if err := os.RemoveAll(g.dir); err != nil {
		t.Fatal(err)
	}
	f.refresh(false)
	f.want("")
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{8}, Clock: &schema.Clock{Name: "own", Frequency: 1}})
	stream, err := b.Stream(ctf.LargeHeader)
	if err != nil {
		t.Fatal(err)
	}
	h := &growing{t: t, stream: stream, now: 1000}
	h.tick = h.event("tick")
	if h.trace, err = ctf.CreateTrace(filepath.Join(root, "a"), b.Trace(), ctf.TraceOptions{}); err != nil {
		t.Fatal(err)
	}
	h.packet(h.file(0), h.tick)
	if _, err := f.set.Refresh(); err == nil || !strings.Contains(err.Error(), "cannot be compared") {
		t.Errorf("Refresh: %v, want one about the clocks", err)
	}
	if err := h.trace.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is wrong in the middle of a file is an error for good, behind what was
// good.
func TestRefreshTellsOfABadPacket(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 7)
	w := g.file(0)
	g.packet(w, g.tick)
	f := follow(t, g.dir)
	g.packet(w, g.tick)
	path := filepath.Join(g.dir, "c_0")
	appendFile(t, path, make([]byte, 100))
	f.refresh(true)
	c := ctf.NewCursor(f.set.Streams()[0], 64)
	n := 0
	for {
		kind, err := c.Next()
		if err != nil {
			var bad *ctf.PacketError
			if !errors.As(err, &bad) || bad.Packet != 2 || bad.Offset != int64(len(readFile(t, path)))-100 || bad.Field != "magic" {
				t.Errorf("error %v, want one about the magic of packet 2", err)
			}
			break
		}
		if kind == ctf.EventRecord {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d events before the bad packet, want 2", n)
	}
	f.refresh(false)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func appendFile(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func equalAnyOrder(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// A merger with Ended hands over the sources that have ended, each once, and
// does not try them again.
func TestMergerEnded(t *testing.T) {
	g := newGrowing(t, t.TempDir(), 1)
	w := g.file(0)
	g.packet(w, g.tick)
	f := follow(t, g.dir)
	var ended []*ctf.Cursor
	f.merger.Ended = func(c *ctf.Cursor) { ended = append(ended, c) }
	f.want("tick1010")
	if len(ended) != 1 || ended[0] != f.cursors[ended[0].Stream()] {
		t.Fatalf("ended: %v, want the one cursor", ended)
	}
	g.packet(w, g.tick)
	f.refresh(true)
	f.want("")
	if len(ended) != 1 {
		t.Errorf("%d times ended, want once", len(ended))
	}
}
