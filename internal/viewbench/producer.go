// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/lttng"
)

// producer is a relay session whose events are written when they happen, and
// whose packets are sent when the live timer ticks.
type producer struct {
	control, data net.Conn
	minor         lttng.Minor
	buf           []byte
	declared      declared
	streams       []*ctf.StreamWriter
	events        int
}

// openProducer creates the session with its streams and metadata, whose text is
// made in dir.
func openProducer(ctx context.Context, dir string, at benchproc.Ports) (_ *producer, err error) {
	p := &producer{}
	defer func() {
		if err != nil {
			p.close()
			err = fmt.Errorf("producer: %w", err)
		}
	}()
	var d net.Dialer
	if p.control, err = d.DialContext(ctx, "tcp4", at.Control.String()); err != nil {
		return nil, err
	}
	if p.data, err = d.DialContext(ctx, "tcp4", at.Data.String()); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, p.close)
	if err := p.greet(); err != nil {
		return nil, err
	}
	if p.declared, err = declare(liveHost); err != nil {
		return nil, err
	}
	if err := p.create(); err != nil {
		return nil, err
	}
	return p, p.addStreams(dir)
}

// call sends a request and receives replyLen bytes, which hold until the next
// call.
func (p *producer) call(cmd lttng.Command, payload func([]byte) []byte, replyLen int) ([]byte, error) {
	p.buf = lttng.AppendRequest(p.buf[:0], cmd, payload)
	if _, err := p.control.Write(p.buf); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	p.buf = append(p.buf[:0], make([]byte, replyLen)...)
	if _, err := io.ReadFull(p.control, p.buf); err != nil {
		return nil, fmt.Errorf("%s reply: %w", cmd, err)
	}
	return p.buf, nil
}

// Lengths of replies.
const (
	codeBytes        = 4
	streamBytes      = 12
	sessionHeadBytes = 16
	sessionPathAt    = 12 // length of the path behind the head
)

// command is a call whose reply is a code, which must be OK.
func (p *producer) command(cmd lttng.Command, payload func([]byte) []byte) error {
	reply, err := p.call(cmd, payload, codeBytes)
	if err != nil {
		return err
	}
	code, _, err := lttng.ParseCode(reply)
	if err == nil && code != lttng.ReplyOK {
		err = fmt.Errorf("%s: got code %s, want %s", cmd, code, lttng.ReplyOK)
	}
	return err
}

// greet agrees on a version.
func (p *producer) greet() error {
	own := lttng.Version{Major: lttng.MajorVersion, Minor: lttng.MinorVersion}
	reply, err := p.call(lttng.CmdVersion, own.Append, len(own.Append(nil)))
	if err != nil {
		return err
	}
	v, _, err := lttng.ParseVersionReply(reply)
	p.minor = lttng.Minor(min(v.Minor, own.Minor))
	return err
}

// create opens the session and its first chunk.
func (p *producer) create() error {
	now := uint64(time.Now().Unix())
	m := lttng.CreateSession{
		Name: liveName, Hostname: liveHost, LiveTimer: uint32(liveTimer.Microseconds()),
		SessiondUUID: *p.declared.trace.UUID, CreationTime: now, TraceFormat: lttng.FormatCTF1,
	}
	b, err := p.call(lttng.CmdCreateSession, func(b []byte) []byte { return m.Append(b, p.minor) }, sessionHeadBytes)
	if err != nil {
		return err
	}
	path := binary.BigEndian.Uint32(b[sessionPathAt:])
	if _, err := io.CopyN(io.Discard, p.control, int64(path)); err != nil {
		return err
	}
	chunk := lttng.CreateTraceChunk{CreationTime: now}
	return p.command(lttng.CmdCreateTraceChunk, chunk.Append)
}

func (p *producer) addStream(channel string) (lttng.StreamID, error) {
	m := lttng.AddStream{Channel: channel, Path: "ust/uid/0/64-bit"}
	b, err := p.call(lttng.CmdAddStream, func(b []byte) []byte { return m.Append(b, p.minor) }, streamBytes)
	if err != nil {
		return 0, err
	}
	reply, _, err := lttng.ParseStreamReply(b)
	if err == nil && reply.Code != lttng.ReplyOK {
		err = fmt.Errorf("stream %s: got code %s, want %s", channel, reply.Code, lttng.ReplyOK)
	}
	return reply.Stream, err
}

// addStreams announces the data streams and the metadata stream, sends the
// metadata and makes all of them visible.
func (p *producer) addStreams(dir string) error {
	for cpu := range liveStreams {
		name := fmt.Sprintf("ch_%d", cpu)
		id, err := p.addStream(name)
		if err != nil {
			return err
		}
		sent := uint64(0)
		send := ctf.PacketFunc(func(packet []byte, info ctf.PacketInfo) error {
			err := p.send(id, sent, packet, info)
			sent++
			return err
		})
		w, err := ctf.NewStreamWriter(p.declared.stream, send, ctf.StreamOptions{Name: name, Instance: uint64(cpu)})
		if err != nil {
			return err
		}
		p.streams = append(p.streams, w)
	}
	id, err := p.addStream("metadata")
	if err != nil {
		return err
	}
	text, err := p.metadata(dir)
	if err != nil {
		return err
	}
	m := lttng.Metadata{Stream: id, Content: text}
	if _, err := p.control.Write(lttng.AppendRequest(nil, lttng.CmdSendMetadata, m.Append)); err != nil {
		return err
	}
	return p.command(lttng.CmdStreamsSent, nil)
}

// metadata returns the metadata as the file of a trace has them.
func (p *producer) metadata(dir string) ([]byte, error) {
	t, err := ctf.CreateTrace(dir, p.declared.trace, ctf.TraceOptions{Packetized: true})
	if err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "metadata"))
}

// send sends a packet and its index.
func (p *producer) send(id lttng.StreamID, number uint64, packet []byte, info ctf.PacketInfo) error {
	head := lttng.DataHeader{Stream: id, NetSeqNum: number, DataSize: uint32(len(packet))}.Append(nil)
	if _, err := p.data.Write(append(head, packet...)); err != nil {
		return err
	}
	x := lttng.Index{
		Stream: id, NetSeqNum: number, PacketSize: info.Size, ContentSize: info.ContentSize,
		TimestampBegin: info.Begin, TimestampEnd: info.End, StreamClass: info.ClassID,
		InstanceID: info.InstanceID, PacketSeqNum: info.Sequence,
	}
	return p.command(lttng.CmdSendIndex, func(b []byte) []byte { return x.Append(b, p.minor) })
}

// run lets events happen for a time, one after the other in the streams, and
// sends what they wrote whenever the live timer ticks.
func (p *producer) run(ctx context.Context, long time.Duration) error {
	event, timer := time.NewTicker(eventPeriod), time.NewTicker(liveTimer)
	defer event.Stop()
	defer timer.Stop()
	stop := time.NewTimer(long + 10*liveTimer) // the viewer has to come first
	defer stop.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-stop.C:
			return nil
		case <-event.C:
			w := p.streams[p.events%len(p.streams)]
			if err := p.declared.write(w, p.events, uint64(time.Now().UnixNano())); err != nil {
				return fmt.Errorf("producer: %w", err)
			}
			p.events++
		case <-timer.C:
			now := uint64(time.Now().UnixNano())
			var errs []error
			for _, w := range p.streams {
				errs = append(errs, w.ClosePacket(now))
			}
			if err := errors.Join(errs...); err != nil {
				return fmt.Errorf("producer: %w", err)
			}
		}
	}
}

// close frees the connections.
func (p *producer) close() {
	for _, c := range []net.Conn{p.control, p.data} {
		if c != nil {
			c.Close()
		}
	}
}
