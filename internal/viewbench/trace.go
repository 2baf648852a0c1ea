// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package viewbench

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// shape is what a trace is made of.
type shape struct {
	events, streams int
	packetBytes     int
}

// keepFew is a filter that keeps an event of 1024.
const keepFew = "(n & 1023) == 7"

// keepMost is a filter that leaves out an event of 1024.
const keepMost = "(n & 1023) != 7"

// declared is the trace class of all traces that are made: that of a UST
// program with one tracepoint of an integer and a text and three contexts.
type declared struct {
	trace  *schema.Trace
	stream *schema.Stream
	event  *schema.Event
}

func declare(hostname string) (d declared, err error) {
	var id schema.UUID
	_, _ = rand.Read(id[:]) // never fails
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: id, Env: []schema.EnvEntry{
		{Name: "hostname", String: hostname},
		{Name: "domain", String: "ust"},
	}})
	s, err := b.Stream(ctf.LargeHeader, ctf.Int("vpid", 32), ctf.Int("vtid", 32), ctf.Text("procname", 17))
	if err != nil {
		return d, err
	}
	d.trace, d.stream = b.Trace(), s.Class()
	d.event, err = s.Event("hello:tick", 13, ctf.Int("n", 32), ctf.Str("msg"))
	return d, err
}

// write writes event n at a time in ns since the Unix epoch.
func (d *declared) write(w *ctf.StreamWriter, n int, at uint64) error {
	const pid = 4242
	var text [16]byte
	msg := strconv.AppendInt(append(text[:0], "tick "...), int64(n), 10)
	e := w.Event(d.event, at)
	e.Int(pid)
	e.Int(pid + 1)
	e.String("hello")
	e.Int(int64(n))
	e.Bytes(msg)
	return e.End()
}

// firstTime is when the traces that are made begin, in ns since the Unix epoch.
const firstTime = 1_800_000_000_000_000_000

// spacing is the time between two events of a trace that is made, in ns.
const spacing = 500

// makeTrace writes a trace. Its streams take turns of irregular length, as the
// CPUs of a host do.
func makeTrace(dir string, s shape) error {
	d, err := declare("bench")
	if err != nil {
		return err
	}
	t, err := ctf.CreateTrace(dir, d.trace, ctf.TraceOptions{Packetized: true, Stream: ctf.StreamOptions{PacketBytes: s.packetBytes}})
	if err != nil {
		return err
	}
	streams := make([]*ctf.StreamWriter, s.streams)
	for cpu := range streams {
		if streams[cpu], err = t.Stream(d.stream, "ch", cpu); err != nil {
			return errors.Join(err, t.Close())
		}
	}
	turns := uint64(1)
	cpu := 0
	for n := range s.events {
		if turns = turns*6364136223846793005 + 1442695040888963407; turns>>62 == 0 {
			cpu = (cpu + 1) % s.streams
		}
		if err := d.write(streams[cpu], n, firstTime+uint64(n)*spacing); err != nil {
			return errors.Join(err, t.Close())
		}
	}
	return t.Close()
}

// The trace that is sought in.
const (
	longStreams     = 2
	longPacketBytes = 1 << 20
	longPacketTime  = 10_000_000 // ns that a packet spans
	longFullPackets = 40         // at the end of each stream, in which events fill the packet
	longFewEvents   = 20         // in each of the others, the rest of which is a hole
)

// makeLongTrace writes a trace of many bytes of which few are on the disk, and
// returns the time of its last event.
func makeLongTrace(dir string, size int64) (last uint64, err error) {
	d, err := declare("bench")
	if err != nil {
		return 0, err
	}
	t, err := ctf.CreateTrace(dir, d.trace, ctf.TraceOptions{Packetized: true})
	if err != nil {
		return 0, err
	}
	if err := t.Close(); err != nil {
		return 0, err
	}
	packets := int(max(size/longPacketBytes/longStreams, 2*longFullPackets))
	for cpu := range longStreams {
		if err := makeLongStream(dir, &d, cpu, packets); err != nil {
			return 0, err
		}
	}
	return firstTime + uint64(packets)*longPacketTime, nil
}

func makeLongStream(dir string, d *declared, cpu, packets int) error {
	name := "ch_" + strconv.Itoa(cpu)
	sink, err := newHoleSink(dir, name)
	if err != nil {
		return err
	}
	w, err := ctf.NewStreamWriter(d.stream, sink, ctf.StreamOptions{
		Name: name, Instance: uint64(cpu), PacketBytes: longPacketBytes, PadBytes: longPacketBytes,
	})
	for i := 0; i < packets && err == nil; i++ {
		begin := firstTime + uint64(i)*longPacketTime
		events := longFewEvents
		if i >= packets-longFullPackets {
			events = (longPacketBytes - 4<<10) / 53
		}
		err = w.OpenPacket(begin)
		for n := 0; n < events && err == nil; n++ {
			err = d.write(w, n, begin+uint64(n)*longPacketTime/uint64(events))
		}
		if err == nil {
			err = w.ClosePacket(begin + longPacketTime - 1)
		}
	}
	return errors.Join(err, sink.close())
}

// holeSink is a [ctf.PacketSink] that writes what a packet holds and leaves a
// hole where it holds nothing.
type holeSink struct {
	data, index *os.File
	size        int64
	records     []byte
}

func newHoleSink(dir, name string) (*holeSink, error) {
	data, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "index"), 0o777); err != nil {
		return nil, errors.Join(err, data.Close())
	}
	index, err := os.Create(filepath.Join(dir, "index", name+".idx"))
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	return &holeSink{data: data, index: index, records: ctf.AppendIndexHeader(nil, 1)}, nil
}

// WritePacket implements [ctf.PacketSink].
func (s *holeSink) WritePacket(packet []byte, info ctf.PacketInfo) error {
	content := bytes.TrimRight(packet, "\x00")
	if _, err := s.data.WriteAt(content, s.size); err != nil {
		return err
	}
	s.records = ctf.IndexEntry{
		Offset: uint64(s.size), PacketSize: info.Size, ContentSize: info.ContentSize,
		TimestampBegin: info.Begin, TimestampEnd: info.End, StreamClass: info.ClassID,
		InstanceID: info.InstanceID, PacketSeqNum: info.Sequence,
	}.Append(s.records, ctf.IndexRecordLenMinor)
	s.size += int64(len(packet))
	return nil
}

func (s *holeSink) close() error {
	_, err := s.index.Write(s.records)
	return errors.Join(err, s.data.Truncate(s.size), s.data.Close(), s.index.Close())
}
