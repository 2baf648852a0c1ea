// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// Packets that are sent again are taken out, whatever comes first of data and
// index, and what is behind them moves up.
func TestDuplicatesAreDropped(t *testing.T) {
	for _, order := range []string{"data first", "index first", "in turn", "within the next"} {
		t.Run(order, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.OneWorker)
			p := newReturning(t, 1)
			p.begin(r)
			p.mustStore(6)
			p.lose()
			r.WaitSettled()
			raw, id, next := rawResume(t, r, p)
			if next != 6 {
				t.Fatalf("goes on at %d, want 6", next)
			}
			var data, indexes [][]byte
			for seq := range uint64(8) { // numbers 2 to 9
				b := lttng.DataHeader{Stream: id, NetSeqNum: seq, DataSize: uint32(p.size)}.Append(nil)
				data = append(data, append(b, relaytest.Packet(0, seq+2, p.size)...))
				indexes = append(indexes, lttng.AppendRequest(nil, lttng.CmdSendIndex, func(b []byte) []byte {
					return relaytest.Index(id, 0, seq, seq+2, p.size).Append(b, 15)
				}))
			}
			sendData := func(i int) { raw.SendData(data[i]); r.WaitPackets(uint64(6 + i + 1)) }
			sendIndex := func(i int) {
				raw.Send(indexes[i])
				relaytest.MustOK(t, "SEND_INDEX", raw.Code())
			}
			for i := range data {
				switch order {
				case "data first":
					sendData(i)
				case "index first":
					sendIndex(i)
				case "in turn":
					sendData(i)
					sendIndex(i)
				}
			}
			if order == "within the next" {
				sendAcross(raw, r, data, sendIndex)
			}
			for i := range data {
				switch order {
				case "data first":
					sendIndex(i)
				case "index first":
					sendData(i)
				}
			}
			wait.Until(t, "everything is stored", func() bool { return raw.DataPending(id, 7) == lttng.ReplyNotPending })
			raw.Close()
			r.WaitSettled()
			session := p.oneSession(r.Output)
			checkNumbers(t, "ch_0", relaytest.Stored(t, filepath.Join(session, "kernel/ch_0")), 10)
			if got := r.Store.Counters().Duplicate.Load(); got != 4 {
				t.Errorf("%d duplicates counted, want 4", got)
			}
		})
	}
}

// Packets of which the index has not come when the producer is lost are not kept: it
// sends them again, and readers of what is left find an index that fits.
func TestNoPacketWithoutIndex(t *testing.T) {
	r := relaytest.Start(t, relaytest.OneWorker)
	p := newReturning(t, 1)
	p.begin(r)
	p.mustStore(6)
	p.lose()
	r.WaitSettled()
	raw, id, next := rawResume(t, r, p)
	for seq := range uint64(4) {
		b := lttng.DataHeader{Stream: id, NetSeqNum: seq, DataSize: uint32(p.size)}.Append(nil)
		raw.SendData(append(b, relaytest.Packet(0, next+seq, p.size)...))
		r.WaitPackets(6 + seq + 1)
	}
	file := filepath.Join(p.oneSession(r.Output), "kernel/ch_0")
	if _, rest := relaytest.Indexed(t, file); rest != 4*p.size {
		t.Errorf("%d bytes without an index, want those of 4 packets", rest)
	}
	raw.Send(lttng.AppendRequest(nil, lttng.CmdSendIndex, func(b []byte) []byte {
		return relaytest.Index(id, 0, 0, next, p.size).Append(b, 15)
	}))
	relaytest.MustOK(t, "SEND_INDEX", raw.Code())
	raw.Close()
	r.WaitSettled()
	checkNumbers(t, "ch_0", relaytest.Stored(t, file), 7)
	_, _, next = rawResume(t, r, p)
	if next != 7 {
		t.Errorf("goes on at %d, want 7", next)
	}
}

// sendAcross sends each index in the middle of the next packet.
func sendAcross(raw *relaytest.Producer, r *relaytest.Relay, data [][]byte, sendIndex func(int)) {
	received := &r.Server.Counters().ReceivedBytes
	cut := len(data[0]) / 2
	raw.SendData(data[0][:cut])
	for i := range data {
		rest := data[i][cut:]
		if i+1 < len(data) {
			rest = append(rest[:len(rest):len(rest)], data[i+1][:cut]...)
		}
		before := received.Load()
		raw.SendData(rest)
		raw.Until("the packets have arrived", func() bool { return received.Load() >= before+uint64(len(rest)) })
		r.WaitPackets(uint64(6 + i + 1))
		sendIndex(i)
	}
}

// rawResume resumes without the client, which would not send what is there.
func rawResume(t *testing.T, r *relaytest.Relay, p *returning) (raw *relaytest.Producer, id lttng.StreamID, next uint64) {
	t.Helper()
	raw = r.Dial(t)
	raw.Version(lttng.Version{Major: 2, Minor: 15})
	raw.Configuration(lttng.ExtensionQuery(lttng.ExtResume))
	m := lttng.CreateSession{
		Name: p.options.Session, Hostname: p.options.Hostname, SessiondUUID: p.options.UUID,
		SessiondSessionID: p.options.SessionID, CreationTime: relaytest.Created,
	}
	relaytest.MustOK(t, "CREATE_SESSION", raw.CreateSession(m).Code)
	reply := raw.Resume(lttng.Resume{Streams: []lttng.AddStream{{Channel: "ch_0", Path: "kernel"}, {Channel: "metadata", Path: "kernel"}}})
	relaytest.MustOK(t, "RESUME", reply.Code)
	return raw, reply.Streams[0].Stream, reply.Streams[0].Next
}

// The metadata is stored once, and replaced where it differs.
func TestResumedMetadata(t *testing.T) {
	long := append(relaytest.Metadata(), "/* more */\n"...)
	for name, texts := range map[string][]string{
		"same":      {string(relaytest.Metadata())},
		"longer":    {string(long)},
		"in pieces": {string(long[:100]), string(long[100:])},
		"other":     {"/* CTF 1.8 */ /* of another kind */"},
		"nothing":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t)
			p := newReturning(t, 1)
			p.begin(r)
			p.mustStore(1)
			p.lose()
			r.WaitSettled()
			var err error
			if p.open, err = p.dial(r.Control, r.Data).Resume(t.Context(), p.streams...); err != nil {
				t.Fatal(err)
			}
			want := ""
			for _, text := range texts {
				want += text
				if err := p.metadata().SendMetadata(t.Context(), []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if texts == nil {
				want = string(relaytest.Metadata())
			}
			p.finish()
			r.WaitSettled()
			got, err := os.ReadFile(filepath.Join(p.oneSession(r.Output), "kernel/metadata"))
			if err != nil || string(got) != want {
				t.Errorf("metadata of %d bytes (%v), want the %d sent", len(got), err, len(want))
			}
		})
	}
}

// A viewer that attaches after the resumption finds all packets of the chunk
// once.
func TestViewerOfResumed(t *testing.T) {
	r := relaytest.Start(t)
	p := newReturning(t, 1)
	p.options.LiveTimer = time.Second
	p.begin(r)
	p.mustSend(10)
	p.lose()
	r.WaitSettled()
	p.resume(r)
	p.mustSend(15)
	if err := p.session.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	sessions := r.Store.Sessions()
	if len(sessions) != 1 {
		t.Fatalf("%d sessions, want 1", len(sessions))
	}
	for _, st := range sessions[0].Streams() {
		if st.IsMetadata() {
			if n := st.MetadataCursor().Unread(); n != int64(len(relaytest.Metadata())) {
				t.Errorf("%d bytes of metadata to be read, want %d", n, len(relaytest.Metadata()))
			}
			continue
		}
		c := st.Cursor(tracestore.SeekBeginning)
		defer c.Close()
		for want := range uint64(15) {
			step, err := c.Peek()
			if err != nil || step.State != tracestore.StatePacket || step.Entry.PacketSeqNum != want {
				t.Fatalf("step %+v (%v), want packet %d", step, err, want)
			}
			c.Take()
		}
		if step, err := c.Peek(); err != nil || step.State == tracestore.StatePacket {
			t.Errorf("after the last packet: %+v, %v", step, err)
		}
	}
	p.finish()
}
