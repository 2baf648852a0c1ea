// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/lttng"
)

// Names that the generator gives to what it creates.
const (
	benchHost  = "bench"
	streamPath = "ust/uid/0/64-bit"
	liveTimer  = 1_000_000 // µs
)

// producer is one relay session with its two connections, as a session daemon
// and a consumer daemon open them.
type producer struct {
	// Immutable after open.
	number   int
	name     string
	uuid     [16]byte // of the trace, and of the session daemon
	id       lttng.SessionID
	path     string // of the session, below the relay's output directory
	control  *control
	data     *socket
	metadata []metadataPacket

	// Owned by the goroutine that sends.
	packets *packetWriter
	streams []producerStream
	turn    int // stream of the next packet
}

// producerStream is one stream; its place in the list is its CPU number.
type producerStream struct {
	id   lttng.StreamID
	next uint64 // sequence number of its next packet
}

// newUUID returns a random UUID of version 4.
func newUUID() [16]byte {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// openProducer creates session number with its streams and metadata. Live
// sessions have a live timer.
func openProducer(ctx context.Context, at benchproc.Ports, number, streams int, live bool, f fill) (_ *producer, err error) {
	p := &producer{number: number, name: "session" + strconv.Itoa(number), uuid: newUUID()}
	defer func() {
		if err != nil {
			p.close()
			err = fmt.Errorf("session %d: %w", number, err)
		}
	}()
	if p.control, err = dialControl(ctx, at.Control); err != nil {
		return nil, err
	}
	now := uint64(time.Now().Unix())
	if err := p.create(now, live); err != nil {
		return nil, err
	}
	if p.data, err = dial(ctx, at.Data); err != nil {
		return nil, fmt.Errorf("data connection: %w", err)
	}
	chunk := lttng.CreateTraceChunk{CreationTime: now}
	if err := p.control.command(lttng.CmdCreateTraceChunk, chunk.Append); err != nil {
		return nil, err
	}
	p.packets = newPacketWriter(p.uuid, f)
	return p, p.addStreams(streams)
}

// create opens the relay session.
func (p *producer) create(now uint64, live bool) error {
	m := lttng.CreateSession{
		Name: p.name, Hostname: benchHost,
		SessiondUUID: p.uuid, CreationTime: now, TraceFormat: lttng.FormatCTF1,
	}
	if live {
		m.LiveTimer = liveTimer
	}
	reply, err := p.control.createSession(m)
	if err != nil {
		return err
	}
	p.id, p.path = reply.Session, reply.Path
	return nil
}

// addStreams announces n data streams and the metadata stream, sends the
// metadata and makes all of them visible.
func (p *producer) addStreams(n int) error {
	for i := range n {
		id, err := p.control.addStream(lttng.AddStream{Channel: channelName(i), Path: streamPath})
		if err != nil {
			return err
		}
		p.streams = append(p.streams, producerStream{id: id})
	}
	id, err := p.control.addStream(lttng.AddStream{Channel: "metadata", Path: streamPath})
	if err != nil {
		return err
	}
	p.metadata = packetizeMetadata(p.uuid, metadataText(p.uuid, p.name))
	for _, packet := range p.metadata {
		if err := p.control.sendMetadata(id, packet); err != nil {
			return err
		}
	}
	return p.control.command(lttng.CmdStreamsSent, nil)
}

// channelName returns the name of stream i: channel and CPU.
func channelName(i int) string { return "ch_" + strconv.Itoa(i) }

// send sends the next n packets with their indexes and returns when all
// indexes are answered.
func (p *producer) send(n int, mode IndexMode) (err error) {
	indexes := newIndexer(mode, p.control, p.packets.fill.packetBytes())
	for range n {
		if err = p.sendPacket(indexes); err != nil {
			p.control.sock.shutdown()
			break
		}
	}
	if finishErr := indexes.finish(); err == nil {
		err = finishErr
	}
	if err != nil {
		return fmt.Errorf("session %d: %w", p.number, err)
	}
	return nil
}

func (p *producer) sendPacket(indexes indexer) error {
	cpu := p.turn
	s := &p.streams[cpu]
	f := p.packets.fill
	if err := p.data.write2(p.packets.next(s.id, cpu, s.next), f.bytes); err != nil {
		return fmt.Errorf("packet %d of stream %d: %w", s.next, cpu, err)
	}
	if err := indexes.add(f.index(s.id, cpu, s.next)); err != nil {
		return fmt.Errorf("index %d of stream %d: %w", s.next, cpu, err)
	}
	s.next++
	p.turn = (cpu + 1) % len(p.streams)
	return nil
}

// pendingPause is the pause between two rounds of questions.
const pendingPause = time.Millisecond

// awaitStored returns when the relay has stored all packets of all streams.
func (p *producer) awaitStored(ctx context.Context) error {
	for i, s := range p.streams {
		if s.next == 0 {
			continue
		}
		question := lttng.DataPending{Stream: s.id, LastNetSeqNum: s.next - 1}
		for {
			pending, err := p.control.pending(question)
			if err == nil && pending {
				err = benchproc.Pause(ctx, pendingPause)
			}
			if err != nil {
				return fmt.Errorf("session %d: wait for stream %d: %w", p.number, i, err)
			}
			if !pending {
				break
			}
		}
	}
	return nil
}

// closeStreams says that no more packets follow, as the end of a tracing
// session does.
func (p *producer) closeStreams() error {
	for i, s := range p.streams {
		last := lttng.NoSeq
		if s.next > 0 {
			last = s.next - 1
		}
		m := lttng.CloseStream{Stream: s.id, LastNetSeqNum: last}
		if err := p.control.command(lttng.CmdCloseStream, m.Append); err != nil {
			return fmt.Errorf("session %d: stream %d: %w", p.number, i, err)
		}
	}
	return nil
}

// close frees the connections.
func (p *producer) close() {
	if p.control != nil {
		p.control.sock.close()
	}
	if p.data != nil {
		p.data.close()
	}
}

// metadataBytes returns the metadata as the relay stores it.
func (p *producer) metadataBytes() []byte {
	var b []byte
	for _, m := range p.metadata {
		b = append(b, m.content...)
		b = append(b, make([]byte, m.padding)...)
	}
	return b
}
