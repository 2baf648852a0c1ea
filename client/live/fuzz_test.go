// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/weir-io/weir/lttng"
)

// said is a connection to a relay that knows everything to say beforehand. It
// says it byte by byte, so that nothing comes before it is asked for.
type said struct {
	net.Conn // for what is not used but for deadlines and the end
	from     *bytes.Reader
}

func (c said) Read(b []byte) (int, error)  { return c.from.Read(b[:min(len(b), 1)]) }
func (c said) Write(b []byte) (int, error) { return len(b), nil }

// Whatever a relay says, the client comes to an end, with events in order and
// memory in bounds.
func FuzzRelay(f *testing.F) {
	stream := attachOK(meta(1, 1), data(1, 2)).Append(nil)
	talk := lttng.ViewerConnectMsg{Major: 2, Minor: 15}.Append(nil)
	talk = lttng.SessionList{Sessions: newRelay().sessions}.Append(talk, lttng.MinorVersion)
	talk = lttng.AppendStatus(talk, lttng.CreateOK)
	talk = append(talk, stream...)
	talk = append(lttng.MetadataReply{Status: lttng.MetadataOK, Len: 2}.Append(talk), "MM"...)
	talk = lttng.MetadataReply{Status: lttng.MetadataNone}.Append(talk)
	talk = indexOK(0, 2, 1, 0).Append(talk)
	talk = append(lttng.PacketReply{Status: lttng.PacketOK, Len: 2}.Append(talk), "aa"...)
	talk = inactive(3, newMeta|newStream).Append(talk)
	talk = newStreams(data(1, 3)).Append(talk)
	f.Add(talk)
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) { hear(t, b) })
	})
}

func hear(t *testing.T, b []byte) {
	pipe, other := net.Pipe()
	defer other.Close()
	c, err := Dial(t.Context(), Config{
		MaxPacket: 1 << 16, MaxMetadata: 1 << 16, MaxStreams: 8,
		Dial: func(context.Context, string, string) (net.Conn, error) { return said{pipe, bytes.NewReader(b)}, nil },
	})
	if err != nil {
		return
	}
	defer c.Close()
	s, err := c.Attach(t.Context(), Target{Name: "s"}, FromBeginning)
	if err != nil {
		return
	}
	alive := make(map[lttng.StreamID]bool)
	for {
		e, err := s.Next(t.Context())
		if err != nil {
			if (err == io.EOF) != s.Ended() {
				t.Errorf("Next = %v, ended %v", err, s.Ended())
			}
			return
		}
		switch e := e.(type) {
		case StreamAdded:
			if alive[e.Stream] {
				t.Errorf("stream %d added twice", e.Stream)
			}
			alive[e.Stream] = true
		case StreamEnded:
			if !alive[e.Stream] {
				t.Errorf("stream %d ended and was not there", e.Stream)
			}
			delete(alive, e.Stream)
		case Packet:
			if !alive[e.Stream] || len(e.Data) > 1<<16 {
				t.Errorf("stream %d, alive %v: packet of %d bytes", e.Stream, alive[e.Stream], len(e.Data))
			}
		}
		if len(alive) > 8 {
			t.Errorf("%d streams, want at most 8", len(alive))
		}
	}
}
