// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// timesFrom reads the times of a stream's events from the first packet that may
// hold one at or after a time.
func timesFrom(t *testing.T, s *ctf.Stream, ns int64) (times []int64, packets int) {
	t.Helper()
	c := ctf.NewCursor(s, 64)
	defer c.Close()
	c.SeekTime(ns)
	for {
		kind, err := c.Next()
		switch {
		case errors.Is(err, io.EOF):
			return times, packets
		case err != nil:
			t.Fatal(err)
		case kind == ctf.PacketBegin:
			packets++
		case kind == ctf.EventRecord:
			at, _ := c.Time()
			times = append(times, at)
		}
	}
}

// Wherever reading begins, no event at or after that time is missed, all have
// the times that they have when all is read, and packets before are left out.
func TestSeekTime(t *testing.T) {
	for _, frequency := range []uint64{1_000_000_000, 3_000_000, 7} {
		clock := &schema.Clock{Name: "c", Frequency: frequency, OffsetSeconds: 1, Absolute: true}
		b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1}, Clock: clock})
		stream, err := b.Stream(ctf.CompactHeader)
		if err != nil {
			t.Fatal(err)
		}
		e, err := stream.Event("e", schema.NoLogLevel, ctf.Uint("n", 8))
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "trace")
		trace, err := ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w, err := trace.Stream(stream.Class(), "c", 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(60) {
			ew := w.Event(e, 100+i*i*1_000_003)
			ew.Uint(i)
			if err := ew.End(); err != nil {
				t.Fatal(err)
			}
			if i%4 == 3 {
				if err := w.ClosePacket(100 + i*i*1_000_003 + 50); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := trace.Close(); err != nil {
			t.Fatal(err)
		}
		tr, err := ctf.OpenTrace(dir, ctf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := tr.Streams[0]
		all, packets := timesFrom(t, s, 0)
		if len(all) != 60 || packets != 15 {
			t.Fatalf("%d events in %d packets, want 60 in 15", len(all), packets)
		}
		for _, at := range all {
			for _, ns := range []int64{at - 1, at, at + 1} {
				got, n := timesFrom(t, s, ns)
				skipped := len(all) - len(got)
				if !slices.Equal(got, all[skipped:]) || skipped > 0 && all[skipped-1] >= ns {
					t.Errorf("from %d: %v, want the end of %v without any before", ns, got, all)
				}
				// One packet more than needed may be read, for rounding.
				if first := slices.IndexFunc(all, func(at int64) bool { return at >= ns }); first >= 0 && n > 15-first/4+1 {
					t.Errorf("from %d: %d packets read, want at most %d", ns, n, 15-first/4+1)
				}
			}
		}
	}
}

// A window of no size is one that a set would choose, not one that never grows.
func TestCursorOfAnyWindow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	g := newGrowing(t, dir, 1)
	g.packet(g.file(0), g.tick)
	tr, err := ctf.OpenTrace(dir, ctf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, window := range []int{-1, 0, 1, 7, 64} {
		c := ctf.NewCursor(tr.Streams[0], window)
		events := 0
		for {
			kind, err := c.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("window %d: %v", window, err)
			}
			if kind == ctf.EventRecord {
				events++
			}
		}
		if events == 0 {
			t.Errorf("window %d: no events", window)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Paths to traces may be symbolic links, as may be their files.
func TestOpenByLinks(t *testing.T) {
	real := t.TempDir()
	g := newGrowing(t, filepath.Join(real, "trace"), 1)
	g.packet(g.file(0), g.tick)
	dir := t.TempDir()
	links := map[string]string{
		"root":            real,
		"trace":           g.dir,
		"linked/metadata": filepath.Join(g.dir, "metadata"),
		"linked/c_0":      filepath.Join(g.dir, "c_0"),
	}
	if err := os.Mkdir(filepath.Join(dir, "linked"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"root", "root/", "trace", "linked"} {
		set, err := ctf.Open(ctf.Options{}, dir+"/"+path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if s := set.Streams(); len(s) != 1 || len(s[0].Packets) != 1 {
			t.Errorf("%s: streams %v, want one of one packet", path, s)
		}
	}
}
