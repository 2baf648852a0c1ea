// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzMessage checks one message: whatever a parser accepts must be written to
// bytes that it reads to the same value, and it must not use more than it got.
// Seeds are the sample in all layouts and the messages of the captures.
func fuzzMessage(f *testing.F, name string) {
	c := codecNamed(f, name)
	for _, minor := range c.minors {
		f.Add(c.append(c.sample, nil, minor), uint32(minor))
	}
	for _, s := range capturedMessages(f, name) {
		f.Add(s.bytes, uint32(s.minor))
	}
	f.Fuzz(func(t *testing.T, b []byte, m uint32) {
		minor := Minor(m)
		in := bytes.Clone(b)
		v, n, err := c.parse(b, minor)
		if !bytes.Equal(b, in) {
			t.Fatal("the parser changed its input")
		}
		if err != nil {
			if _, ok := err.(*ProtocolError); !ok {
				t.Fatalf("error %T, want *ProtocolError", err)
			}
			return
		}
		if c.incremental && n > len(b) {
			t.Fatalf("used %d of %d bytes", n, len(b))
		}
		again, _, err := c.parse(c.append(v, nil, minor), minor)
		if err != nil {
			t.Fatalf("written value is refused: %v", err)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatalf("value changed (-first +second):\n%s", diff)
		}
	})
}

type capturedMessage struct {
	bytes []byte
	minor Minor
}

// capturedMessages returns up to 20 messages of one kind from the captures.
func capturedMessages(f *testing.F, name string) []capturedMessage {
	f.Helper()
	const limit = 20
	var found []capturedMessage
	add := func(kind string, b []byte, minor Minor) {
		if kind == name && len(found) < limit {
			found = append(found, capturedMessage{bytes.Clone(b), minor})
		}
	}
	for _, capture := range captureNames(f, "*.control*", ".c2s.bin") {
		walkControl(f, capture, func(x exchange) int {
			add("control header", x.request[:ControlHeaderLen], x.minor)
			add(x.header.Cmd.String(), x.payload, x.minor)
			if x.header.Cmd == CmdSendMetadata {
				return 0
			}
			reply := x.header.Cmd.String() + " reply"
			for _, c := range controlCodecs() {
				if c.name == reply {
					_, n, err := c.parse(x.reply, x.minor)
					if err != nil {
						f.Fatal(err)
					}
					add(reply, x.reply[:n], x.minor)
					return n
				}
			}
			add("code", x.reply[:codeReplyLen], x.minor)
			return codeReplyLen
		})
	}
	for _, capture := range append(captureNames(f, "live-*", ".c2s.bin"), "02_live.viewer0") {
		for _, x := range walkViewer(f, capture) {
			if x.request != nil {
				c := codecNamed(f, requestCodecs[x.cmd])
				add(c.name, c.append(x.request, nil, 4), 4)
			}
			c := codecNamed(f, replyCodecs[x.cmd])
			add(c.name, c.append(x.reply, nil, 4), 4)
		}
	}
	return found
}

func FuzzControlHeader(f *testing.F)        { fuzzMessage(f, "control header") }
func FuzzDataHeader(f *testing.F)           { fuzzMessage(f, "data header") }
func FuzzVersion(f *testing.F)              { fuzzMessage(f, "VERSION") }
func FuzzCreateSession(f *testing.F)        { fuzzMessage(f, "CREATE_SESSION") }
func FuzzAddStream(f *testing.F)            { fuzzMessage(f, "ADD_STREAM") }
func FuzzMetadata(f *testing.F)             { fuzzMessage(f, "SEND_METADATA") }
func FuzzIndex(f *testing.F)                { fuzzMessage(f, "SEND_INDEX") }
func FuzzCloseStream(f *testing.F)          { fuzzMessage(f, "CLOSE_STREAM") }
func FuzzDataPending(f *testing.F)          { fuzzMessage(f, "DATA_PENDING") }
func FuzzQuiescentControl(f *testing.F)     { fuzzMessage(f, "QUIESCENT_CONTROL") }
func FuzzBeginDataPending(f *testing.F)     { fuzzMessage(f, "BEGIN_DATA_PENDING") }
func FuzzEndDataPending(f *testing.F)       { fuzzMessage(f, "END_DATA_PENDING") }
func FuzzResetMetadata(f *testing.F)        { fuzzMessage(f, "RESET_METADATA") }
func FuzzRotateStreams(f *testing.F)        { fuzzMessage(f, "ROTATE_STREAMS") }
func FuzzCreateTraceChunk(f *testing.F)     { fuzzMessage(f, "CREATE_TRACE_CHUNK") }
func FuzzCloseTraceChunk(f *testing.F)      { fuzzMessage(f, "CLOSE_TRACE_CHUNK") }
func FuzzTraceChunkExists(f *testing.F)     { fuzzMessage(f, "TRACE_CHUNK_EXISTS") }
func FuzzGetConfiguration(f *testing.F)     { fuzzMessage(f, "GET_CONFIGURATION") }
func FuzzCode(f *testing.F)                 { fuzzMessage(f, "code") }
func FuzzVersionReply(f *testing.F)         { fuzzMessage(f, "VERSION reply") }
func FuzzSessionReply(f *testing.F)         { fuzzMessage(f, "CREATE_SESSION reply") }
func FuzzStreamReply(f *testing.F)          { fuzzMessage(f, "ADD_STREAM reply") }
func FuzzConfigurationReply(f *testing.F)   { fuzzMessage(f, "GET_CONFIGURATION reply") }
func FuzzCloseChunkReply(f *testing.F)      { fuzzMessage(f, "CLOSE_TRACE_CHUNK reply") }
func FuzzChunkExistsReply(f *testing.F)     { fuzzMessage(f, "TRACE_CHUNK_EXISTS reply") }
func FuzzResume(f *testing.F)               { fuzzMessage(f, "RESUME") }
func FuzzResumeReply(f *testing.F)          { fuzzMessage(f, "RESUME reply") }
func FuzzTokenReply(f *testing.F)           { fuzzMessage(f, "TOKEN reply") }
func FuzzTokenFrame(f *testing.F)           { fuzzMessage(f, "token") }
func FuzzUDPOpen(f *testing.F)              { fuzzMessage(f, "UDP_OPEN") }
func FuzzUDPOpenReply(f *testing.F)         { fuzzMessage(f, "UDP_OPEN reply") }
func FuzzUDPStatus(f *testing.F)            { fuzzMessage(f, "UDP_STATUS") }
func FuzzUDPStatusReply(f *testing.F)       { fuzzMessage(f, "UDP_STATUS reply") }
func FuzzUDPAbandon(f *testing.F)           { fuzzMessage(f, "UDP_ABANDON") }
func FuzzUDPAbandonReply(f *testing.F)      { fuzzMessage(f, "UDP_ABANDON reply") }
func FuzzViewerHeader(f *testing.F)         { fuzzMessage(f, "viewer header") }
func FuzzViewerConnectMsg(f *testing.F)     { fuzzMessage(f, "CONNECT") }
func FuzzViewerStreamRequest(f *testing.F)  { fuzzMessage(f, "stream request") }
func FuzzViewerSessionRequest(f *testing.F) { fuzzMessage(f, "session request") }
func FuzzViewerSession(f *testing.F)        { fuzzMessage(f, "session entry") }
func FuzzSessionList(f *testing.F)          { fuzzMessage(f, "LIST_SESSIONS reply") }
func FuzzAttachRequest(f *testing.F)        { fuzzMessage(f, "ATTACH_SESSION") }
func FuzzViewerStream(f *testing.F)         { fuzzMessage(f, "viewer stream") }
func FuzzAttachReply(f *testing.F)          { fuzzMessage(f, "ATTACH_SESSION reply") }
func FuzzNewStreamsReply(f *testing.F)      { fuzzMessage(f, "GET_NEW_STREAMS reply") }
func FuzzNextIndexReply(f *testing.F)       { fuzzMessage(f, "GET_NEXT_INDEX reply") }
func FuzzPacketRequest(f *testing.F)        { fuzzMessage(f, "GET_PACKET") }
func FuzzPacketReply(f *testing.F)          { fuzzMessage(f, "GET_PACKET reply") }
func FuzzMetadataReply(f *testing.F)        { fuzzMessage(f, "GET_METADATA reply") }
func FuzzCreateStatus(f *testing.F)         { fuzzMessage(f, "create status") }
func FuzzDetachStatus(f *testing.F)         { fuzzMessage(f, "detach status") }

// FuzzURL checks that what ParseURL accepts is written back to the same value.
func FuzzURL(f *testing.F) {
	for _, tt := range urlTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := ParseURL(s); err == nil {
			again, err := ParseURL(u.String())
			if err != nil {
				t.Fatalf("ParseURL(%q): %v", u.String(), err)
			}
			if diff := cmp.Diff(u, again); diff != "" {
				t.Fatalf("%q read as %q:\n%s", s, u, diff)
			}
		}
		if u, err := ParseListenURL(s); err == nil {
			again, err := ParseListenURL(u.String())
			if err != nil || !cmp.Equal(u, again) {
				t.Fatalf("%q listens on %q, then on %q, error %v", s, u, again, err)
			}
		}
	})
}
