// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/weir-io/weir/client/live"
	"github.com/weir-io/weir/lttng"
)

// A viewer that prints what happens in a session, up to its end.
func Example() {
	ctx := context.Background()
	relay := startRelay() // stands for a relay at work
	client, err := live.Dial(ctx, live.Config{Address: relay})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	session, err := client.Attach(ctx, live.Target{Host: "web1", Name: "requests"}, live.FromBeginning)
	if err != nil {
		log.Fatal(err)
	}
	for {
		event, err := session.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		switch e := event.(type) {
		case live.StreamAdded:
			fmt.Printf("stream %d of trace %d: %s\n", e.Stream, e.Trace, e.Channel)
		case live.Metadata:
			fmt.Printf("metadata of trace %d: %d bytes\n", e.Trace, len(e.Data))
		case live.Packet:
			fmt.Printf("packet of stream %d up to %d: %d bytes\n", e.Stream, e.Index.TimestampEnd, len(e.Data))
		case live.Inactive:
			fmt.Printf("nothing in stream %d up to %d\n", e.Stream, e.Until)
		case live.StreamEnded:
			fmt.Printf("end of stream %d\n", e.Stream)
		case live.SessionEnded:
			fmt.Printf("end of session %d\n", e.Session)
		}
	}
	// Output:
	// stream 1 of trace 1: metadata
	// stream 2 of trace 1: ch_0
	// metadata of trace 1: 13 bytes
	// packet of stream 2 up to 1700: 4096 bytes
	// nothing in stream 2 up to 2700
	// end of stream 2
	// end of stream 1
	// end of session 1
}

// A merger asks only the streams whose next packet it needs.
func ExampleSession_Poll() {
	ctx := context.Background()
	client, err := live.Dial(ctx, live.Config{Address: startRelay()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	session, err := client.Attach(ctx, live.Target{Name: "requests"}, live.FromBeginning)
	if err != nil {
		log.Fatal(err)
	}
	const needed = 2 // the stream that keeps the others waiting
	for {
		events, err := session.Poll(ctx, needed)
		if err != nil {
			log.Fatal(err)
		}
		for _, event := range events {
			if p, ok := event.(live.Packet); ok {
				fmt.Println("packet up to", p.Index.TimestampEnd)
				return
			}
		}
		if err := session.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	// Output: packet up to 1700
}

func ExampleParseURL() {
	u, err := live.ParseURL("net://relay/host/web1/requests")
	fmt.Println(u.Network, u.Address, u.Target, err)
	// Output: tcp relay:5344 session "requests" of host "web1" <nil>
}

// startRelay serves one viewer of a session that has one packet and ends.
func startRelay() (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go serveOne(l)
	return l.Addr().String()
}

func serveOne(l net.Listener) {
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	data := lttng.ViewerStream{ID: 2, TraceID: 1, Path: "ust/uid/0/64-bit", Channel: "ch_0"}
	metadata := lttng.ViewerStream{ID: 1, TraceID: 1, Metadata: true, Path: data.Path, Channel: "metadata"}
	session := lttng.ViewerSession{ID: 1, LiveTimer: 1_000_000, Streams: 2, Hostname: "web1", Name: "requests"}
	text := "/* CTF 1.8 */"
	packet := lttng.NextIndexReply{Status: lttng.IndexOK, PacketSize: 4096 * 8, ContentSize: 900, TimestampEnd: 1700}
	indexes := []lttng.NextIndexReply{packet, {Status: lttng.IndexInactive, TimestampEnd: 2700}, {Status: lttng.IndexHangup}}
	for {
		b := make([]byte, lttng.ViewerHeaderLen)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		h, _ := lttng.ParseViewerHeader(b)
		if _, err := io.CopyN(io.Discard, c, int64(h.Cmd.RequestLen())); err != nil {
			return
		}
		b = nil
		switch h.Cmd {
		case lttng.ViewerConnect:
			b = lttng.ViewerConnectMsg{Major: 2, Minor: 13}.Append(b)
		case lttng.ViewerListSessions:
			b = lttng.SessionList{Sessions: []lttng.ViewerSession{session}}.Append(b, 13)
		case lttng.ViewerCreateSession:
			b = lttng.AppendStatus(b, lttng.CreateOK)
		case lttng.ViewerAttachSession:
			b = lttng.AttachReply{Status: lttng.AttachOK, Streams: []lttng.ViewerStream{metadata, data}}.Append(b)
		case lttng.ViewerGetNewStreams:
			b = lttng.NewStreamsReply{Status: lttng.NewStreamsHangup}.Append(b)
		case lttng.ViewerGetMetadata:
			status := lttng.MetadataNone
			if text != "" {
				status = lttng.MetadataOK
			}
			b = append(lttng.MetadataReply{Len: uint64(len(text)), Status: status}.Append(b), text...)
			text = ""
		case lttng.ViewerGetNextIndex:
			b = indexes[0].Append(b)
			indexes = indexes[1:]
		case lttng.ViewerGetPacket:
			b = append(lttng.PacketReply{Status: lttng.PacketOK, Len: 4096}.Append(b), make([]byte, 4096)...)
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}
