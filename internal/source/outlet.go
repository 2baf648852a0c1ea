// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/handover"
)

// maxBuffer bounds what waits in the socket to the consumer, in bytes.
const maxBuffer = 8 << 20

// Outlet is the stream of a channel whose packets the source makes itself: a writer,
// and the socket to the consumer. What the consumer does not take is lost: the writer
// counts its events, and the next packet tells so.
//
// The owner sets what is exported before the first call, and calls under a lock of
// its own.
type Outlet struct {
	Name     string // of the channel
	Class    *schema.Stream
	Settings agent.ChannelSettings
	Now      func() uint64 // reads the trace's clock, ns
	Log      *slog.Logger

	conn    *handover.PacketConn
	w       *ctf.StreamWriter
	written uint64 // events in the open packet
	opened  uint64 // when the first of them was written
	untold  bool   // something was lost, and no packet has told
	full    bool   // the consumer did not take the last packet
}

// Streams makes a new socket, for a new consumer, as [Channel] asks for.
func (o *Outlet) Streams() ([]Stream, error) {
	conn, theirs, err := handover.PacketPair()
	if err != nil {
		return nil, err
	}
	if err := conn.SetBuffer(int(min(o.Settings.SubbufBytes*o.Settings.SubbufCount, maxBuffer))); err != nil {
		return nil, errors.Join(err, conn.Close(), theirs.Close())
	}
	if o.conn != nil {
		o.conn.Close()
	}
	o.conn = conn
	if o.w == nil {
		size := int(min(o.Settings.SubbufBytes, handover.MaxPacket))
		options := ctf.StreamOptions{Name: o.Name, PacketBytes: size, MaxPacketBytes: handover.MaxPacket, PadBytes: 1}
		if o.w, err = ctf.NewStreamWriter(o.Class, o, options); err != nil {
			return nil, errors.Join(err, theirs.Close())
		}
	}
	return []Stream{{Files: []*os.File{theirs}}}, nil
}

// Writer writes the events; nil while there is no consumer, and so no recording. Each
// event that is written is told to [Outlet.Wrote], each that is not to [Outlet.Lose].
func (o *Outlet) Writer() *ctf.StreamWriter { return o.w }

// WritePacket hands a packet over. It implements ctf.PacketSink for the writer.
func (o *Outlet) WritePacket(packet []byte, info ctf.PacketInfo) error {
	events := o.written
	o.written = 0
	err := o.conn.Send(packet, info, events)
	o.untold = err != nil
	switch {
	case err != nil && !o.full:
		o.Log.Warn("the consumer takes no packets, events are lost", "err", err)
	case err == nil && o.full:
		o.Log.Info("the consumer takes packets again")
	}
	o.full = err != nil
	return err
}

// Wrote takes note of an event.
func (o *Outlet) Wrote() {
	if o.written++; o.written == 1 {
		o.opened = o.Now()
	}
}

// Lose counts events that are not written.
func (o *Outlet) Lose(events uint64) {
	if o.w != nil {
		o.w.Discard(events)
		o.untold = true
	}
}

// Full reports whether the consumer did not take the last packet.
func (o *Outlet) Full() bool { return o.full }

// Open reports whether a packet has events, and when the first one was written.
func (o *Outlet) Open() (since uint64, ok bool) { return o.opened, o.written > 0 }

// End ends the packet, if it has events. Its end is its last event: what comes next
// may have been read before now. A packet that is lost is an error here, counted, and
// told in the next one.
func (o *Outlet) End() error {
	if o.written == 0 || o.w == nil {
		return nil
	}
	return o.w.ClosePacket(o.w.Now())
}

// Tell has an empty packet tell of losses that no later one will.
func (o *Outlet) Tell() error {
	if !o.untold || o.w == nil {
		return nil
	}
	// An event that was too large has left a packet without any.
	if err := o.w.ClosePacket(o.w.Now()); err != nil || !o.untold {
		return err
	}
	if err := o.w.OpenPacket(o.w.Now()); err != nil {
		return err
	}
	return o.w.ClosePacket(o.w.Now())
}

// HasRoom reports whether the consumer takes about half a buffer at once.
func (o *Outlet) HasRoom() bool {
	if o.conn == nil {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(o.conn.FD()), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLOUT != 0
}

// Close ends the socket. The packet that is open is dropped.
func (o *Outlet) Close() error {
	if o.conn == nil {
		return nil
	}
	defer func() { o.conn, o.w = nil, nil }()
	return o.conn.Close()
}
