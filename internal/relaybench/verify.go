// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/ctf"
)

// verify compares the files below a relay's output directory with what the
// load's producers sent: metadata, sizes, the head of each packet and each
// record of the index files. The relay must have stopped.
func (l *Load) verify(output string) error {
	for _, p := range l.producers {
		if err := p.verify(filepath.Join(output, filepath.FromSlash(p.path), streamPath)); err != nil {
			return fmt.Errorf("verify session %d: %w", p.number, err)
		}
	}
	return nil
}

func (p *producer) verify(dir string) error {
	stored, err := os.ReadFile(filepath.Join(dir, "metadata"))
	if err != nil {
		return err
	}
	if want := p.metadataBytes(); !bytes.Equal(stored, want) {
		return fmt.Errorf("%s: got %d bytes that differ from the %d sent", filepath.Join(dir, "metadata"), len(stored), len(want))
	}
	for cpu, s := range p.streams {
		if err := p.verifyStream(dir, cpu, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *producer) verifyStream(dir string, cpu int, s producerStream) error {
	name := filepath.Join(dir, channelName(cpu))
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f := p.packets.fill
	if want := int64(s.next) * int64(f.packetBytes()); info.Size() != want {
		return fmt.Errorf("%s: got %d bytes, want %d", name, info.Size(), want)
	}
	if s.next == 0 {
		return nil // an index file is made with the first packet
	}
	if err := p.verifyIndex(filepath.Join(dir, "index", channelName(cpu)+".idx"), cpu, s); err != nil {
		return err
	}
	head := make([]byte, packetHeadBytes)
	for seq := range s.next {
		if _, err := file.ReadAt(head, int64(seq)*int64(f.packetBytes())); err != nil {
			return fmt.Errorf("%s: packet %d: %w", name, seq, err)
		}
		if err := f.check(head, p.uuid, cpu, seq); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *producer) verifyIndex(name string, cpu int, s producerStream) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	header, err := ctf.ParseIndexHeader(b)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	records := b[ctf.IndexHeaderLen:]
	if want := s.next * uint64(header.RecordLen); uint64(len(records)) != want {
		return fmt.Errorf("%s: got %d bytes of records, want %d for %d packets", name, len(records), want, s.next)
	}
	for seq := range s.next {
		got, err := ctf.ParseIndexEntry(records, header.RecordLen)
		if err != nil {
			return fmt.Errorf("%s: record %d: %w", name, seq, err)
		}
		if want := p.packets.fill.entry(s, cpu, seq); got != want {
			return fmt.Errorf("%s: record %d: got %+v, want %+v", name, seq, got, want)
		}
		records = records[header.RecordLen:]
	}
	return nil
}

// entry returns the record of an index file that packet seq of a stream makes.
func (f fill) entry(s producerStream, cpu int, seq uint64) ctf.IndexEntry {
	x := f.index(s.id, cpu, seq)
	return ctf.IndexEntry{
		Offset:          seq * uint64(f.packetBytes()),
		PacketSize:      x.PacketSize,
		ContentSize:     x.ContentSize,
		TimestampBegin:  x.TimestampBegin,
		TimestampEnd:    x.TimestampEnd,
		EventsDiscarded: x.EventsDiscarded,
		StreamClass:     x.StreamClass,
		InstanceID:      x.InstanceID,
		PacketSeqNum:    x.PacketSeqNum,
	}
}
