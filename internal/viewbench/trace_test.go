// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// readTrace returns the number of events of a trace and the time of the last.
func readTrace(t *testing.T, dir string, streams int) (events int, last int64) {
	t.Helper()
	set, err := ctf.Open(ctf.Options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(set.Streams()); got != streams {
		t.Errorf("%d streams, want %d", got, streams)
	}
	for m := set.Merger(); ; {
		c, kind, err := m.Next()
		if err == io.EOF {
			return events, last
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind == ctf.EventRecord {
			events++
			last = c.Event().Time
		}
	}
}

func TestMakeTrace(t *testing.T) {
	dir := t.TempDir()
	if err := makeTrace(dir, shape{events: 1000, streams: 3, packetBytes: 4 << 10}); err != nil {
		t.Fatal(err)
	}
	events, last := readTrace(t, dir, 3)
	if want := int64(firstTime + 999*spacing); events != 1000 || last != want {
		t.Errorf("got %d events, the last at %d; want 1000, %d", events, last, want)
	}
}

func TestMakeLongTrace(t *testing.T) {
	dir := t.TempDir()
	const size = 1 << 30
	end, err := makeLongTrace(dir, size)
	if err != nil {
		t.Fatal(err)
	}
	const full = longStreams * longFullPackets
	events, last := readTrace(t, dir, longStreams)
	if least := (size/longPacketBytes-full)*longFewEvents + full*10_000; events < least {
		t.Errorf("got %d events, want at least %d", events, least)
	}
	if gap := int64(end) - last; gap < 0 || gap > longPacketTime {
		t.Errorf("the last event is %d ns before the end", gap)
	}
	info, err := os.Stat(dir + "/ch_0")
	if err != nil {
		t.Fatal(err)
	}
	disk := info.Sys().(*syscall.Stat_t).Blocks * 512
	if info.Size() != size/longStreams || disk > size/longStreams/2 {
		t.Errorf("a stream has %d bytes, %d of them on the disk; want %d, few", info.Size(), disk, size/longStreams)
	}
}
