// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

func TestConnectTellsOwnMinor(t *testing.T) {
	b := newBench(t, nil)
	for i, minor := range []uint32{0, 4, 13, 15, 99} {
		c := b.dial()
		r, err := c.Connect(minor)
		want := lttng.ViewerConnectMsg{ViewerSessionID: uint64(i + 1), Major: 2, Minor: 15}
		if err != nil || r != want {
			t.Errorf("Connect(%d) = %+v, %v, want %+v", minor, r, err, want)
		}
	}
	c := b.connect(oldMinor)
	first, err := c.Connect(oldMinor)
	c.must(err)
	second, err := c.Connect(oldMinor)
	c.must(err)
	if second.ViewerSessionID != first.ViewerSessionID+1 {
		t.Errorf("second CONNECT on a connection = id %d after %d", second.ViewerSessionID, first.ViewerSessionID)
	}
}

func TestListLayouts(t *testing.T) {
	b := newBench(t, nil)
	live := newProducer(t, b.store, "live")
	live.trace(tracePath, tsdl, "ch_0", "ch_1")
	still := newProducerOf(t, b.store, lttng.CreateSession{Name: "still", Hostname: "vm"})
	ctf2 := newProducerOf(t, b.store, lttng.CreateSession{Name: "two", Hostname: "vm", LiveTimer: 5, TraceFormat: lttng.FormatCTF2})
	gone := newProducer(t, b.store, "gone")
	gone.ss.Close()
	b.attached(live.ss.ID(), lttng.SeekLast)

	old := []lttng.ViewerSession{
		{ID: live.ss.ID(), LiveTimer: liveTimer, Clients: 1, Streams: 3, Hostname: "vm", Name: "live"},
		{ID: live.ss.ID() | historyBit, LiveTimer: liveTimer, Clients: 1, Streams: 3, Hostname: "vm", Name: "live@begin"},
		{ID: still.ss.ID(), Hostname: "vm", Name: "still"},
		{ID: ctf2.ss.ID(), LiveTimer: 5, Hostname: "vm", Name: "two"},
		{ID: ctf2.ss.ID() | historyBit, LiveTimer: 5, Hostname: "vm", Name: "two@begin"},
	}
	full := append(old[:3:3],
		lttng.ViewerSession{ID: ctf2.ss.ID(), LiveTimer: 5, Hostname: "vm", Name: "two", TraceFormat: lttng.ViewerFormatCTF2},
		lttng.ViewerSession{ID: ctf2.ss.ID() | historyBit, LiveTimer: 5, Hostname: "vm", Name: "two@begin", TraceFormat: lttng.ViewerFormatCTF2})
	for minor, want := range map[uint32][]lttng.ViewerSession{4: old, 14: old, 15: full, 16: full} {
		if diff := cmp.Diff(want, b.connect(minor).list()); diff != "" {
			t.Errorf("minor %d (-want +got):\n%s", minor, diff)
		}
	}
	for _, minor := range []uint32{oldMinor, 15} {
		if r := b.connect(minor).attach(ctf2.ss.ID(), lttng.SeekLast); r.Status != lttng.AttachOK {
			t.Errorf("attach to CTF 2 as minor %d = %v, want OK", minor, r.Status)
		}
	}
}

func TestAttachStatuses(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "live")
	still := newProducerOf(t, b.store, lttng.CreateSession{Name: "still", Hostname: "vm"})
	gone := newProducer(t, b.store, "gone")
	gone.ss.Close()
	id := p.ss.ID()

	early := &client{t, b.dial()}
	_, err := early.Connect(oldMinor)
	early.must(err)
	if r := early.attach(id, lttng.SeekLast); r.Status != lttng.AttachNoSession {
		t.Errorf("attach before CREATE_SESSION = %v, want NO_SESSION", r.Status)
	}
	if s, err := early.Detach(id); err != nil || s != lttng.DetachError {
		t.Errorf("detach before CREATE_SESSION = %v, %v, want ERR", s, err)
	}

	c := b.connect(oldMinor)
	for _, tt := range []struct {
		name string
		id   lttng.SessionID
		seek lttng.Seek
		want lttng.AttachStatus
	}{
		{"unknown", 99, lttng.SeekLast, lttng.AttachUnknown},
		{"closed", gone.ss.ID(), lttng.SeekLast, lttng.AttachUnknown},
		{"history of an unknown one", 99 | historyBit, lttng.SeekLast, lttng.AttachUnknown},
		{"not live", still.ss.ID(), lttng.SeekLast, lttng.AttachNotLive},
		{"history of one not live", still.ss.ID() | historyBit, lttng.SeekLast, lttng.AttachUnknown},
		{"seek 0", id, 0, lttng.AttachSeekError},
		{"seek 3", id, 3, lttng.AttachSeekError},
		{"good", id, lttng.SeekLast, lttng.AttachOK},
		{"again", id, lttng.SeekLast, lttng.AttachAlready},
		{"again by its other name", id | historyBit, lttng.SeekLast, lttng.AttachAlready},
		{"again with a wrong seek", id, 9, lttng.AttachAlready},
	} {
		if r := c.attach(tt.id, tt.seek); r.Status != tt.want || len(r.Streams) != 0 {
			t.Errorf("%s: %v with %d streams, want %v", tt.name, r.Status, len(r.Streams), tt.want)
		}
	}
	if r := b.connect(oldMinor).attach(id, lttng.SeekLast); r.Status != lttng.AttachOK {
		t.Errorf("second viewer = %v, want OK", r.Status)
	}
	for _, tt := range []struct {
		name string
		id   lttng.SessionID
		want lttng.DetachStatus
	}{
		{"unknown", 99, lttng.DetachUnknown},
		{"not attached", still.ss.ID(), lttng.DetachError},
		{"attached by the other name", id | historyBit, lttng.DetachError},
		{"attached", id, lttng.DetachOK},
		{"twice", id, lttng.DetachError},
	} {
		if s, err := c.Detach(tt.id); err != nil || s != tt.want {
			t.Errorf("detach %s = %v, %v, want %v", tt.name, s, err, tt.want)
		}
	}
	if r := c.newStreams(id); r.Status != lttng.NewStreamsError {
		t.Errorf("new streams after detach = %v, want ERR", r.Status)
	}
	if r := c.attach(id, lttng.SeekLast); r.Status != lttng.AttachOK {
		t.Errorf("attach after detach = %v, want OK", r.Status)
	}
}

// A connection's end is a detach.
func TestViewersAreCounted(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	c, _ := b.attached(p.ss.ID(), lttng.SeekLast)
	d, _ := b.attached(p.ss.ID()|historyBit, lttng.SeekLast)
	if n := b.connect(oldMinor).list()[0].Clients; n != 2 {
		t.Errorf("clients = %d, want 2", n)
	}
	c.Close()
	if _, err := d.Detach(p.ss.ID() | historyBit); err != nil {
		t.Fatal(err)
	}
	last := b.connect(oldMinor)
	until(b.t, "the list shows no client", func() bool { return last.list()[0].Clients == 0 })
	if n := b.srv.Viewers(p.ss.ID()); n != 0 {
		t.Errorf("Viewers = %d, want 0", n)
	}
}

// What was stored before the viewer came: LAST leaves it out, BEGINNING and
// the session's second name do not.
func TestSeek(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	_, data := p.trace(tracePath, tsdl, "ch_0")
	ended, endedData := p.trace("ust/pid/a-1", tsdl, "ch_0")
	p.packet(endedData[0], 1, 2, 64)
	p.end(endedData[0], ended)
	p.packet(data[0], 10, 20, 64)
	p.packet(data[0], 30, 40, 64)
	for _, tt := range []struct {
		name    string
		id      lttng.SessionID
		seek    lttng.Seek
		streams int
		first   uint64
	}{
		{"last", p.ss.ID(), lttng.SeekLast, 2, 50},
		{"beginning", p.ss.ID(), lttng.SeekBeginning, 4, 10},
		{"history, last", p.ss.ID() | historyBit, lttng.SeekLast, 4, 10},
		{"history, beginning", p.ss.ID() | historyBit, lttng.SeekBeginning, 4, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, streams := b.attached(tt.id, tt.seek)
			if len(streams) != tt.streams {
				t.Fatalf("%d streams, want %d", len(streams), tt.streams)
			}
			if tt.seek == lttng.SeekLast && tt.id == p.ss.ID() {
				c.wantIndex("before the next packet", data[0].ID(), answer{lttng.IndexRetry, lttng.FlagNewMetadata, 0})
				p.packet(data[0], 50, 60, 64)
			} else if r := c.index(endedData[0].ID()); r.Status != lttng.IndexOK || r.TimestampBegin != 1 {
				t.Errorf("ended stream's index = %v at %d, want OK at 1", r.Status, r.TimestampBegin)
			}
			if r := c.index(data[0].ID()); r.Status != lttng.IndexOK || r.TimestampBegin != tt.first {
				t.Errorf("index = %v at %d, want OK at %d", r.Status, r.TimestampBegin, tt.first)
			}
		})
	}
}

func TestHistoryNames(t *testing.T) {
	long := strings.Repeat("n", lttng.MaxSessionName-len(historySuffix))
	for _, tt := range []struct {
		name     string
		sessions []string
		want     []string
		off      bool
	}{
		{name: "plain", sessions: []string{"a"}, want: []string{"a", "a@begin"}},
		{name: "switched off", sessions: []string{"a"}, want: []string{"a"}, off: true},
		{name: "taken", sessions: []string{"a", "a@begin"}, want: []string{"a", "a@begin", "a@begin@begin"}},
		{name: "longest", sessions: []string{long}, want: []string{long, long + historySuffix}},
		{name: "too long", sessions: []string{long + "x"}, want: []string{long + "x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.NoHistory = tt.off })
			for _, name := range tt.sessions {
				newProducerOf(t, b.store, lttng.CreateSession{Name: name, NameHasTime: true, Hostname: "vm", LiveTimer: liveTimer})
			}
			c := b.connect(oldMinor)
			var got []string
			for _, s := range c.list() {
				got = append(got, s.Name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r := c.attach(1|historyBit, lttng.SeekLast); tt.off && r.Status != lttng.AttachUnknown {
				t.Errorf("attach to a history that is switched off = %v, want UNK", r.Status)
			}
		})
	}
}

// The list of thousands of streams goes out as fast as it is read.
func TestManyStreams(t *testing.T) {
	const n = 600
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("ch_%d", i)
	}
	p.trace(tracePath, tsdl, names...)
	c, streams := b.attached(p.ss.ID(), lttng.SeekLast)
	if len(streams) != n+1 {
		t.Fatalf("%d streams, want %d", len(streams), n+1)
	}
	for i, s := range streams {
		want := lttng.ViewerStream{ID: lttng.StreamID(i + 1), TraceID: 1, Metadata: i == 0, Path: tracePath, Channel: "metadata"}
		if i > 0 {
			want.Channel = names[i-1]
		}
		if s != want {
			t.Fatalf("stream %d = %+v, want %+v", i, s, want)
		}
	}
	if r := c.index(streams[1].ID); r.Status != lttng.IndexRetry {
		t.Errorf("request behind the list = %v, want RETRY", r.Status)
	}
}
