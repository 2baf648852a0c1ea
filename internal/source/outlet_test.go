// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
)

// An outlet loses what nobody takes, and tells of it as soon as somebody does.
func TestOutletTellsOfLosses(t *testing.T) {
	o, event := newOutlet(t)
	if o.Writer() != nil {
		t.Error("there is a writer without a consumer")
	}
	streams, err := o.Streams()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	consumer, err := handover.NewPacketConn(streams[0].Files[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consumer.Close() })

	written, lost := uint64(0), uint64(0)
	for lost == 0 {
		if err := o.Writer().Event(event, written).End(); err != nil {
			t.Fatal(err)
		}
		o.Wrote()
		written++
		if since, ok := o.Open(); !ok || since != 7 {
			t.Fatalf("Open() = %d, %v, want 7, true", since, ok)
		}
		if err := o.End(); err != nil {
			lost++
		}
	}
	if !o.Full() {
		t.Error("Full() = false after a packet that was not taken")
	}
	if err := o.Tell(); err != nil { // there is a reserve of room
		t.Errorf("Tell() = %v", err)
	}
	var last ctf.PacketInfo
	for packets := uint64(0); ; packets++ {
		_, info, err := consumer.Receive()
		if errors.Is(err, unix.EAGAIN) {
			if want := written - lost + 1; packets != want {
				t.Errorf("%d packets, want %d", packets, want)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = info
	}
	if last.Discarded != lost {
		t.Errorf("the last packet tells of %d lost events, want %d", last.Discarded, lost)
	}
	if !o.HasRoom() {
		t.Error("HasRoom() = false of an empty socket")
	}
	o.Lose(3)
	if err := o.Tell(); err != nil {
		t.Fatal(err)
	}
	if _, info, err := consumer.Receive(); err != nil || info.Discarded != lost+3 {
		t.Errorf("Receive() = %d lost events, %v, want %d", info.Discarded, err, lost+3)
	}
	if err := o.Tell(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := consumer.Receive(); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("losses are told twice: %v", err)
	}
}

func newOutlet(t *testing.T) (*Outlet, *schema.Event) {
	t.Helper()
	stream, err := ctf.NewBuilder(ctf.BuilderOptions{}).Stream(ctf.LargeHeader)
	if err != nil {
		t.Fatal(err)
	}
	event, err := stream.Event("test:event", schema.NoLogLevel)
	if err != nil {
		t.Fatal(err)
	}
	return &Outlet{
		Name: "ch", Class: stream.Class(), Settings: agent.ChannelSettings{SubbufBytes: 4096, SubbufCount: 4},
		Now: func() uint64 { return 7 }, Log: slog.New(slog.DiscardHandler),
	}, event
}
