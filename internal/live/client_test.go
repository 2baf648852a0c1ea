// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	viewer "github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// clientView is what weir's own viewer has read.
type clientView struct {
	metadata map[viewer.TraceID][]byte
	packets  map[string][]byte // by channel, one behind the other
	channel  map[lttng.StreamID]string
	count    int
	ended    int // sessions
	resumed  int // connections after a loss
}

func newClientView() *clientView {
	return &clientView{
		metadata: make(map[viewer.TraceID][]byte), packets: make(map[string][]byte), channel: make(map[lttng.StreamID]string),
	}
}

func (v *clientView) take(e viewer.Event) error {
	switch e := e.(type) {
	case viewer.StreamAdded:
		v.channel[e.Stream] = e.Channel
	case viewer.Metadata:
		v.metadata[e.Trace] = append(v.metadata[e.Trace], e.Data...)
	case viewer.Packet:
		v.count++
		v.packets[v.channel[e.Stream]] = append(v.packets[v.channel[e.Stream]], e.Data...)
	case viewer.PacketLost:
		return e.Err
	case viewer.StreamEnded:
		return e.Err
	case viewer.SessionEnded:
		v.ended++
		return e.Err
	case viewer.Reconnected:
		v.resumed++
	}
	return nil
}

// read takes events until enough is there, or to the end.
func (v *clientView) read(ctx context.Context, next func(context.Context) (viewer.Event, error), enough func() bool) error {
	for !enough() {
		e, err := next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = v.take(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attachClient opens a session with weir's own viewer.
func (b *bench) attachClient(cfg viewer.Config, name string, seek lttng.Seek) *viewer.Session {
	b.t.Helper()
	cfg.Address = b.addr
	c, err := viewer.Dial(b.t.Context(), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	s, err := c.Attach(b.t.Context(), viewer.Target{Host: "vm", Name: name}, seek)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// Weir's own viewer reads the recorded trace, whatever version it announces:
// from the beginning, from the history's name, and as it is written.
func TestClient(t *testing.T) {
	rec := readRecording(t, "live-bt2-uid")
	want := make(map[string][]byte)
	for _, p := range rec.packets {
		want[p.channel] = append(want[p.channel], p.data...)
	}
	for _, tt := range []struct {
		minor lttng.Minor
		name  string
		seek  lttng.Seek
	}{
		{4, "s", viewer.FromBeginning}, {13, "s@begin", viewer.FromNow}, {15, "s", viewer.FromNow}, {15, "s", viewer.FromBeginning},
	} {
		t.Run(fmt.Sprintf("2.%d %s %v", tt.minor, tt.name, tt.seek), func(t *testing.T) {
			b := newBench(t, nil)
			p := newProducer(t, b.store, "s")
			var meta *tracestore.Stream
			var data []*tracestore.Stream
			play := func() {
				meta, data = p.trace(tracePath, "", "ch_0", "ch_1")
				p.metadata(meta, bytes.Join(rec.metadata, nil))
				rec.play(p, map[string]*tracestore.Stream{"ch_0": data[0], "ch_1": data[1]}, everything)
			}
			early := tt.name == "s" && tt.seek == viewer.FromNow
			if !early {
				play()
			}
			s := b.attachClient(viewer.Config{Minor: tt.minor}, tt.name, tt.seek)
			if early {
				play()
			}
			p.end(append(data, meta)...)
			p.ss.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			v := newClientView()
			if err := v.read(ctx, s.Next, func() bool { return false }); err != nil {
				t.Fatal(err)
			}
			if v.count != len(rec.packets) || v.ended != 1 {
				t.Errorf("%d packets and %d ends, want %d and 1", v.count, v.ended, len(rec.packets))
			}
			for channel, data := range want {
				if !bytes.Equal(v.packets[channel], data) {
					t.Errorf("%s: %d bytes differ from the %d recorded", channel, len(v.packets[channel]), len(data))
				}
			}
			if len(v.metadata) != 1 {
				t.Errorf("metadata of %d traces, want 1", len(v.metadata))
			}
			for _, got := range v.metadata {
				if want := bytes.Join(rec.metadata, nil); !bytes.Equal(got, want) {
					t.Errorf("metadata of %d bytes differs from the %d recorded", len(got), len(want))
				}
			}
		})
	}
}

// What babeltrace2 cannot follow: a trace that goes on after its streams have
// ended, a clear, and an application beside an idle one.
func TestClientTraceGoesOn(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	s := b.attachClient(viewer.Config{}, "s", viewer.FromNow)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	v := newClientView()
	packets := func(n int) {
		t.Helper()
		if err := v.read(ctx, s.Next, func() bool { return v.count >= n }); err != nil {
			t.Fatal(err)
		}
	}
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 10, 20, 64)
	packets(1)
	p.clear(meta, tsdl, data[0])
	p.packet(data[0], 30, 40, 64)
	packets(2)
	p.end(data[0])
	late := p.add(tracePath, "ch_1")
	p.ss.Publish()
	p.packet(late, 50, 60, 64)
	packets(3)
	p.beacon(late, 70) // and idle from here on
	idleMeta, other := p.trace("ust/pid/other", tsdl, "ch_2")
	p.packet(other[0], 80, 90, 64)
	packets(4)
	p.end(late, meta, other[0], idleMeta)
	p.ss.Close()
	if err := v.read(ctx, s.Next, func() bool { return false }); err != nil || v.ended != 1 {
		t.Errorf("%d ends, error %v, want the session's", v.ended, err)
	}
}

// A follower goes on after the connection was lost.
func TestClientFollows(t *testing.T) {
	b := newBench(t, nil)
	p := newProducer(t, b.store, "s")
	meta, data := p.trace(tracePath, tsdl, "ch_0")
	p.packet(data[0], 10, 20, 64)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var last net.Conn
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		last = c
		return c, err
	}
	f, err := viewer.Follow(ctx, viewer.FollowConfig{
		Config: viewer.Config{Address: b.addr, Dial: dial}, Target: viewer.Target{Name: "s"},
		Seek: viewer.FromBeginning, MinBackoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v := newClientView()
	if err := v.read(ctx, f.Next, func() bool { return v.count == 1 }); err != nil {
		t.Fatal(err)
	}
	last.Close()
	p.packet(data[0], 30, 40, 64)
	if err := v.read(ctx, f.Next, func() bool { return v.count == 3 }); err != nil {
		t.Fatal(err)
	}
	p.end(data[0], meta)
	p.ss.Close()
	if err := v.read(ctx, f.Next, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	if v.resumed != 1 || v.count != 3 || v.ended != 1 {
		t.Errorf("connected again %d times, %d packets, %d ends, want once, the first packet twice and the other, one end", v.resumed, v.count, v.ended)
	}
}
