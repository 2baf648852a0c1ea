// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/weir-io/weir/lttng"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay answers what tests have put into its queues, and otherwise what a relay
// does that has nothing new. It serves one connection after the other.
type relay struct {
	minor    uint32
	sessions []lttng.ViewerSession
	attach   []lttng.AttachReply
	create   lttng.CreateStatus

	streams  []lttng.NewStreamsReply
	index    map[lttng.StreamID][]lttng.NextIndexReply
	packet   map[lttng.StreamID][]reply[lttng.PacketReply]
	metadata map[lttng.StreamID][]reply[lttng.MetadataReply]

	raw map[lttng.ViewerCommand][]byte // instead of any reply
	cut int                            // bytes after which the connection ends; < 0 = never

	mu  sync.Mutex
	log []string // guarded by mu; commands with what they name
}

// reply is a head with the data behind it.
type reply[T any] struct {
	head T
	data []byte
}

func newRelay() *relay {
	return &relay{
		minor:    13,
		sessions: []lttng.ViewerSession{{ID: 7, LiveTimer: 1000, Hostname: "vm", Name: "s"}},
		create:   lttng.CreateOK,
		index:    make(map[lttng.StreamID][]lttng.NextIndexReply),
		packet:   make(map[lttng.StreamID][]reply[lttng.PacketReply]),
		metadata: make(map[lttng.StreamID][]reply[lttng.MetadataReply]),
		raw:      make(map[lttng.ViewerCommand][]byte),
		cut:      -1,
	}
}

// pop takes the first of a queue, or what stands for nothing.
func pop[T any](queue []T, nothing T) (T, []T) {
	if len(queue) == 0 {
		return nothing, nil
	}
	return queue[0], queue[1:]
}

// dial is for Config.Dial: a pipe to this relay, which it serves until either
// end closes it.
func (r *relay) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go r.serve(server) // ends with the client's end, which tests close
	return client, nil
}

func (r *relay) serve(c net.Conn) {
	defer c.Close()
	minor := lttng.Minor(0)
	sent := 0
	for {
		b := make([]byte, lttng.ViewerHeaderLen)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		h, err := lttng.ParseViewerHeader(b)
		if err != nil || h.Cmd.RequestLen() != int(h.DataSize) {
			return
		}
		payload := make([]byte, h.DataSize)
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		if h.Cmd == lttng.ViewerConnect {
			minor = min(lttng.Minor(r.minor), lttng.Minor(binary.BigEndian.Uint32(payload[12:])))
		}
		answer, ok := r.raw[h.Cmd]
		if !ok {
			answer = r.answer(h.Cmd, payload, minor)
		}
		if r.cut >= 0 && sent+len(answer) > r.cut {
			_, _ = c.Write(answer[:r.cut-sent]) // the client may be gone
			return
		}
		sent += len(answer)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func (r *relay) note(cmd lttng.ViewerCommand, what any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf("%v %v", cmd, what))
}

// asked returns the commands since the last time.
func (r *relay) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

func (r *relay) answer(cmd lttng.ViewerCommand, payload []byte, minor lttng.Minor) []byte {
	switch cmd {
	case lttng.ViewerConnect:
		return lttng.ViewerConnectMsg{ViewerSessionID: 1, Major: 2, Minor: r.minor}.Append(nil)
	case lttng.ViewerListSessions:
		return lttng.SessionList{Sessions: r.sessions}.Append(nil, minor)
	case lttng.ViewerCreateSession:
		return lttng.AppendStatus(nil, r.create)
	case lttng.ViewerAttachSession:
		m, _ := lttng.ParseAttachRequest(payload)
		r.note(cmd, fmt.Sprint(m.Session, m.Seek))
		var a lttng.AttachReply
		a, r.attach = pop(r.attach, lttng.AttachReply{Status: lttng.AttachOK})
		return a.Append(nil)
	case lttng.ViewerDetachSession:
		m, _ := lttng.ParseViewerSessionRequest(payload)
		r.note(cmd, m.Session)
		return lttng.AppendStatus(nil, lttng.DetachOK)
	case lttng.ViewerGetNewStreams:
		m, _ := lttng.ParseViewerSessionRequest(payload)
		r.note(cmd, m.Session)
		var s lttng.NewStreamsReply
		s, r.streams = pop(r.streams, lttng.NewStreamsReply{Status: lttng.NewStreamsOK})
		if s.Status == lttng.NewStreamsHangup && r.unread() {
			r.streams = []lttng.NewStreamsReply{s}
			s.Status = lttng.NewStreamsOK
		}
		return s.Append(nil)
	}
	return r.answerStream(cmd, payload)
}

// unread reports whether there are indexes that nobody has asked for. A session
// does not end before they are read.
func (r *relay) unread() bool {
	for _, queue := range r.index {
		if len(queue) > 0 {
			return true
		}
	}
	return false
}

func (r *relay) answerStream(cmd lttng.ViewerCommand, payload []byte) []byte {
	m, _ := lttng.ParseViewerStreamRequest(payload)
	id := m.Stream
	switch cmd {
	case lttng.ViewerGetNextIndex:
		r.note(cmd, id)
		var x lttng.NextIndexReply
		x, r.index[id] = pop(r.index[id], lttng.NextIndexReply{Status: lttng.IndexRetry})
		return x.Append(nil)
	case lttng.ViewerGetMetadata:
		r.note(cmd, id)
		var x reply[lttng.MetadataReply]
		x, r.metadata[id] = pop(r.metadata[id], reply[lttng.MetadataReply]{head: lttng.MetadataReply{Status: lttng.MetadataNone}})
		return append(x.head.Append(nil), x.data...)
	case lttng.ViewerGetPacket:
		m, _ := lttng.ParsePacketRequest(payload)
		r.note(cmd, fmt.Sprint(id, m.Offset, m.Len))
		var x reply[lttng.PacketReply]
		x, r.packet[id] = pop(r.packet[id], reply[lttng.PacketReply]{head: lttng.PacketReply{Status: lttng.PacketError}})
		return append(x.head.Append(nil), x.data...)
	}
	return nil
}

// Parts of answers.
func meta(trace uint64, id lttng.StreamID) lttng.ViewerStream {
	return lttng.ViewerStream{ID: id, TraceID: trace, Metadata: true, Path: "ust/uid/0/64-bit", Channel: "metadata"}
}

func data(trace uint64, id lttng.StreamID) lttng.ViewerStream {
	return lttng.ViewerStream{ID: id, TraceID: trace, Path: "ust/uid/0/64-bit", Channel: fmt.Sprintf("ch_%d", id)}
}

func attachOK(streams ...lttng.ViewerStream) lttng.AttachReply {
	return lttng.AttachReply{Status: lttng.AttachOK, Streams: streams}
}

func newStreams(streams ...lttng.ViewerStream) lttng.NewStreamsReply {
	return lttng.NewStreamsReply{Status: lttng.NewStreamsOK, Streams: streams}
}

func indexOK(offset uint64, size int, end uint64, flags uint32) lttng.NextIndexReply {
	return lttng.NextIndexReply{
		Status: lttng.IndexOK, Offset: offset, PacketSize: uint64(size) * 8, ContentSize: uint64(size) * 8,
		TimestampBegin: end, TimestampEnd: end, StreamClass: 3, Flags: flags,
	}
}

func indexIs(status lttng.NextIndexStatus, flags uint32) lttng.NextIndexReply {
	return lttng.NextIndexReply{Status: status, Flags: flags}
}

func inactive(until uint64, flags uint32) lttng.NextIndexReply {
	return lttng.NextIndexReply{Status: lttng.IndexInactive, TimestampEnd: until, StreamClass: 3, Flags: flags}
}

func packetOK(text string) reply[lttng.PacketReply] {
	return reply[lttng.PacketReply]{lttng.PacketReply{Status: lttng.PacketOK, Len: uint32(len(text))}, []byte(text)}
}

func packetIs(status lttng.PacketStatus, flags uint32) reply[lttng.PacketReply] {
	return reply[lttng.PacketReply]{head: lttng.PacketReply{Status: status, Flags: flags}}
}

func metadataOK(text string) reply[lttng.MetadataReply] {
	return reply[lttng.MetadataReply]{lttng.MetadataReply{Status: lttng.MetadataOK, Len: uint64(len(text))}, []byte(text)}
}

func metadataIs(status lttng.MetadataStatus) reply[lttng.MetadataReply] {
	return reply[lttng.MetadataReply]{head: lttng.MetadataReply{Status: status}}
}

// open attaches to session s of a relay; the connection ends with the test.
func (r *relay) open(t *testing.T, change func(*Config)) *Session {
	t.Helper()
	cfg := Config{Address: "relay", Dial: r.dial}
	if change != nil {
		change(&cfg)
	}
	c, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := c.Attach(t.Context(), Target{Name: "s"}, FromBeginning)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// show is an event in a word, without what a test does not name.
func show(e Event) string {
	switch e := e.(type) {
	case StreamAdded:
		return fmt.Sprintf("added %d/%d", e.Trace, e.Stream)
	case Metadata:
		return fmt.Sprintf("metadata %d: %s", e.Trace, e.Data)
	case Packet:
		return fmt.Sprintf("packet %d: %s", e.Stream, e.Data)
	case PacketLost:
		return fmt.Sprintf("lost %d: %v", e.Stream, e.Err)
	case Inactive:
		return fmt.Sprintf("inactive %d: %d", e.Stream, e.Until)
	case StreamEnded:
		return fmt.Sprintf("ended %d%s", e.Stream, because(e.Err))
	case SessionEnded:
		return fmt.Sprintf("session %d ended%s", e.Session, because(e.Err))
	case Disconnected:
		return "disconnected"
	case Reconnected:
		return fmt.Sprintf("reconnected after %d", e.Attempts)
	}
	return fmt.Sprintf("%T", e)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func showAll(events []Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, show(e))
	}
	return all
}

// readAll reads to the end.
func readAll(ctx context.Context, next func(context.Context) (Event, error)) ([]string, error) {
	var all []string
	for {
		e, err := next(ctx)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, show(e))
	}
}
