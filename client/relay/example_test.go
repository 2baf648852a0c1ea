// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/lttng"
)

// A recording of three packets.
func Example() {
	ctx := context.Background()
	session, err := relay.Dial(ctx, startRelay(), lttng.URL{}, relay.Options{
		Session: "requests", Hostname: "web1", Created: time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Abort()
	streams, err := session.AddStreams(ctx,
		relay.StreamOptions{Channel: "ch_0", Path: "kernel"},
		relay.StreamOptions{Channel: "metadata", Path: "kernel"})
	if err != nil {
		log.Fatal(err)
	}
	data, metadata := streams[0], streams[1]
	if err := metadata.SendMetadata(ctx, []byte("/* CTF 1.8 */ …")); err != nil {
		log.Fatal(err)
	}
	for n := range uint64(3) {
		packet := make([]byte, 4096) // what a writer of CTF makes
		info := ctf.PacketInfo{Has: ctf.HasBegin | ctf.HasEnd | ctf.HasSequence, Begin: 1000 * n, End: 1000*n + 999, Sequence: n}
		if err := data.SendPacket(ctx, packet, info); err != nil {
			log.Fatal(err)
		}
	}
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d packets stored in %s\n", data.Stored(), data.Sent(), session.Path())
	// Output: 3 of 3 packets stored in web1/requests-20010909-014640
}

// What failed, and where, is in the error.
func ExampleDialError() {
	u, err := lttng.ParseURL("net://127.0.0.1:1:2")
	if err != nil {
		log.Fatal(err)
	}
	_, err = relay.Dial(context.Background(), u, lttng.URL{}, relay.Options{Session: "requests", Hostname: "web1"})
	fmt.Println(err)
	// Output: relay: control 127.0.0.1:1: connect: dial tcp 127.0.0.1:1: connect: connection refused
}

// startRelay serves one session and returns where.
func startRelay() lttng.URL {
	var ports [2]net.Listener
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		ports[i] = l
	}
	go func() {
		defer ports[1].Close()
		if c, err := ports[1].Accept(); err == nil {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	go serveOne(ports[0])
	number := func(l net.Listener) lttng.Port {
		return lttng.Port{Number: uint16(l.Addr().(*net.TCPAddr).Port), Set: true}
	}
	return lttng.URL{Scheme: lttng.SchemeNet, Host: "127.0.0.1", Port: number(ports[0]), Data: number(ports[1])}
}

// serveOne says yes to everything.
func serveOne(l net.Listener) {
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	for handle := lttng.StreamID(1); ; {
		b := make([]byte, lttng.ControlHeaderLen)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		h, _ := lttng.ParseControlHeader(b)
		if _, err := io.CopyN(io.Discard, c, int64(h.DataSize)); err != nil {
			return
		}
		answer := lttng.AppendCode(nil, lttng.ReplyOK)
		switch h.Cmd {
		case lttng.CmdVersion:
			answer = lttng.Version{Major: 2, Minor: 13}.Append(nil)
		case lttng.CmdGetConfiguration:
			answer = lttng.ConfigurationReply{Code: lttng.ReplyOK}.Append(nil)
		case lttng.CmdCreateSession:
			answer = lttng.SessionReply{Session: 1, Code: lttng.ReplyOK, Path: "web1/requests-20010909-014640"}.Append(nil, 13)
		case lttng.CmdAddStream:
			answer = lttng.StreamReply{Stream: handle, Code: lttng.ReplyOK}.Append(nil)
			handle++
		case lttng.CmdDataPending, lttng.CmdEndDataPending:
			answer = lttng.AppendCode(nil, lttng.ReplyNotPending)
		case lttng.CmdCloseTraceChunk:
			answer = lttng.CloseChunkReply{Code: lttng.ReplyOK, Path: "web1/requests-20010909-014640"}.Append(nil)
		case lttng.CmdSendMetadata:
			answer = nil
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}
