// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"os"
	"path/filepath"
)

// FileSink appends packets to a data file and, where they carry begin and end,
// their records to an index file. A record is written after its packet's bytes,
// so that a reader who follows the index sees whole packets only.
type FileSink struct {
	data, index *os.File
	size        int64 // of the data file: packets written
	indexed     int64 // of the index file: records written
}

// CreateFileSink creates dir/name and dir/index/name.idx. Neither may be there.
func CreateFileSink(dir, name string) (*FileSink, error) {
	if err := os.MkdirAll(filepath.Join(dir, "index"), 0o777); err != nil {
		return nil, err
	}
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	data, err := os.OpenFile(filepath.Join(dir, name), flags, 0o666)
	if err != nil {
		return nil, err
	}
	index, err := os.OpenFile(filepath.Join(dir, "index", name+".idx"), flags, 0o666)
	if err != nil {
		return nil, errors.Join(err, data.Close(), os.Remove(data.Name()))
	}
	return NewFileSink(data, index), nil
}

// NewFileSink writes to two empty files, which it takes over. Without an index
// file, nil, there will be no index.
func NewFileSink(data, index *os.File) *FileSink { return &FileSink{data: data, index: index} }

// WritePacket implements [PacketSink]. After an error both files are as before,
// as far as that can be done.
func (s *FileSink) WritePacket(packet []byte, info PacketInfo) error {
	if _, err := s.data.WriteAt(packet, s.size); err != nil {
		return errors.Join(err, s.data.Truncate(s.size))
	}
	if err := s.writeIndex(info); err != nil {
		return errors.Join(err, s.index.Truncate(s.indexed), s.data.Truncate(s.size))
	}
	s.size += int64(len(packet))
	return nil
}

func (s *FileSink) writeIndex(info PacketInfo) error {
	const times = HasBegin | HasEnd
	if s.index == nil || info.Has&times != times {
		return nil
	}
	var b []byte
	if s.indexed == 0 {
		b = AppendIndexHeader(b, 1)
	}
	b = IndexEntry{
		Offset: uint64(s.size), PacketSize: info.Size, ContentSize: info.ContentSize,
		TimestampBegin: info.Begin, TimestampEnd: info.End, EventsDiscarded: info.Discarded,
		StreamClass: info.ClassID, InstanceID: info.InstanceID, PacketSeqNum: info.Sequence,
	}.Append(b, IndexRecordLenMinor)
	if _, err := s.index.WriteAt(b, s.indexed); err != nil {
		return err
	}
	s.indexed += int64(len(b))
	return nil
}

// Close closes both files. An index file without records is removed.
func (s *FileSink) Close() error {
	err := s.data.Close()
	if s.index == nil {
		return err
	}
	err = errors.Join(err, s.index.Close())
	if s.indexed == 0 {
		err = errors.Join(err, os.Remove(s.index.Name()))
	}
	return err
}
