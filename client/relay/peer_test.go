// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// peer is a relay that follows a script. It answers everything with success
// unless it is told otherwise.
type peer struct {
	// Set before the first connection.
	version lttng.Version
	noClear bool
	extends lttng.Extensions         // of weir; 0: as lttng-relayd
	unready int                      // answers to RESUME that say not yet
	nothing bool                     // is stored
	raw     map[lttng.Command][]byte // instead of an answer; empty: silence
	cut     int                      // answers end after so many bytes, and the connection with them; -1: never
	deaf    bool                     // takes no packets, until forget is closed
	forget  chan struct{}
	refuse  End           // "" = both are accepted
	pending int           // rounds in which something is pending
	started chan struct{} // if not nil, closed with the first byte of data taken
	keep    *[]byte       // if not nil, gets all answers; read it after the session

	mu sync.Mutex
	// Guarded by mu.
	log      []string
	packets  []lttng.DataHeader
	metadata []byte
	indexes  []lttng.Index
	answered int // bytes
	handles  lttng.StreamID
}

func newPeer() *peer {
	return &peer{version: lttng.Version{Major: 2, Minor: 15}, raw: make(map[lttng.Command][]byte), cut: -1, forget: make(chan struct{})}
}

var errRefused = errors.New("connection refused")

// dial is for Options.Dial.
func (p *peer) dial(_ context.Context, _, address string) (net.Conn, error) {
	end := Control
	if strings.HasSuffix(address, ":5343") {
		end = Data
	}
	if p.refuse == end {
		return nil, errRefused
	}
	client, server := net.Pipe()
	if end == Data {
		go p.takeData(server) // ends with the client's end, which sessions close
		return client, nil
	}
	go p.serve(server) // as the other one
	return client, nil
}

func (p *peer) takeData(c net.Conn) {
	defer c.Close()
	if p.deaf {
		if p.started != nil {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return
			}
			close(p.started)
		}
		<-p.forget
		return
	}
	head := make([]byte, lttng.DataHeaderLen)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		h, err := lttng.ParseDataHeader(head)
		if err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(h.DataSize)); err != nil {
			return
		}
		p.mu.Lock()
		p.packets = append(p.packets, h)
		p.mu.Unlock()
	}
}

func (p *peer) serve(c net.Conn) {
	defer c.Close()
	var minor lttng.Minor
	for {
		b := make([]byte, lttng.ControlHeaderLen)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		h, err := lttng.ParseControlHeader(b)
		if err != nil || h.DataSize > 16<<20 {
			return
		}
		payload := make([]byte, h.DataSize)
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		if h.Cmd == lttng.CmdVersion {
			v, _ := lttng.ParseVersion(payload)
			minor = lttng.Minor(min(v.Minor, p.version.Minor))
		}
		answer, ok := p.raw[h.Cmd]
		if !ok {
			answer = p.answer(h.Cmd, payload, minor)
		}
		p.mu.Lock()
		cut := p.cut >= 0 && p.answered+len(answer) > p.cut
		if cut {
			answer = answer[:p.cut-p.answered]
		}
		p.answered += len(answer)
		if p.keep != nil {
			*p.keep = append(*p.keep, answer...)
		}
		p.mu.Unlock()
		if _, err := c.Write(answer); err != nil || cut {
			return
		}
	}
}

// note keeps what was asked, in words.
func (p *peer) note(cmd lttng.Command, what ...any) {
	p.log = append(p.log, strings.TrimSpace(cmd.String()+" "+strings.Trim(fmt.Sprint(what...), "[]")))
}

// asked returns the requests since the last time.
func (p *peer) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	log := p.log
	p.log = nil
	return log
}

func (p *peer) answer(cmd lttng.Command, payload []byte, minor lttng.Minor) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	ok := lttng.AppendCode(nil, lttng.ReplyOK)
	switch cmd {
	case lttng.CmdVersion:
		p.note(cmd)
		return p.version.Append(nil)
	case lttng.CmdGetConfiguration:
		m, err := lttng.ParseGetConfiguration(payload)
		want, asked := lttng.QueriedExtensions(m.QueryFlags)
		if m.QueryFlags != 0 && (!asked || p.extends == 0) {
			p.note(cmd, "extensions ", err)
			return lttng.ConfigurationReply{Code: lttng.ReplyInvalidProtocol}.Append(nil)
		}
		p.note(cmd)
		r := lttng.ConfigurationReply{Code: lttng.ReplyOK, Flags: lttng.ConfigClearAllowed | lttng.ExtensionFlags(want&p.extends)}
		if p.noClear {
			r.Flags = 0
		}
		return r.Append(nil)
	case lttng.CmdCreateSession:
		m, err := lttng.ParseCreateSession(payload, minor)
		p.note(cmd, m.Name, " ", m.Hostname, " ", m.BasePath, " ", m.LiveTimer, " ", err)
		return lttng.SessionReply{Session: 7, Code: lttng.ReplyOK, Path: "h/s-2001"}.Append(nil, minor)
	case lttng.CmdCreateTraceChunk:
		m, err := lttng.ParseCreateTraceChunk(payload)
		p.note(cmd, m.Chunk, " ", m.OverrideName, " ", err)
	case lttng.CmdCloseTraceChunk:
		m, err := lttng.ParseCloseTraceChunk(payload)
		p.note(cmd, m.Chunk, " ", m.HasCommand, " ", m.Command, " ", err)
		return lttng.CloseChunkReply{Code: lttng.ReplyOK, Path: "h/s-2001/archives/1"}.Append(nil)
	case lttng.CmdTraceChunkExists:
		m, err := lttng.ParseTraceChunkExists(payload)
		p.note(cmd, m.Chunk, " ", err)
		p.pending--
		return lttng.ChunkExistsReply{Code: lttng.ReplyOK, Exists: p.pending >= 0}.Append(nil)
	case lttng.CmdAddStream:
		m, err := lttng.ParseAddStream(payload, minor)
		p.note(cmd, m.Channel, " ", m.Path, " ", m.Chunk, " ", err)
		p.handles++
		return lttng.StreamReply{Stream: p.handles, Code: lttng.ReplyOK}.Append(nil)
	case lttng.CmdSendMetadata:
		m, err := lttng.ParseMetadata(payload)
		p.note(cmd, m.Stream, " ", len(m.Content), "+", m.Padding, " ", err)
		p.metadata = append(p.metadata, m.Content...)
		return nil
	case lttng.CmdSendIndex:
		x, err := lttng.ParseIndex(payload, minor)
		p.note(cmd, x.Stream, " ", int64(x.NetSeqNum), " ", x.PacketSize, " ", err)
		p.indexes = append(p.indexes, x)
	case lttng.CmdRotateStreams:
		m, err := lttng.ParseRotateStreams(payload)
		p.note(cmd, m.HasChunk, " ", m.Chunk, " ", m.Streams, " ", len(payload)-16*len(m.Streams), " ", err)
	case lttng.CmdCloseStream:
		m, err := lttng.ParseCloseStream(payload)
		p.note(cmd, m.Stream, " ", int64(m.LastNetSeqNum), " ", err)
	case lttng.CmdResetMetadata:
		m, err := lttng.ParseResetMetadata(payload)
		p.note(cmd, m.Stream, " ", m.Version, " ", err)
	case lttng.CmdDataPending:
		m, err := lttng.ParseDataPending(payload)
		p.note(cmd, m.Stream, " ", int64(m.LastNetSeqNum), " ", err)
		if p.pending > 0 {
			p.pending--
			return lttng.AppendCode(nil, lttng.ReplyPending)
		}
		return lttng.AppendCode(nil, lttng.ReplyNotPending)
	case lttng.CmdResume:
		m, err := lttng.ParseResume(payload)
		p.note(cmd, len(m.Streams), " ", err)
		r := lttng.ResumeReply{Code: lttng.ReplyOK, Chunk: 4, Rotated: true}
		switch {
		case p.nothing:
			r.Code = lttng.ReplyInvalid
		case p.unready > 0:
			p.unready--
			r.Code = lttng.ReplyPending
		default:
			for range m.Streams {
				p.handles++
				r.Streams = append(r.Streams, lttng.ResumedStream{Stream: p.handles, Next: 100 * uint64(p.handles)})
			}
		}
		return r.Append(nil)
	case lttng.CmdEndDataPending:
		p.note(cmd)
		return lttng.AppendCode(nil, lttng.ReplyNotPending)
	default:
		p.note(cmd)
	}
	return ok
}

// at is where a peer is dialed.
func at(t testing.TB) lttng.URL {
	t.Helper()
	u, err := lttng.ParseURL("net://relay")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

var created = time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC)

// open makes a session on a peer; it ends with the test.
func (p *peer) open(t testing.TB, change func(*Options)) *Session {
	t.Helper()
	s, err := p.try(t, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Abort)
	return s
}

func (p *peer) try(t testing.TB, change func(*Options)) (*Session, error) {
	t.Helper()
	o := Options{Session: "s", Hostname: "h", Created: created, Dial: p.dial}
	if change != nil {
		change(&o)
	}
	return Dial(t.Context(), at(t), lttng.URL{}, o)
}

// streams adds two streams and their metadata.
func streams(t testing.TB, s *Session) (data []*Stream, metadata *Stream) {
	t.Helper()
	all, err := s.AddStreams(t.Context(),
		StreamOptions{Channel: "ch_0", Path: "kernel", ClassID: 3},
		StreamOptions{Channel: "ch_1", Path: "kernel", ClassID: 3, Instance: 1},
		StreamOptions{Channel: "metadata", Path: "kernel", TraceUUID: [16]byte{9}})
	if err != nil {
		t.Fatal(err)
	}
	return all[:2], all[2]
}

// info describes a packet with a number.
func info(number uint64) ctf.PacketInfo {
	return ctf.PacketInfo{
		Has: ctf.HasBegin | ctf.HasEnd | ctf.HasSequence, Begin: number * 10, End: number*10 + 9, Sequence: number,
	}
}
