// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/lttng"
)

// Pauses of a viewer that found nothing to read: from the first to the second,
// doubling.
const (
	viewerFirstPause = time.Millisecond
	viewerLastPause  = 20 * time.Millisecond
)

// viewer reads one session live, from its beginning, one request at a time as
// all viewers do.
type viewer struct {
	// Immutable after open.
	producer *producer
	sock     *socket
	session  lttng.SessionID // as the viewers' side numbers it
	fill     fill
	whole    bool  // compare whole packets, not heads only
	expect   []int // packets of each stream

	// Owned by the goroutine that reads.
	buf      []byte
	streams  []viewerStream // data streams
	metadata lttng.StreamID
	text     []byte // metadata received
	packets  int64
	bytes    int64
}

// viewerStream is a data stream as one viewer reads it.
type viewerStream struct {
	id   lttng.StreamID
	cpu  int
	next uint64 // sequence number of the packet to come
}

// openViewer attaches a viewer to the session of a producer, at its beginning.
func openViewer(ctx context.Context, at benchproc.Ports, p *producer, w Workload, whole bool) (_ *viewer, err error) {
	v := &viewer{producer: p, fill: p.packets.fill, whole: whole}
	for i := range w.Streams {
		v.expect = append(v.expect, w.streamPackets(i))
	}
	if v.sock, err = dial(ctx, at.Live); err != nil {
		return nil, v.failure(err)
	}
	defer func() {
		if err != nil {
			v.close()
			err = v.failure(err)
		}
	}()
	minor, err := v.connect()
	if err != nil {
		return nil, err
	}
	session, err := v.find(minor)
	if err != nil {
		return nil, err
	}
	v.session = session.ID
	return v, v.attach()
}

func (v *viewer) failure(err error) error {
	return fmt.Errorf("viewer of session %d: %w", v.producer.number, err)
}

// connect says CONNECT and CREATE_SESSION and returns the common minor.
func (v *viewer) connect() (lttng.Minor, error) {
	own := lttng.ViewerConnectMsg{Major: lttng.MajorVersion, Minor: 4, Type: lttng.ViewerTypeCommand}
	reply, err := v.call(lttng.ViewerConnect, own.Append, len(own.Append(nil)))
	if err != nil {
		return 0, err
	}
	peer, _, err := lttng.ParseViewerConnectMsg(reply)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", lttng.ViewerConnect, err)
	}
	reply, err = v.call(lttng.ViewerCreateSession, nil, 4)
	if err != nil {
		return 0, err
	}
	status, _, err := lttng.ParseStatus[lttng.CreateStatus](reply)
	if err != nil || status != lttng.CreateOK {
		return 0, fmt.Errorf("%s: got status %s: %w", lttng.ViewerCreateSession, status, err)
	}
	return lttng.Minor(min(own.Minor, peer.Minor)), nil
}

// viewerSessionBytes is the size of an entry of LIST_SESSIONS below minor 15,
// viewerStreamBytes of one of ATTACH_SESSION.
const (
	viewerSessionBytes = 339
	viewerStreamBytes  = 4371
)

// find looks the session up by its name.
func (v *viewer) find(minor lttng.Minor) (lttng.ViewerSession, error) {
	const cmd = lttng.ViewerListSessions
	list, err := v.callList(cmd, nil, 4, 0, viewerSessionBytes)
	if err != nil {
		return lttng.ViewerSession{}, err
	}
	sessions, _, err := lttng.ParseSessionList(list, minor)
	if err != nil {
		return lttng.ViewerSession{}, fmt.Errorf("%s: %w", cmd, err)
	}
	for _, s := range sessions.Sessions {
		if s.Hostname == benchHost && s.Name == v.producer.name {
			return s, nil
		}
	}
	return lttng.ViewerSession{}, fmt.Errorf("%s: session %s of host %s: not among %d", cmd, v.producer.name, benchHost, len(sessions.Sessions))
}

func (v *viewer) attach() error {
	const cmd = lttng.ViewerAttachSession
	m := lttng.AttachRequest{Session: v.session, Seek: lttng.SeekBeginning}
	b, err := v.callList(cmd, m.Append, 8, 4, viewerStreamBytes)
	if err != nil {
		return err
	}
	reply, _, err := lttng.ParseAttachReply(b)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	if reply.Status != lttng.AttachOK {
		return fmt.Errorf("%s: got status %s, want %s", cmd, reply.Status, lttng.AttachOK)
	}
	return v.addStreams(reply.Streams)
}

// newStreams asks for streams that were not announced yet.
func (v *viewer) newStreams() error {
	const cmd = lttng.ViewerGetNewStreams
	m := lttng.ViewerSessionRequest{Session: v.session}
	b, err := v.callList(cmd, m.Append, 8, 4, viewerStreamBytes)
	if err != nil {
		return err
	}
	reply, _, err := lttng.ParseNewStreamsReply(b)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	if reply.Status != lttng.NewStreamsOK && reply.Status != lttng.NewStreamsNone {
		return fmt.Errorf("%s: got status %s", cmd, reply.Status)
	}
	return v.addStreams(reply.Streams)
}

func (v *viewer) addStreams(streams []lttng.ViewerStream) error {
	for _, s := range streams {
		if s.Metadata {
			v.metadata = s.ID
			continue
		}
		number, ok := strings.CutPrefix(s.Channel, "ch_")
		cpu, err := strconv.Atoi(number)
		if !ok || err != nil || cpu < 0 || cpu >= len(v.expect) {
			return fmt.Errorf("stream %d: channel %q: want ch_0 to ch_%d", s.ID, s.Channel, len(v.expect)-1)
		}
		v.streams = append(v.streams, viewerStream{id: s.ID, cpu: cpu})
	}
	return nil
}

// follow reads until the viewer has everything the producer sends.
func (v *viewer) follow(ctx context.Context) error {
	wait := viewerFirstPause
	for {
		progress, err := v.round()
		if err != nil {
			return v.failure(err)
		}
		if v.complete() {
			return v.checkMetadata()
		}
		if progress {
			wait = viewerFirstPause
			continue
		}
		if err := benchproc.Pause(ctx, wait); err != nil {
			return v.failure(fmt.Errorf("after %d packets: %w", v.packets, err))
		}
		wait = min(2*wait, viewerLastPause)
	}
}

// round asks each stream that is not at its end for one packet and reports
// whether there was any.
func (v *viewer) round() (progress bool, err error) {
	if len(v.streams) < len(v.expect) || v.metadata == 0 {
		if err := v.newStreams(); err != nil {
			return false, err
		}
	}
	for i := range v.streams {
		s := &v.streams[i]
		if s.next == uint64(v.expect[s.cpu]) {
			continue
		}
		got, err := v.packet(s)
		if err != nil {
			return false, fmt.Errorf("stream %d: packet %d: %w", s.cpu, s.next, err)
		}
		progress = progress || got
	}
	if len(v.text) == 0 {
		return progress, v.readMetadata()
	}
	return progress, nil
}

// complete reports whether all packets and the metadata were received.
func (v *viewer) complete() bool {
	if len(v.streams) < len(v.expect) || len(v.text) == 0 {
		return false
	}
	for _, s := range v.streams {
		if s.next < uint64(v.expect[s.cpu]) {
			return false
		}
	}
	return true
}

// packet reads the next packet of a stream, if there is one.
func (v *viewer) packet(s *viewerStream) (bool, error) {
	m := lttng.ViewerStreamRequest{Stream: s.id}
	b, err := v.call(lttng.ViewerGetNextIndex, m.Append, 64)
	if err != nil {
		return false, err
	}
	x, _, err := lttng.ParseNextIndexReply(b)
	if err != nil {
		return false, fmt.Errorf("%s: %w", lttng.ViewerGetNextIndex, err)
	}
	if x.Flags&lttng.FlagNewMetadata != 0 {
		if err := v.readMetadata(); err != nil {
			return false, err
		}
	}
	switch x.Status {
	case lttng.IndexRetry, lttng.IndexInactive:
		return false, nil
	case lttng.IndexOK:
	default:
		return false, fmt.Errorf("%s: got status %s", lttng.ViewerGetNextIndex, x.Status)
	}
	if want := uint64(v.fill.packetBytes()) * 8; x.PacketSize != want {
		return false, fmt.Errorf("%s: packet size: got %d bits, want %d", lttng.ViewerGetNextIndex, x.PacketSize, want)
	}
	if err := v.fetch(s, x); err != nil {
		return false, err
	}
	s.next++
	return true, nil
}

// fetch reads and checks the packet of an index. Head and packet of the reply
// come with one read if they are there.
func (v *viewer) fetch(s *viewerStream, x lttng.NextIndexReply) error {
	const cmd, headBytes = lttng.ViewerGetPacket, 12
	m := lttng.PacketRequest{Stream: s.id, Offset: x.Offset, Len: uint32(x.PacketSize / 8)}
	if err := v.request(cmd, m.Append); err != nil {
		return err
	}
	v.size(headBytes + int(m.Len))
	got, err := v.sock.readAtLeast(v.buf, headBytes)
	if err != nil {
		return fmt.Errorf("%s reply: %w", cmd, err)
	}
	head, _, err := lttng.ParsePacketReply(v.buf[:got])
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	if head.Status != lttng.PacketOK || head.Len != m.Len {
		return fmt.Errorf("%s: got status %s and %d bytes, want %s and %d", cmd, head.Status, head.Len, lttng.PacketOK, m.Len)
	}
	if err := v.sock.readFull(v.buf[got:]); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	v.packets++
	v.bytes += int64(head.Len)
	packet := v.buf[headBytes:]
	if v.whole && !bytes.Equal(packet[packetHeadBytes:], v.fill.bytes) {
		return fmt.Errorf("%s: the events differ from those sent", cmd)
	}
	return v.fill.check(packet, v.producer.uuid, s.cpu, s.next)
}

// readMetadata reads all metadata that there is.
func (v *viewer) readMetadata() error {
	const cmd = lttng.ViewerGetMetadata
	if v.metadata == 0 {
		return nil
	}
	m := lttng.ViewerStreamRequest{Stream: v.metadata}
	for {
		b, err := v.call(cmd, m.Append, 12)
		if err != nil {
			return err
		}
		head, _, err := lttng.ParseMetadataReply(b)
		if err != nil {
			return fmt.Errorf("%s: %w", cmd, err)
		}
		switch {
		case head.Status == lttng.MetadataNone:
			return nil
		case head.Status != lttng.MetadataOK:
			return fmt.Errorf("%s: got status %s", cmd, head.Status)
		case head.Len > maxMetadataBytes:
			return fmt.Errorf("%s: got %d bytes, want at most %d", cmd, head.Len, maxMetadataBytes)
		}
		if b, err = v.receive(int(head.Len)); err != nil {
			return fmt.Errorf("%s: %w", cmd, err)
		}
		v.text = append(v.text, b...)
	}
}

const maxMetadataBytes = 1 << 20

func (v *viewer) checkMetadata() error {
	if want := v.producer.metadataBytes(); !bytes.Equal(v.text, want) {
		return v.failure(fmt.Errorf("metadata: got %d bytes that differ from the %d sent", len(v.text), len(want)))
	}
	return nil
}

func (v *viewer) request(cmd lttng.ViewerCommand, payload func([]byte) []byte) error {
	v.buf = lttng.AppendViewerRequest(v.buf[:0], cmd, payload)
	if err := v.sock.write(v.buf); err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return nil
}

// call sends a request and receives replyLen bytes, which hold until the next
// call.
func (v *viewer) call(cmd lttng.ViewerCommand, payload func([]byte) []byte, replyLen int) ([]byte, error) {
	if err := v.request(cmd, payload); err != nil {
		return nil, err
	}
	b, err := v.receive(replyLen)
	if err != nil {
		return nil, fmt.Errorf("%s reply: %w", cmd, err)
	}
	return b, nil
}

// callList is a call whose reply has headBytes, a count at countAt in them, and
// that many entries.
func (v *viewer) callList(cmd lttng.ViewerCommand, payload func([]byte) []byte, headBytes, countAt, entryBytes int) ([]byte, error) {
	b, err := v.call(cmd, payload, headBytes)
	if err != nil {
		return nil, err
	}
	reply := bytes.Clone(b)
	count := binary.BigEndian.Uint32(reply[countAt:])
	if count > maxStreams+maxSessions {
		return nil, fmt.Errorf("%s: got %d entries, want at most %d", cmd, count, maxStreams+maxSessions)
	}
	if b, err = v.receive(int(count) * entryBytes); err != nil {
		return nil, fmt.Errorf("%s reply: %w", cmd, err)
	}
	return append(reply, b...), nil
}

func (v *viewer) receive(n int) ([]byte, error) {
	v.size(n)
	return v.buf, v.sock.readFull(v.buf)
}

// size gives the buffer n bytes.
func (v *viewer) size(n int) {
	if cap(v.buf) < n {
		v.buf = make([]byte, n)
	}
	v.buf = v.buf[:n]
}

func (v *viewer) close() { v.sock.close() }
