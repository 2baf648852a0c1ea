// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng_test

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/lttng"
)

// A producer writes requests; a relay reads header and payload and answers.
func Example() {
	create := lttng.CreateSession{Name: "demo", Hostname: "host1", CreationTime: 1795169786}
	request := lttng.AppendRequest(nil, lttng.CmdCreateSession, func(b []byte) []byte {
		return create.Append(b, 13)
	})

	header, err := lttng.ParseControlHeader(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	payload := request[lttng.ControlHeaderLen:][:header.DataSize]
	session, err := lttng.ParseCreateSession(payload, 13)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(header.Cmd, session.Hostname, session.Name)

	answer := lttng.SessionReply{Session: 1, Code: lttng.ReplyOK, Path: "host1/demo"}.Append(nil, 13)
	reply, n, err := lttng.ParseSessionReply(answer, 13)
	fmt.Println(reply.Session, reply.Code, reply.Path, n, err)
	// Output:
	// CREATE_SESSION host1 demo
	// 1 OK host1/demo 27 <nil>
}

// A client reads a reply as its bytes arrive.
func ExampleParseCloseChunkReply() {
	wire := lttng.CloseChunkReply{Code: lttng.ReplyOK, Path: "host1/demo"}.Append(nil)
	for received := 4; ; received += 5 {
		reply, n, err := lttng.ParseCloseChunkReply(wire[:min(received, len(wire))])
		if errors.Is(err, lttng.ErrShort) {
			fmt.Println("wait for more:", err)
			continue
		}
		fmt.Println(reply.Path, n, err)
		return
	}
	// Output:
	// wait for more: lttng: CLOSE_TRACE_CHUNK reply at offset 0: too short: got 4, want 8
	// wait for more: lttng: CLOSE_TRACE_CHUNK reply path at offset 8: too short: got 1, want 11
	// wait for more: lttng: CLOSE_TRACE_CHUNK reply path at offset 8: too short: got 6, want 11
	// host1/demo 19 <nil>
}

func ExampleParseIndex() {
	wire := lttng.Index{Stream: 1, NetSeqNum: lttng.NoSeq, TimestampEnd: 1780144638479}.Append(nil, 13)
	index, err := lttng.ParseIndex(wire, 13)
	if err != nil {
		fmt.Println(err)
		return
	}
	if index.IsBeacon() {
		fmt.Printf("stream %d is idle until %d\n", index.Stream, index.TimestampEnd)
	}
	// Output: stream 1 is idle until 1780144638479
}

func ExampleParseAddStream() {
	payload := lttng.AddStream{Channel: "ch0_0", Path: "ust/uid/0/64-bit"}.Append(nil, 11)
	_, err := lttng.ParseAddStream(payload[:40], 11)
	fmt.Println(err)

	var bad *lttng.ProtocolError
	fmt.Println(errors.As(err, &bad), bad.Field, bad.Offset)
	// Output:
	// lttng: ADD_STREAM path at offset 38: too short: got 2, want 17
	// true path 38
}

func ExampleViewerCommand_RequestLen() {
	attach := lttng.AttachRequest{Session: 1, Seek: lttng.SeekLast}
	wire := lttng.AppendViewerRequest(nil, lttng.ViewerAttachSession, attach.Append)
	header, err := lttng.ParseViewerHeader(wire)
	if err != nil {
		fmt.Println(err)
		return
	}
	payload := wire[lttng.ViewerHeaderLen:][:header.Cmd.RequestLen()]
	request, err := lttng.ParseAttachRequest(payload)
	fmt.Println(header.Cmd, request.Session, request.Seek, err)
	// Output: ATTACH_SESSION 1 LAST <nil>
}

func ExampleParseURL() {
	u, err := lttng.ParseURL("net6://[2001:db8::1]::6000/lab")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Addr(lttng.DefaultControlPort), u.DataAddr(lttng.DefaultDataPort), u.Subdir)

	_, err = lttng.ParseURL("tcp://relay:99999")
	fmt.Println(err)
	// Output:
	// [2001:db8::1]:5342 [2001:db8::1]:6000 lab
	// lttng: URL "tcp://relay:99999": invalid port number "99999"
}

func ExampleParseListenURL() {
	u, err := lttng.ParseListenURL("tcp://0.0.0.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Scheme.Network(), u.Addr(lttng.DefaultViewerPort), u.Port.Set)
	// Output: tcp 0.0.0.0:5344 false
}
