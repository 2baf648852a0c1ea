// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
)

// pair is a connection with both ends.
func pair(t *testing.T) (daemon, consumer *Conn) {
	t.Helper()
	daemon, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	consumer, err = New(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Close(); consumer.Close() })
	return daemon, consumer
}

func TestFilesTravelWithTheirMessage(t *testing.T) {
	daemon, consumer := pair(t)
	text := bytes.Repeat([]byte("text "), 100_000) // more than a datagram holds
	blob, err := Blob("text", text)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	if err := daemon.Send(Message{ID: 1, Op: OpMetadata}, blob, blob); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Send(Message{ID: 2, Op: OpStart}); err != nil {
		t.Fatal(err)
	}
	m, files, err := consumer.Receive()
	if err != nil || m.ID != 1 || m.Op != OpMetadata || len(files) != 2 {
		t.Fatalf("got %+v with %d files, %v", m, len(files), err)
	}
	defer CloseAll(files)
	for range 2 { // from the start each time
		got, err := ReadBlob(files[1])
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(text))
		}
	}
	if m, files, err := consumer.Receive(); err != nil || m.ID != 2 || len(files) != 0 {
		t.Errorf("got %+v with %d files, %v", m, len(files), err)
	}
}

func TestBlobCannotChange(t *testing.T) {
	f, err := Blob("b", []byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: got %v, want EPERM", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate: got %v, want EPERM", err)
	}
}

func TestMessageTooLarge(t *testing.T) {
	daemon, _ := pair(t)
	body, err := json.Marshal(strings.Repeat("x", MaxMessage))
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Send(Message{Op: OpHello, Body: body}); err == nil {
		t.Error("a message of more than MaxMessage bytes was sent")
	}
	if err := daemon.Send(Message{Op: OpHello}, make([]*os.File, MaxFiles+1)...); err == nil {
		t.Error("more than MaxFiles files were sent")
	}
}

func TestReceiveRefusesWhatIsNoMessage(t *testing.T) {
	daemon, consumer := pair(t)
	if _, err := daemon.socket.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := consumer.Receive(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want an error about the datagram", err)
	}
	daemon.Close()
	if _, _, err := consumer.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the other end closed: got %v, want io.EOF", err)
	}
}

func TestCallerGivesEachAnswerToItsOrder(t *testing.T) {
	daemon, consumer := pair(t)
	notices := make(chan Message, 1)
	caller := NewCaller(daemon, func(m Message) { notices <- m })
	defer caller.Close()
	go func() { // answers in the opposite order; ends with the test's last order
		a, _, _ := consumer.Receive()
		b, _, _ := consumer.Receive()
		_ = consumer.Send(Message{Op: NoticeLost})
		_ = consumer.Send(Message{ID: b.ID, Body: b.Body})
		_ = consumer.Send(Message{ID: a.ID, Error: "refused " + string(a.Body)})
	}()
	first := make(chan error, 1)
	go func() { first <- caller.Call(t.Context(), OpStart, 1, nil) }()
	var got int
	var order *OrderError
	// Whichever of the two is received first is refused.
	err := caller.Call(t.Context(), OpStop, 2, &got)
	other := <-first
	switch {
	case err == nil:
		if got != 2 || !errors.As(other, &order) || order.Op != OpStart || order.Text != "refused 1" {
			t.Errorf("got %d and %v", got, other)
		}
	case !errors.As(err, &order) || order.Op != OpStop || order.Text != "refused 2" || other != nil:
		t.Errorf("got %v and %v", err, other)
	}
	if m := <-notices; m.Op != NoticeLost {
		t.Errorf("notice: got %+v", m)
	}
}

func TestCallEndsWithTheProcess(t *testing.T) {
	daemon, consumer := pair(t)
	caller := NewCaller(daemon, func(Message) {})
	defer caller.Close()
	go func() { // ends with the order
		_, _, _ = consumer.Receive()
		consumer.Close()
	}()
	if err := caller.Call(t.Context(), OpStart, nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("got %v, want ErrGone", err)
	}
	<-caller.Gone()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := caller.Call(ctx, OpStart, nil, nil); err == nil {
		t.Error("an order to a process that is gone went well")
	}
}

func TestPackets(t *testing.T) {
	source, f, err := PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	consumer, err := NewPacketConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	if _, _, err := consumer.Receive(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("without a packet: got %v, want EAGAIN", err)
	}
	want := ctf.PacketInfo{
		Size: 8 * MaxPacket, ContentSize: 8*MaxPacket - 3, Begin: 1, End: 2, Discarded: 3, ClassID: 4, InstanceID: 5, Sequence: 6,
		Has: ctf.HasBegin | ctf.HasEnd | ctf.HasDiscarded | ctf.HasSequence | ctf.HasClassID | ctf.HasInstanceID,
	}
	packet := bytes.Repeat([]byte{7}, MaxPacket)
	if err := source.Send(packet, want, 9); err != nil {
		t.Fatal(err)
	}
	got, info, err := consumer.Receive()
	if err != nil || !bytes.Equal(got, packet) || info != want || consumer.Events() != 9 {
		t.Errorf("got %d bytes, %+v, %d events, %v; want %d bytes, %+v, 9 events", len(got), info, consumer.Events(), err, len(packet), want)
	}
	if err := source.Send(make([]byte, MaxPacket+1), want, 1); err == nil {
		t.Error("a packet that is too large was sent")
	}
	for err == nil { // until the socket is full: the source is told, and waits for nothing
		err = source.Send(packet, want, 1)
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("full socket: got %v, want EAGAIN", err)
	}
	// What has no events still goes, to tell what was lost.
	if err := source.Send(packet[:200], want, 0); err != nil {
		t.Errorf("full socket, a packet without events: %v", err)
	}
	for err = nil; err == nil; {
		err = source.Send(packet[:200], want, 0)
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("full socket, packets without events: got %v, want EAGAIN", err)
	}
}

// TestPacketBuffer has as many bytes wait as were asked for, about.
func TestPacketBuffer(t *testing.T) {
	fill := func(bytes int) (n int) {
		source, f, err := PacketPair()
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		defer f.Close()
		if err := source.SetBuffer(bytes); err != nil {
			t.Fatal(err)
		}
		for source.Send(make([]byte, min(bytes, MaxPacket)), ctf.PacketInfo{}, 1) == nil {
			n++
		}
		return n
	}
	if n := fill(4 << 10); n < 1 {
		t.Error("nothing waits in 4 KiB")
	}
	const less, more = 2 * MaxPacket, 4 * MaxPacket
	if a, b := fill(less), fill(more); a < less/MaxPacket || b < more/MaxPacket || b > 2*more/MaxPacket {
		t.Errorf("%d packets wait in %d bytes, %d in %d", a, less, b, more)
	}
}

// TestLargeAnswer gives an account of more streams than a message holds.
func TestLargeAnswer(t *testing.T) {
	daemon, consumer := pair(t)
	caller := NewCaller(daemon, func(Message) {})
	defer caller.Close()
	var want Status
	for i := range uint32(5000) {
		want.Streams = append(want.Streams, StreamStatus{Channel: i / 100, CPU: i % 100, Packets: 1 << 40, Bytes: 1 << 60})
	}
	go func() { // ends with the order
		m, _, _ := consumer.Receive()
		body, err := json.Marshal(want)
		if err == nil {
			err = consumer.Answer(Message{ID: m.ID, Body: body})
		}
		if err != nil {
			t.Error(err)
		}
	}()
	var got Status
	if err := caller.Call(t.Context(), OpStatus, nil, &got); err != nil || !slices.Equal(got.Streams, want.Streams) {
		t.Errorf("got %d streams, %v; want %d", len(got.Streams), err, len(want.Streams))
	}
}

// TestBlobOfAnotherKind refuses files of which a read may never end, or that
// change.
func TestBlobOfAnotherKind(t *testing.T) {
	for _, path := range []string{"/dev/zero", filepath.Join(t.TempDir(), "file")} {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := ReadBlob(f); err == nil {
			t.Errorf("%s was taken for a memory file", path)
		}
	}
}

// TestSendWaitsForRoom sends more than the socket holds before anybody receives.
func TestSendWaitsForRoom(t *testing.T) {
	daemon, consumer := pair(t)
	const count = 200
	body, err := json.Marshal(strings.Repeat("x", 8000))
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { // ends when all is received, or the connection closes
		for n := range uint64(count) {
			if err := daemon.Send(Message{ID: n + 1, Op: OpHello, Body: body}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for n := range uint64(count) {
		m, files, err := consumer.Receive()
		if err != nil || m.ID != n+1 || !bytes.Equal(m.Body, body) || len(files) > 0 {
			t.Fatalf("message %d of %d bytes with %d files, %v; want number %d", m.ID, len(m.Body), len(files), err, n+1)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestCloseEndsWaiting has who waits to send, and who waits to receive, end when their own
// end of the connection is closed.
func TestCloseEndsWaiting(t *testing.T) {
	daemon, consumer := pair(t)
	ended := make(chan error, 2)
	go func() { // ends with the connection
		_, _, err := consumer.Receive()
		for err == nil {
			err = consumer.Send(Message{Op: OpPing})
		}
		ended <- err
	}()
	go func() { // likewise
		_, _, err := daemon.Receive()
		for err == nil {
			_, _, err = daemon.Receive()
		}
		ended <- err
	}()
	if err := daemon.Send(Message{ID: 1, Op: OpPing}); err != nil {
		t.Fatal(err)
	}
	consumer.Close()
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("no error")
		}
	}
}
