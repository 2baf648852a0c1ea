// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/ctf/schema"
)

// scanWindow is how much of each packet a scan reads at first, in bytes.
const scanWindow = 1 << 10

// dataFile is a data file with the packets that were found in it.
type dataFile struct {
	path    string
	info    fs.FileInfo // when it was last looked at
	class   *schema.Stream
	packets []PacketInfo // until they are the stream's
	count   int          // of packets
	end     int64        // of the last packet, bytes
	err     error        // why there are no packets behind the last

	stream *Stream // nil: none yet
	number int     // of the file in the stream
}

// scanner finds the packets of the data files of a trace.
type scanner struct {
	trace *Trace
	probe *streamPlan // decodes packet headers alone
}

func newScanner(t *Trace) *scanner {
	return &scanner{trace: t, probe: newStreamPlan(&schema.Stream{Trace: t.Schema})}
}

// file finds the packets of a file, by its index as far as that is good, by
// their headers behind it. What is wrong within the file is in the result: its
// packets before that are good.
func (s *scanner) file(path string) (*dataFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	df := &dataFile{path: path, info: info}
	s.fill(df, f)
	if s.trace.opts.Growing && isEarly(df.err) {
		df.err = nil // there will be more
	}
	df.found(df.packets)
	return df, nil
}

// found counts packets behind those that the file was known to have.
func (f *dataFile) found(packets []PacketInfo) {
	if n := len(packets); n > 0 {
		last := &packets[n-1]
		f.count += n
		f.end = last.Offset + int64(last.Size/8)
	}
}

// fill finds the stream class and the packets of a file.
func (s *scanner) fill(df *dataFile, f *os.File) {
	size := df.info.Size()
	first := rawPacket{data: f, avail: size}
	if df.class, df.err = s.classOf(df.path, first); df.err != nil {
		return
	}
	d := newDecoder(df.path, s.trace.plan(df.class), scanWindow)
	if df.err = d.open(first); df.err != nil {
		return
	}
	var offset int64
	df.packets = readIndex(df.path, &d.packet.PacketInfo, size)
	if n := len(df.packets); n > 0 {
		last := &df.packets[n-1]
		offset = last.Offset + int64(last.Size/8)
	}
	var rest []PacketInfo
	rest, df.err = scan(d, f, len(df.packets), offset, size)
	df.packets = append(df.packets, rest...)
}

// isEarly reports whether a packet is bad because the file ends within it, or
// the metadata do not know of its stream class.
func isEarly(err error) bool {
	var e *PacketError
	return errors.As(err, &e) && (e.torn || e.later)
}

// classOf decodes the header of a packet as far as its stream class.
func (s *scanner) classOf(path string, raw rawPacket) (*schema.Stream, error) {
	streams := s.trace.Schema.Streams
	if !s.probe.roles[schema.RoleStreamClassID] {
		if len(streams) != 1 {
			return nil, fmt.Errorf("stream %s: packets carry no stream_id, and the metadata has %d stream classes", path, len(streams))
		}
		return streams[0], nil
	}
	d := newDecoder(path, s.probe, scanWindow)
	d.probe = true
	if err := d.open(raw); err != nil {
		return nil, err
	}
	id := d.packet.ClassID
	c := s.trace.Schema.Stream(id)
	if c == nil {
		err := d.bad(0, "stream_id", fmt.Sprint(id), "the id of a stream class of the metadata")
		err.later = true
		return nil, err
	}
	return c, nil
}

// scan finds the packets of a file from an offset on, before which there are
// some.
func scan(d *decoder, f io.ReaderAt, before int, offset, size int64) ([]PacketInfo, error) {
	var packets []PacketInfo
	for offset < size {
		d.packet.Number = uint64(before + len(packets))
		if err := d.open(rawPacket{data: f, offset: offset, avail: size - offset}); err != nil {
			return packets, err
		}
		d.finish()
		p := d.packet.PacketInfo
		if p.Size == 0 {
			return packets, d.bad(0, "packet_size", "0", "the size of a packet")
		}
		packets = append(packets, p)
		offset += int64(p.Size / 8)
	}
	return packets, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return b, nil
}

// readIndex returns the packets of a data file by its index file, as far as
// that is consistent with the file's size and its first packet; nil without one.
func readIndex(path string, first *PacketInfo, size int64) []PacketInfo {
	// An index that is larger than the data is none: each packet has more than
	// a record's bytes.
	b, err := readBounded(filepath.Join(filepath.Dir(path), "index", filepath.Base(path)+".idx"), max(size, IndexHeaderLen+MaxIndexRecordLen))
	if err != nil {
		return nil
	}
	h, err := ParseIndexHeader(b)
	if err != nil {
		return nil
	}
	b = b[IndexHeaderLen:]
	packets := make([]PacketInfo, 0, len(b)/int(h.RecordLen))
	var offset uint64
	for ; len(b) >= int(h.RecordLen); b = b[h.RecordLen:] {
		r, err := ParseIndexEntry(b, h.RecordLen)
		if err != nil || r.Offset != offset || r.PacketSize%8 != 0 || r.PacketSize == 0 ||
			r.ContentSize > r.PacketSize || r.PacketSize/8 > uint64(size)-offset {
			break
		}
		packets = append(packets, indexed(&r, first, h.RecordLen))
		offset += r.PacketSize / 8
	}
	if len(packets) == 0 || packets[0].Size != first.Size || packets[0].ContentSize != first.ContentSize ||
		packets[0].Begin != first.Begin || packets[0].ClassID != first.ClassID {
		return nil
	}
	return packets
}

// indexed makes a packet's description from its index record; what the record
// lacks is as in the first packet of the file.
func indexed(r *IndexEntry, first *PacketInfo, recordLen uint32) PacketInfo {
	p := *first
	p.Offset, p.Size, p.ContentSize = int64(r.Offset), r.PacketSize, r.ContentSize
	p.Begin, p.End, p.Discarded = r.TimestampBegin, r.TimestampEnd, r.EventsDiscarded
	if recordLen >= IndexRecordLenMinor {
		p.Sequence = r.PacketSeqNum
	} else {
		p.Has &^= HasSequence
	}
	return p
}

// regularFiles lists the data files of a directory: every regular file but the
// metadata, hidden ones and empty ones. It tells whether there is a metadata file.
func regularFiles(dir string) (files []string, metadata bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows links, as tracers' trees may hold them
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		switch {
		case e.Name() == "metadata":
			metadata = true
		case e.Name()[0] == '.' || info.Size() == 0:
		default:
			files = append(files, path)
		}
	}
	return files, metadata, nil
}

// Find returns the directories at or below a path that hold a trace, in
// lexical order. The path may be a symbolic link, those below it are not
// followed.
func Find(root string) ([]string, error) {
	var dirs []string
	root = filepath.Clean(root)
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && filepath.Clean(path) != root:
			return nil // moved or deleted meanwhile
		case err != nil:
			return err
		case e.Name() == "metadata" && isRegular(path):
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return dirs, nil
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
