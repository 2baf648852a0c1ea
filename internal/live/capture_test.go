// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// exchange is a captured request and its reply.
type exchange struct {
	cmd     lttng.ViewerCommand
	request []byte // with its header
	reply   []byte
	data    []byte // the reply's last part, for GET_PACKET and GET_METADATA
}

// readExchanges takes a captured conversation apart.
func readExchanges(t *testing.T, name string) []exchange {
	t.Helper()
	c2s, err := os.ReadFile("testdata/captures/" + name + ".c2s.bin")
	if err != nil {
		t.Fatal(err)
	}
	s2c, err := os.ReadFile("testdata/captures/" + name + ".s2c.bin")
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	for len(c2s) > 0 {
		h, err := lttng.ParseViewerHeader(c2s)
		if err != nil {
			t.Fatal(err)
		}
		x := exchange{cmd: h.Cmd, request: c2s[:lttng.ViewerHeaderLen+h.Cmd.RequestLen()]}
		n, data := replyLen(t, h.Cmd, s2c)
		x.reply, x.data = s2c[:n+data], s2c[n:n+data]
		c2s, s2c = c2s[len(x.request):], s2c[len(x.reply):]
		all = append(all, x)
	}
	if len(s2c) > 0 {
		t.Fatalf("%d bytes behind the last reply", len(s2c))
	}
	return all
}

// replyLen returns the lengths of a reply's parts.
func replyLen(t *testing.T, cmd lttng.ViewerCommand, b []byte) (n, data int) {
	t.Helper()
	var err error
	switch cmd {
	case lttng.ViewerConnect:
		_, n, err = lttng.ParseViewerConnectMsg(b)
	case lttng.ViewerListSessions:
		_, n, err = lttng.ParseSessionList(b, oldMinor)
	case lttng.ViewerAttachSession:
		_, n, err = lttng.ParseAttachReply(b)
	case lttng.ViewerGetNewStreams:
		_, n, err = lttng.ParseNewStreamsReply(b)
	case lttng.ViewerGetNextIndex:
		_, n, err = lttng.ParseNextIndexReply(b)
	case lttng.ViewerGetPacket:
		var r lttng.PacketReply
		r, n, err = lttng.ParsePacketReply(b)
		data = int(r.Len)
	case lttng.ViewerGetMetadata:
		var r lttng.MetadataReply
		r, n, err = lttng.ParseMetadataReply(b)
		data = int(r.Len)
	default:
		_, n, err = lttng.ParseStatus[lttng.CreateStatus](b)
	}
	if err != nil {
		t.Fatalf("captured reply to %v: %v", cmd, err)
	}
	return n, data
}

// replay makes a producer do what leads to the captured replies, while the
// viewer sends the captured requests.
type replay struct {
	t   *testing.T
	all []exchange
	at  int
	b   *bench
	c   *client
	p   *producer

	session lttng.SessionID                       // captured
	streams map[lttng.StreamID]*tracestore.Stream // by captured id
	size    map[lttng.StreamID]uint64             // bytes in the stream's present file
	beacon  map[lttng.StreamID]uint64
	meta    lttng.StreamID
}

func TestCaptures(t *testing.T) {
	for _, tt := range []struct {
		capture string
		session lttng.CreateSession
	}{
		{"live-list", lttng.CreateSession{Name: "live1", Hostname: "vm", LiveTimer: 1_000_000}},
		{"live-bt2-uid", lttng.CreateSession{Name: "live1", Hostname: "vm", LiveTimer: 1_000_000}},
		{"live-edge-begin", lttng.CreateSession{Name: "e", Hostname: "vm", LiveTimer: 1_000_000}},
		{"live-edge-clear-destroy", lttng.CreateSession{Name: "e", Hostname: "vm", LiveTimer: 1_000_000}},
		{"live-tracecompass-style", lttng.CreateSession{Name: "tcs", Hostname: "vm", LiveTimer: 500_000}},
	} {
		t.Run(tt.capture, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.NoHistory, o.InactivePace = true, 1 })
			r := &replay{
				t: t, all: readExchanges(t, tt.capture), b: b, p: newProducerOf(t, b.store, tt.session),
				streams: make(map[lttng.StreamID]*tracestore.Stream),
				size:    make(map[lttng.StreamID]uint64), beacon: make(map[lttng.StreamID]uint64),
			}
			r.p.class = 0
			r.c = &client{t, b.dial()}
			for r.at = range r.all {
				x := &r.all[r.at]
				r.prepare(x)
				r.c.must(r.c.Send(r.translate(x)))
				r.check(x)
			}
		})
	}
}

// prepare makes the producer act.
func (r *replay) prepare(x *exchange) {
	r.t.Helper()
	switch x.cmd {
	case lttng.ViewerListSessions:
		l, _, _ := lttng.ParseSessionList(x.reply, oldMinor)
		r.session = l.Sessions[0].ID
		if l.Sessions[0].Streams > 0 {
			r.announce(r.streamsAhead())
		}
	case lttng.ViewerAttachSession:
		m, _ := lttng.ParseAttachRequest(x.request[lttng.ViewerHeaderLen:])
		r.session = m.Session
		a, _, _ := lttng.ParseAttachReply(x.reply)
		r.announce(a.Streams)
	case lttng.ViewerGetNewStreams:
		n, _, _ := lttng.ParseNewStreamsReply(x.reply)
		r.announce(n.Streams)
	case lttng.ViewerGetMetadata:
		m, _ := lttng.ParseViewerStreamRequest(x.request[lttng.ViewerHeaderLen:])
		if st := r.streams[m.Stream]; st != nil && len(x.data) > 0 && !r.unread(st) {
			r.p.metadata(st, x.data)
		}
	case lttng.ViewerGetNextIndex:
		m, _ := lttng.ParseViewerStreamRequest(x.request[lttng.ViewerHeaderLen:])
		n, _, _ := lttng.ParseNextIndexReply(x.reply)
		r.index(m.Stream, n)
	}
}

// unread reports whether the viewer has not been sent all metadata. After a
// detach it begins anew.
func (r *replay) unread(st *tracestore.Stream) bool {
	got := make(chan bool)
	err := r.b.srv.loop.Post(func() {
		for c := range r.b.srv.conns {
			vs := c.streams[st.ID()]
			got <- vs != nil && vs.meta.cursor.Unread() > 0
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return <-got
}

func (r *replay) streamsAhead() []lttng.ViewerStream {
	for _, x := range r.all[r.at:] {
		if x.cmd == lttng.ViewerAttachSession {
			a, _, _ := lttng.ParseAttachReply(x.reply)
			return a.Streams
		}
	}
	return nil
}

// announce publishes streams, with what their files held before.
func (r *replay) announce(streams []lttng.ViewerStream) {
	r.t.Helper()
	for _, s := range streams {
		if r.streams[s.ID] == nil {
			r.streams[s.ID] = r.p.add(s.Path, s.Channel)
			if s.Metadata {
				r.meta = s.ID
			}
		}
	}
	r.p.ss.Publish()
	for _, s := range streams {
		if r.size[s.ID] == 0 && !s.Metadata {
			r.stored(s.ID)
		}
	}
}

// stored writes what a viewer that attaches with LAST does not see.
func (r *replay) stored(id lttng.StreamID) {
	for _, x := range r.all[r.at:] {
		m, _ := lttng.ParseViewerStreamRequest(x.request[lttng.ViewerHeaderLen:])
		if x.cmd == lttng.ViewerGetPacket && m.Stream == id {
			r.data(id, x.data) // asked for without an index
			return
		}
		if x.cmd == lttng.ViewerGetNextIndex && m.Stream == id {
			n, _, _ := lttng.ParseNextIndexReply(x.reply)
			if n.Status == lttng.IndexOK {
				if n.Offset > 0 {
					r.put(id, lttng.NextIndexReply{PacketSize: n.Offset * 8}, make([]byte, n.Offset))
				}
				return
			}
		}
	}
}

// data stores a packet without an index and returns its number.
func (r *replay) data(id lttng.StreamID, b []byte) uint64 {
	r.t.Helper()
	st := r.streams[id]
	seq := r.p.next[st.ID()]
	r.p.next[st.ID()]++
	if err := st.Begin(lttng.DataHeader{Stream: st.ID(), NetSeqNum: seq, DataSize: uint32(len(b))}); err != nil {
		r.t.Fatal(err)
	}
	st.Write(b)
	st.Finish()
	r.size[id] += uint64(len(b))
	return seq
}

func (r *replay) put(id lttng.StreamID, n lttng.NextIndexReply, data []byte) {
	r.t.Helper()
	st, seq := r.streams[id], r.data(id, data)
	err := st.PutIndex(lttng.Index{
		Stream: st.ID(), NetSeqNum: seq, PacketSize: n.PacketSize, ContentSize: n.ContentSize,
		TimestampBegin: n.TimestampBegin, TimestampEnd: n.TimestampEnd,
		EventsDiscarded: n.EventsDiscarded, StreamClass: n.StreamClass, PacketSeqNum: seq,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.p.ss.FlushIndexes()
	delete(r.beacon, id)
}

// index does what makes the relay answer n.
func (r *replay) index(id lttng.StreamID, n lttng.NextIndexReply) {
	r.t.Helper()
	st := r.streams[id]
	switch n.Status {
	case lttng.IndexOK:
		if n.Offset < r.size[id] {
			r.clear()
		}
		r.put(id, n, r.packetAhead(id, n))
	case lttng.IndexInactive:
		if r.beacon[id] != n.TimestampEnd {
			r.beacon[id] = n.TimestampEnd
			r.p.beacon(st, n.TimestampEnd)
		}
	case lttng.IndexHangup:
		if id != r.meta && !st.Closed() {
			r.p.end(st)
		}
		if r.lastStatus(lttng.ViewerGetNewStreams) {
			r.p.ss.Close()
		}
	}
}

// lastStatus reports whether the session ends: GET_NEW_STREAMS answers HUP.
func (r *replay) lastStatus(cmd lttng.ViewerCommand) bool {
	for _, x := range r.all[r.at:] {
		if x.cmd == cmd {
			n, _, _ := lttng.ParseNewStreamsReply(x.reply)
			return n.Status == lttng.NewStreamsHangup
		}
	}
	return false
}

func (r *replay) clear() {
	var data []*tracestore.Stream
	for id, st := range r.streams {
		if id != r.meta {
			data = append(data, st)
			r.size[id] = 0
		}
	}
	r.p.clear(r.streams[r.meta], tsdl, data...)
}

// packetAhead returns the data of a packet, zeros when the viewer does not
// ask for it.
func (r *replay) packetAhead(id lttng.StreamID, n lttng.NextIndexReply) []byte {
	for _, x := range r.all[r.at:] {
		if x.cmd != lttng.ViewerGetPacket {
			continue
		}
		m, _ := lttng.ParsePacketRequest(x.request[lttng.ViewerHeaderLen:])
		if m.Stream == id && m.Offset == n.Offset && uint64(m.Len)*8 == n.PacketSize {
			return x.data
		}
	}
	return make([]byte, n.PacketSize/8)
}

// translate puts this server's ids into a request, and leaves the rest of it.
func (r *replay) translate(x *exchange) []byte {
	b := bytes.Clone(x.request)
	put := func(id uint64) {
		copy(b[lttng.ViewerHeaderLen:], lttng.ViewerStreamRequest{Stream: lttng.StreamID(id)}.Append(nil))
	}
	switch x.cmd {
	case lttng.ViewerAttachSession, lttng.ViewerGetNewStreams, lttng.ViewerDetachSession:
		put(uint64(r.p.ss.ID()))
	case lttng.ViewerGetNextIndex, lttng.ViewerGetMetadata, lttng.ViewerGetPacket:
		m, _ := lttng.ParseViewerStreamRequest(b[lttng.ViewerHeaderLen:])
		put(uint64(r.streams[m.Stream].ID()))
	}
	return b
}

// check compares the reply with the captured one: byte for byte, but for
// numbers that relays choose, and for the flags and minors that differ on
// purpose.
func (r *replay) check(x *exchange) {
	r.t.Helper()
	got, err := r.c.Read(len(x.reply))
	r.c.must(err)
	want := x.reply
	switch x.cmd {
	case lttng.ViewerConnect:
		got, want = append(got[8:12:12], got[16:]...), append(want[8:12:12], want[16:]...)
	case lttng.ViewerListSessions:
		got, want = got[12:], want[12:]
	case lttng.ViewerAttachSession, lttng.ViewerGetNewStreams:
		r.checkStreams(x, got)
		return
	case lttng.ViewerGetNextIndex:
		got, want = got[:60], want[:60]
	}
	if !bytes.Equal(got, want) {
		r.t.Errorf("request %d, %v:\n got %x\nwant %x", r.at, x.cmd, got[:min(len(got), 80)], want[:min(len(want), 80)])
	}
}

// checkStreams compares announced streams, in any order.
func (r *replay) checkStreams(x *exchange, got []byte) {
	r.t.Helper()
	if !bytes.Equal(got[:8], x.reply[:8]) {
		r.t.Errorf("request %d, %v: status and count %x, want %x", r.at, x.cmd, got[:8], x.reply[:8])
		return
	}
	parse := func(b []byte) map[string]lttng.ViewerStream {
		reply, _, err := lttng.ParseAttachReply(append([]byte{0, 0, 0, 1}, b[4:]...))
		r.c.must(err)
		named := make(map[string]lttng.ViewerStream)
		for _, s := range reply.Streams {
			key := s.Path + "/" + s.Channel
			s.ID, s.TraceID = 0, 0
			named[key] = s
		}
		return named
	}
	if diff := cmp.Diff(parse(x.reply), parse(got)); diff != "" {
		r.t.Errorf("request %d, %v (-want +got):\n%s", r.at, x.cmd, diff)
	}
}
