// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package resend lists the traces that consumers have kept of packets that no relay
// had got when their session ended, and sends them to one.
//
//	NAME/DOMAIN/metadata
//	NAME/DOMAIN/CHANNEL_CPU
//	NAME/DOMAIN/index/CHANNEL_CPU.idx
//
// A trace is sent with the numbers that its packets have: to the relay that they were
// for in the files that it has of them, as far as it has not got them, and to another
// one as a session of its own.
package resend

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/lttng"
)

// Trace is what was kept of one domain of a session.
type Trace struct {
	Name    string    `json:"name"`
	Domain  string    `json:"domain"`
	Packets int       `json:"packets"`
	Bytes   int64     `json:"bytes"`
	There   int       `json:"there,omitempty"` // packets that the relay had when it was sent
	Time    time.Time `json:"time"`            // when it was kept

	dir string // NAME/DOMAIN
}

const (
	metadataFile = "metadata"
	indexExt     = ".idx"
)

// List returns the traces below a directory, which need not exist: of one name, or
// of all if that is empty. Who may not list the directory may know a name.
func List(dir, name string) ([]Trace, error) {
	names := []string{name}
	if name == "" {
		var err error
		if names, err = list(dir); err != nil {
			return nil, err
		}
	} else if name != filepath.Base(name) {
		return nil, fmt.Errorf("name %q of a kept trace: want no path", name)
	}
	all := []Trace{}
	for _, name := range names {
		domains, err := list(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		for _, domain := range domains {
			t := Trace{Name: name, Domain: domain, dir: filepath.Join(dir, name, domain)}
			switch err := t.look(); {
			case errors.Is(err, fs.ErrNotExist): // none
			case err != nil:
				return nil, err
			default:
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// list returns what directories are in another one, which need not exist.
func list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// look finds out what is in the trace.
func (t *Trace) look() error {
	if _, err := os.Stat(filepath.Join(t.dir, metadataFile)); err != nil {
		return err
	}
	info, err := os.Stat(t.dir)
	if err != nil {
		return err
	}
	t.Time = info.ModTime()
	streams, err := t.streams()
	if err != nil {
		return err
	}
	for _, s := range streams {
		t.Packets += len(s.packets)
		for i := range s.packets {
			t.Bytes += int64(s.packets[i].PacketSize / 8)
		}
	}
	return nil
}

// globEscape makes a path a pattern of itself.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// stream is one file of packets with its index.
type stream struct {
	path    string
	packets []ctf.IndexEntry
}

func (t *Trace) streams() ([]stream, error) {
	indexes, err := filepath.Glob(filepath.Join(globEscape(t.dir), "index", "*"+indexExt))
	if err != nil {
		return nil, err
	}
	var all []stream
	for _, path := range indexes {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		head, err := ctf.ParseIndexHeader(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		s := stream{path: filepath.Join(t.dir, strings.TrimSuffix(filepath.Base(path), indexExt))}
		for b = b[ctf.IndexHeaderLen:]; len(b) >= int(head.RecordLen); b = b[head.RecordLen:] {
			e, err := ctf.ParseIndexEntry(b, head.RecordLen)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			s.packets = append(s.packets, e)
		}
		all = append(all, s)
	}
	return all, nil
}

// Send sends the trace to a relay, and returns when that has confirmed all of it.
func (t *Trace) Send(ctx context.Context, control, data lttng.URL) (err error) {
	text, err := os.ReadFile(filepath.Join(t.dir, metadataFile))
	if err != nil {
		return err
	}
	declared, err := tsdl.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(t.dir, metadataFile), err)
	}
	streams, err := t.streams()
	if err != nil {
		return err
	}
	origin, err := t.readOrigin()
	if err != nil {
		return err
	}
	r, made, err := origin.open(ctx, control, data, t.sessionOptions(declared, origin), t.streamOptions(declared, origin, streams))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.Abort()
		}
	}()
	if err := made[len(streams)].SendMetadata(ctx, text); err != nil {
		return err
	}
	t.There = 0
	for i := range streams {
		there, err := streams[i].send(ctx, made[i])
		if err != nil {
			return err
		}
		t.There += there
	}
	return r.Close(ctx)
}

// sessionOptions are those of the session that the relay gets.
func (t *Trace) sessionOptions(declared *schema.Trace, from origin) relay.Options {
	host := environment(declared, "hostname")
	if host == "" {
		host, _ = os.Hostname() // the relay refuses none
	}
	o := relay.Options{
		Session:  cmp.Or(environment(declared, "trace_name"), t.Name),
		Hostname: host, BasePath: t.Name, Created: t.Time,
	}
	if from.known { // so that what is sent in part goes on there
		o.UUID, o.SessionID = from.identity.UUID, from.identity.SessionID
	}
	return o
}

// streamOptions are those of the streams, and behind them of the metadata.
func (t *Trace) streamOptions(declared *schema.Trace, from origin, streams []stream) []relay.StreamOptions {
	place := cmp.Or(from.place, t.Domain)
	all := make([]relay.StreamOptions, 0, len(streams)+1)
	for _, s := range streams {
		o := relay.StreamOptions{Channel: filepath.Base(s.path), Path: place}
		limits := from.limits[o.Channel]
		o.TracefileSize, o.TracefileCount = limits.Bytes, limits.Count
		if len(s.packets) > 0 {
			o.ClassID, o.Instance = s.packets[0].StreamClass, s.packets[0].InstanceID
		}
		all = append(all, o)
	}
	meta := relay.StreamOptions{Channel: metadataFile, Path: place, BigEndian: binary.NativeEndian.Uint16([]byte{0, 1}) == 1}
	if declared.UUID != nil {
		meta.TraceUUID = *declared.UUID
	}
	return append(all, meta)
}

func environment(t *schema.Trace, name string) string {
	for _, e := range t.Env {
		if e.Name == name {
			return e.String
		}
	}
	return ""
}

// send sends the packets that the relay has not got, and returns how many it has.
func (s *stream) send(ctx context.Context, to *relay.Stream) (there int, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return there, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return there, err
	}
	next := to.Next()
	for _, e := range s.packets {
		if e.PacketSeqNum < next {
			there++
			continue
		}
		if e.PacketSize/8 > uint64(info.Size()) { // before there is room for it
			return there, fmt.Errorf("%s: packet %d of %d bytes: the file has %d", s.path, e.PacketSeqNum, e.PacketSize/8, info.Size())
		}
		packet := make([]byte, e.PacketSize/8)
		if _, err := f.ReadAt(packet, int64(e.Offset)); err != nil {
			return there, fmt.Errorf("%s: packet %d: %w", s.path, e.PacketSeqNum, err)
		}
		p := ctf.PacketInfo{
			Offset: int64(e.Offset), Size: e.PacketSize, ContentSize: e.ContentSize, Begin: e.TimestampBegin, End: e.TimestampEnd,
			Discarded: e.EventsDiscarded, ClassID: e.StreamClass, InstanceID: e.InstanceID, Sequence: e.PacketSeqNum,
			Has: ctf.HasBegin | ctf.HasEnd | ctf.HasDiscarded | ctf.HasSequence | ctf.HasClassID | ctf.HasInstanceID,
		}
		if err := to.SendPacket(ctx, packet, p); err != nil {
			return there, err
		}
	}
	return there, nil
}

// Remove removes the trace, and the directory of its session with the last one.
func (t *Trace) Remove() error {
	if err := os.RemoveAll(t.dir); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(t.dir)) // it may have another domain's
	return nil
}
