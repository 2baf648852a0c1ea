// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"

	"github.com/weir-io/weir/lttng"
)

// recording is what a viewer read in a captured conversation.
type recording struct {
	metadata map[lttng.StreamID][]byte
	packets  map[lttng.StreamID][]byte // one behind the other
	count    int
}

// replay makes a relay that answers as the captured one did: each stream's
// answers in their order, whenever they are asked for.
func replay(t *testing.T, name string) (*relay, recording) {
	t.Helper()
	const dir = "../../lttng/testdata/captures/"
	c2s, err := os.ReadFile(dir + name + ".c2s.bin")
	if err != nil {
		t.Fatal(err)
	}
	s2c, err := os.ReadFile(dir + name + ".s2c.bin")
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay()
	rec := recording{make(map[lttng.StreamID][]byte), make(map[lttng.StreamID][]byte), 0}
	for len(c2s) > 0 {
		h, err := lttng.ParseViewerHeader(c2s)
		if err != nil {
			t.Fatal(err)
		}
		payload := c2s[lttng.ViewerHeaderLen:][:h.Cmd.RequestLen()]
		c2s = c2s[lttng.ViewerHeaderLen+len(payload):]
		n, err := r.learn(&rec, h.Cmd, payload, s2c)
		if err != nil {
			t.Fatalf("%s: captured reply to %v: %v", name, h.Cmd, err)
		}
		s2c = s2c[n:]
	}
	return r, rec
}

// learn puts one captured reply into the queue where it belongs, and returns
// its length.
func (r *relay) learn(rec *recording, cmd lttng.ViewerCommand, payload, b []byte) (n int, err error) {
	m, _ := lttng.ParseViewerStreamRequest(payload)
	id := m.Stream
	switch cmd {
	case lttng.ViewerConnect:
		_, n, err = lttng.ParseViewerConnectMsg(b)
	case lttng.ViewerListSessions:
		var l lttng.SessionList
		l, n, err = lttng.ParseSessionList(b, lttng.MinorIndexes)
		r.sessions = l.Sessions
	case lttng.ViewerAttachSession:
		var a lttng.AttachReply
		a, n, err = lttng.ParseAttachReply(b)
		r.attach = append(r.attach, a)
	case lttng.ViewerGetNewStreams:
		var s lttng.NewStreamsReply
		s, n, err = lttng.ParseNewStreamsReply(b)
		r.streams = append(r.streams, s)
	case lttng.ViewerGetNextIndex:
		var x lttng.NextIndexReply
		x, n, err = lttng.ParseNextIndexReply(b)
		r.index[id] = append(r.index[id], x)
		if x.Status == lttng.IndexOK {
			rec.count++
		}
	case lttng.ViewerGetPacket:
		var x reply[lttng.PacketReply]
		x.head, n, err = lttng.ParsePacketReply(b)
		x.data = b[n:][:x.head.Len]
		n += len(x.data)
		r.packet[id] = append(r.packet[id], x)
		rec.packets[id] = append(rec.packets[id], x.data...)
	case lttng.ViewerGetMetadata:
		var x reply[lttng.MetadataReply]
		x.head, n, err = lttng.ParseMetadataReply(b)
		x.data = b[n:][:x.head.Len]
		n += len(x.data)
		r.metadata[id] = append(r.metadata[id], x)
		rec.metadata[id] = append(rec.metadata[id], x.data...)
	default:
		_, n, err = lttng.ParseStatus[lttng.CreateStatus](b)
	}
	return n, err
}

// What babeltrace2 got from lttng-relayd comes out of this client as well, byte
// for byte, although it asks in another rhythm.
func TestCaptures(t *testing.T) {
	for _, name := range []string{"live-bt2-uid", "live-bt2-pid-loss", "02_live.viewer0"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, rec := replay(t, name)
				c, err := Dial(t.Context(), Config{Dial: r.dial})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				s, err := c.Attach(t.Context(), Target{Name: r.sessions[0].Name}, FromNow)
				if err != nil {
					t.Fatal(err)
				}
				got := recording{make(map[lttng.StreamID][]byte), make(map[lttng.StreamID][]byte), 0}
				described := make(map[TraceID]bool)
				traces := make(map[lttng.StreamID]TraceID)
				for !s.Ended() {
					e, err := s.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					switch e := e.(type) {
					case StreamAdded:
						traces[e.Stream] = e.Trace
					case Metadata:
						described[e.Trace] = true
						got.metadata[e.Stream] = append(got.metadata[e.Stream], e.Data...)
					case Packet:
						if !described[traces[e.Stream]] {
							t.Errorf("packet of stream %d before its metadata", e.Stream)
						}
						got.count++
						got.packets[e.Stream] = append(got.packets[e.Stream], e.Data...)
					case PacketLost:
						t.Errorf("packet of stream %d: %v", e.Stream, e.Err)
					}
				}
				if got.count == 0 || got.count != rec.count {
					t.Errorf("%d packets, want %d", got.count, rec.count)
				}
				for id, want := range rec.metadata {
					if !bytes.Equal(got.metadata[id], want) {
						t.Errorf("metadata stream %d: %d bytes differ from the captured %d", id, len(got.metadata[id]), len(want))
					}
				}
				for id, want := range rec.packets {
					if !bytes.Equal(got.packets[id], want) {
						t.Errorf("stream %d: %d bytes differ from the captured %d", id, len(got.packets[id]), len(want))
					}
				}
			})
		})
	}
}
