// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	server "github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

// clientURL returns where the client finds a relay.
func clientURL(t testing.TB, r *relaytest.Relay) lttng.URL {
	t.Helper()
	_, port, err := net.SplitHostPort(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	u, err := lttng.ParseURL("net://" + r.Control + ":" + port)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// dialClient opens a session of weir's own producer.
func dialClient(t testing.TB, r *relaytest.Relay, o relay.Options) *relay.Session {
	t.Helper()
	o.Session, o.Hostname, o.Created = "s", "h", time.Unix(relaytest.Created, 0).UTC()
	s, err := relay.Dial(t.Context(), clientURL(t, r), lttng.URL{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Abort)
	return s
}

// addClientStreams adds streams ch_0, ch_1 and so on, and their metadata.
func addClientStreams(t testing.TB, s *relay.Session, n int) []*relay.Stream {
	t.Helper()
	var options []relay.StreamOptions
	for i := range n {
		options = append(options, relay.StreamOptions{Channel: fmt.Sprint("ch_", i), Path: relaytest.StreamPath, Instance: uint64(i)})
	}
	options = append(options, relay.StreamOptions{Channel: "metadata", Path: relaytest.StreamPath})
	streams, err := s.AddStreams(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams[n].SendMetadata(t.Context(), relaytest.Metadata()); err != nil {
		t.Fatal(err)
	}
	return streams
}

// sendByClient sends the packets from..to-1 of a stream.
func sendByClient(t testing.TB, st *relay.Stream, from, to uint64) {
	for n := from; n < to; n++ {
		cpu := int(st.Options().Instance)
		x := relaytest.Index(0, cpu, n, n, 200)
		info := ctf.PacketInfo{
			Has: ctf.HasBegin | ctf.HasEnd | ctf.HasSequence, Begin: x.TimestampBegin, End: x.TimestampEnd, Sequence: n,
		}
		if err := st.SendPacket(t.Context(), relaytest.Packet(cpu, n, 200), info); err != nil {
			t.Error(err)
			return
		}
	}
}

// numbers returns the numbers from..to-1.
func numbers(from, to uint64) []uint64 {
	var all []uint64
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// TestClient records with each minor, several streams at a time, and finds
// everything stored once the session is closed.
func TestClient(t *testing.T) {
	for minor := lttng.Minor(1); minor <= lttng.MinorVersion; minor++ {
		t.Run(fmt.Sprint(minor), func(t *testing.T) {
			r := relaytest.Start(t, acceptUnnamed)
			s := dialClient(t, r, relay.Options{Minor: minor})
			streams := addClientStreams(t, s, 3)
			var senders sync.WaitGroup
			for _, st := range streams[:3] {
				senders.Go(func() { sendByClient(t, st, 0, 500) })
			}
			senders.Wait()
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.WaitSettled()
			dir := filepath.Join(r.Output, "h/s-20010909-014640", relaytest.StreamPath)
			for i, st := range streams[:3] {
				if st.Confirmed() != 500 || st.Stored() != 500 {
					t.Errorf("stream %d: %d confirmed, %d stored, want 500 of each", i, st.Confirmed(), st.Stored())
				}
				if minor < lttng.MinorIndexes { // there is no index to compare with
					continue
				}
				if got := relaytest.Stored(t, filepath.Join(dir, fmt.Sprint("ch_", i))); !slices.Equal(got, numbers(0, 500)) {
					t.Errorf("stream %d: %d packets stored, want 500 in order", i, len(got))
				}
			}
			checkDescription(t, filepath.Join(dir, "metadata"))
		})
	}
}

func acceptUnnamed(_ *server.Options, s *tracestore.Options) { s.AcceptUnnamed = true }

// checkDescription compares stored metadata, in whatever form, with what was sent.
func checkDescription(t *testing.T, file string) {
	t.Helper()
	got, err := ctf.MetadataText(readAll(t, file))
	if err != nil || !bytes.Equal(got, relaytest.Metadata()) {
		t.Errorf("%s: %d bytes, error %v; want %d", file, len(got), err, len(relaytest.Metadata()))
	}
}

// TestClientRotates divides a recording while packets are sent by others, who
// do not notice; no packet is lost or doubled, and each part is whole.
func TestClientRotates(t *testing.T) {
	r := relaytest.Start(t)
	s := dialClient(t, r, relay.Options{})
	streams := addClientStreams(t, s, 3) // the third one stays empty
	var senders sync.WaitGroup
	for _, st := range streams[:2] {
		senders.Go(func() { sendByClient(t, st, 1000, 3000) })
	}
	metadata := func(*relay.Stream) []byte { return relaytest.Metadata() }
	for range 3 {
		done, err := s.Rotate(t.Context(), relay.Rotation{Metadata: metadata})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AwaitChunk(t.Context(), done.Old); err != nil {
			t.Fatal(err)
		}
	}
	senders.Wait()
	if _, err := s.Rotate(t.Context(), relay.Rotation{Metadata: metadata}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled()
	root := filepath.Join(r.Output, s.Path())
	parts, err := filepath.Glob(filepath.Join(root, "archives", "*"))
	if err != nil || len(parts) != 5 {
		t.Errorf("parts %v, %v; want 5", parts, err)
	}
	for _, name := range []string{"ch_0", "ch_1"} {
		all := relaytest.StoredNumbers(t, root, name)
		if !slices.Equal(all, numbers(1000, 3000)) {
			t.Errorf("%s: %d packets in all parts, want 2000", name, len(all))
		}
	}
	for _, part := range parts {
		checkDescription(t, filepath.Join(part, relaytest.StreamPath, "metadata"))
	}
}

// TestClientClears clears what was recorded, unless the relay forbids it.
func TestClientClears(t *testing.T) {
	metadata := func(*relay.Stream) []byte { return relaytest.Metadata() }
	r := relaytest.Start(t)
	s := dialClient(t, r, relay.Options{})
	streams := addClientStreams(t, s, 1)
	sendByClient(t, streams[0], 0, 100)
	done, err := s.Rotate(t.Context(), relay.Rotation{Command: lttng.CloseDelete, Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AwaitChunk(t.Context(), done.Old); err != nil {
		t.Fatal(err)
	}
	sendByClient(t, streams[0], 100, 150)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled()
	if got := relaytest.Stored(t, filepath.Join(r.Output, s.Path(), relaytest.StreamPath, "ch_0")); !slices.Equal(got, numbers(100, 150)) {
		t.Errorf("%d packets stored, want the 50 after clearing", len(got))
	}

	r = relaytest.Start(t, func(o *server.Options, s *tracestore.Options) { o.AllowClear, s.AllowClear = false, false })
	s = dialClient(t, r, relay.Options{})
	if _, err := s.Rotate(t.Context(), relay.Rotation{Command: lttng.CloseDelete}); !errors.Is(err, errors.ErrUnsupported) || s.Err() != nil {
		t.Errorf("Rotate: %v, session %v; want %v and none", err, s.Err(), errors.ErrUnsupported)
	}
}

// TestClientStops stops and starts a session: between them it has no chunk.
func TestClientStops(t *testing.T) {
	r := relaytest.Start(t)
	s := dialClient(t, r, relay.Options{})
	streams := addClientStreams(t, s, 1)
	sendByClient(t, streams[0], 0, 10)
	path, err := s.CloseLastChunk(t.Context(), true)
	if err != nil || path == "" {
		t.Fatalf("CloseLastChunk = %q, %v", path, err)
	}
	if _, err := s.Rotate(t.Context(), relay.Rotation{Metadata: func(*relay.Stream) []byte { return relaytest.Metadata() }}); err != nil {
		t.Fatal(err)
	}
	sendByClient(t, streams[0], 10, 20)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled()
	all := relaytest.StoredNumbers(t, r.Output, "ch_0")
	if !slices.Equal(all, numbers(0, 20)) {
		t.Errorf("packets %v stored, want 0 to 19", all)
	}
}

// TestClientSnapshot stores a snapshot under its name.
func TestClientSnapshot(t *testing.T) {
	r := relaytest.Start(t)
	s := dialClient(t, r, relay.Options{Snapshot: true})
	if _, err := s.CreateChunk(t.Context(), relay.Chunk{Name: "snap-1"}); err != nil {
		t.Fatal(err)
	}
	streams := addClientStreams(t, s, 2)
	sendByClient(t, streams[1], 0, 100)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled()
	file := filepath.Join(r.Output, s.Path(), "snap-1", relaytest.StreamPath, "ch_1")
	if got := len(readAll(t, file)); got != 100*200 {
		t.Errorf("%s: %d bytes, want %d", file, got, 100*200)
	}
}

// TestClientTracefiles lets the relay divide a stream's file.
func TestClientTracefiles(t *testing.T) {
	r := relaytest.Start(t)
	s := dialClient(t, r, relay.Options{})
	streams, err := s.AddStreams(t.Context(), relay.StreamOptions{Channel: "ch_0", Path: relaytest.StreamPath, TracefileSize: 1000, TracefileCount: 3})
	if err != nil {
		t.Fatal(err)
	}
	sendByClient(t, streams[0], 0, 50)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled()
	all := relaytest.StoredNumbers(t, r.Output, "ch_0")
	if !slices.Equal(all, numbers(35, 50)) {
		t.Errorf("packets %v stored, want the last 15", all)
	}
}

// TestClientOfStoppedRelay loses its relay and says so, however it went.
func TestClientOfStoppedRelay(t *testing.T) {
	r := relaytest.Start(t)
	s := dialClient(t, r, relay.Options{})
	streams := addClientStreams(t, s, 1)
	sendByClient(t, streams[0], 0, 10)
	r.Stop()
	<-s.Dead()
	err := streams[0].SendPacket(t.Context(), relaytest.Packet(0, 10, 200), ctf.PacketInfo{})
	if e, ok := errors.AsType[*relay.Error](err); !ok || !errors.Is(err, s.Err()) {
		t.Errorf("SendPacket: %v, want %v, which is a *relay.Error (%v)", err, s.Err(), e)
	}
}

// TestClientRefused is told by the relay's answer what it cannot have.
func TestClientRefused(t *testing.T) {
	r := relaytest.Start(t)
	u := clientURL(t, r)
	_, err := relay.Dial(t.Context(), u, lttng.URL{}, relay.Options{Session: "../s", Hostname: "h"})
	if e, ok := errors.AsType[*relay.RefusedError](err); !ok || e.Code != lttng.ReplyFatal {
		t.Errorf("Dial: %v, want code %v", err, lttng.ReplyFatal)
	}
	s := dialClient(t, r, relay.Options{})
	_, err = s.AddStreams(t.Context(), relay.StreamOptions{Channel: "../ch_0", Path: "x"})
	if e, ok := errors.AsType[*relay.RefusedError](err); !ok || e.Code != lttng.ReplyUnknown || !errors.Is(err, s.Err()) {
		t.Errorf("AddStreams: %v, session %v; want code %v", err, s.Err(), lttng.ReplyUnknown)
	}
}

// TestClientSlowLink sends through a link that passes few bytes at a time: the
// producer waits, and loses nothing.
func TestClientSlowLink(t *testing.T) {
	r := relaytest.Start(t)
	slow := listenSlow(t, r.Data)
	u := clientURL(t, r)
	control := lttng.URL{Scheme: lttng.SchemeTCP, Host: u.Host, Port: u.Port}
	data, err := lttng.ParseURL("tcp://" + slow)
	if err != nil {
		t.Fatal(err)
	}
	s, err := relay.Dial(t.Context(), control, data, relay.Options{Session: "s", Hostname: "h", Window: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	streams := addClientStreams(t, s, 1)
	sendByClient(t, streams[0], 0, 300)
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := streams[0].Stored(); got != 300 {
		t.Errorf("%d packets stored, want 300", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled()
}

// listenSlow passes one connection on, in pieces of 97 bytes.
func listenSlow(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	t.Cleanup(passing.Wait)
	passing.Go(func() { // ends with the client's connection
		in, err := l.Accept()
		l.Close()
		if err != nil {
			return
		}
		defer in.Close()
		_ = in.(*net.TCPConn).SetReadBuffer(4 << 10)
		out, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer out.Close()
		passing.Go(func() { _, _ = io.Copy(in, out) }) // the answer to the token; ends with the connections
		_, _ = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 97))
	})
	return l.Addr().String()
}
