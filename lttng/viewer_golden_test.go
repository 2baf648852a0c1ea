// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// viewerExchange is one request of a viewer capture and its reply.
type viewerExchange struct {
	cmd       ViewerCommand
	request   any
	requestAt int
	replyAt   int
	reply     any
	data      []byte // after the head of GET_PACKET and GET_METADATA replies
}

// requestCodecs and replyCodecs name the messages of each viewer command.
var requestCodecs = map[ViewerCommand]string{
	ViewerConnect: "CONNECT", ViewerAttachSession: "ATTACH_SESSION", ViewerGetNextIndex: "stream request",
	ViewerGetPacket: "GET_PACKET", ViewerGetMetadata: "stream request", ViewerGetNewStreams: "session request",
	ViewerDetachSession: "session request",
}

var replyCodecs = map[ViewerCommand]string{
	ViewerConnect: "CONNECT", ViewerListSessions: "LIST_SESSIONS reply", ViewerAttachSession: "ATTACH_SESSION reply",
	ViewerGetNextIndex: "GET_NEXT_INDEX reply", ViewerGetPacket: "GET_PACKET reply", ViewerGetMetadata: "GET_METADATA reply",
	ViewerGetNewStreams: "GET_NEW_STREAMS reply", ViewerCreateSession: "create status", ViewerDetachSession: "detach status",
}

// walkViewer reads a viewer capture, checks that every message is written back
// to the same bytes, and that no byte is left over.
func walkViewer(t testing.TB, name string) []viewerExchange {
	t.Helper()
	c2s, s2c := readCapture(t, name+".c2s.bin"), readCapture(t, name+".s2c.bin")
	minor := Minor(4) // of all viewers in the captures
	var all []viewerExchange
	var x viewerExchange
	for x.requestAt < len(c2s) {
		h, err := ParseViewerHeader(c2s[x.requestAt:])
		if err != nil || h.Cmd.RequestLen() < 0 {
			t.Fatalf("request at %d: %v, error %v", x.requestAt, h.Cmd, err)
		}
		size := ViewerHeaderLen + h.Cmd.RequestLen()
		raw := c2s[x.requestAt:][:size]
		x.cmd, x.request, x.data = h.Cmd, nil, nil
		if codec, ok := requestCodecs[h.Cmd]; ok {
			x.request = reparse(t, codec, raw[ViewerHeaderLen:], minor)
		}
		if again := h.Append(nil); !bytes.Equal(again, raw[:ViewerHeaderLen]) {
			t.Errorf("header at %d written as %x", x.requestAt, again)
		}
		c := codecNamed(t, replyCodecs[h.Cmd])
		_, n, err := c.parse(s2c[x.replyAt:], minor)
		if err != nil {
			t.Fatalf("reply at %d to %v: %v", x.replyAt, h.Cmd, err)
		}
		x.reply = reparse(t, c.name, s2c[x.replyAt:][:n], minor)
		end := x.replyAt + n + dataLen(x.reply)
		x.data = s2c[x.replyAt+n : end]
		all = append(all, x)
		x.requestAt, x.replyAt = x.requestAt+size, end
	}
	if x.replyAt != len(s2c) {
		t.Errorf("replies end at %d, want %d", x.replyAt, len(s2c))
	}
	return all
}

// reparse reads b whole and checks that it is written back.
func reparse(t testing.TB, name string, b []byte, minor Minor) any {
	t.Helper()
	c := codecNamed(t, name)
	v, n, err := c.parse(b, minor)
	if err != nil || n != len(b) {
		t.Fatalf("%s: used %d of %d bytes, error %v", name, n, len(b), err)
	}
	if again := c.append(v, nil, minor); !bytes.Equal(again, b) {
		t.Errorf("%s written as\n%x, want\n%x", name, again, b)
	}
	return v
}

func dataLen(reply any) int {
	switch r := reply.(type) {
	case PacketReply:
		if r.Status == PacketOK {
			return int(r.Len)
		}
	case MetadataReply:
		return int(r.Len)
	}
	return 0
}

// TestViewerCaptures walks all viewer captures. The counts are those of the
// notes that came with them.
func TestViewerCaptures(t *testing.T) {
	counts := map[string]int{"live-list": 2, "live-bt2-uid": 118, "live-bt2-pid-loss": 450}
	names := append(captureNames(t, "live-*", ".c2s.bin"), "02_live.viewer0")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			all := walkViewer(t, name)
			if want, ok := counts[name]; ok && len(all) != want {
				t.Errorf("%d requests, want %d", len(all), want)
			}
			for i, x := range all {
				if x.cmd == ViewerGetPacket && len(x.data) > 0 && x.request.(PacketRequest).Len != uint32(len(x.data)) {
					t.Errorf("request %d: %d bytes, asked for %d", i, len(x.data), x.request.(PacketRequest).Len)
				}
			}
		})
	}
}

// TestViewerLife compares the exchanges of a whole viewer's life with what its
// notes say about them.
func TestViewerLife(t *testing.T) {
	all := walkViewer(t, "live-bt2-uid")
	tests := []struct {
		i     int
		reqAt int
		repAt int
		want  string
	}{
		{0, 0, 0, "CONNECT {18446744073709551615 2 4 1} -> {2 2 13 0}"},
		{1, 36, 20, "CREATE_SESSION <nil> -> OK"},
		{2, 52, 24, "LIST_SESSIONS <nil> -> {[{1 1000000 0 0 vm live1 0}]}"},
		{3, 68, 367, "ATTACH_SESSION {1 0 LAST} -> {OK []}"},
		{4, 104, 375, "GET_NEW_STREAMS {1} -> {OK []}"},
		{12, 296, 439, "GET_NEW_STREAMS {1} -> {OK [{3 1 true ust/uid/0/64-bit metadata} {1 1 false ust/uid/0/64-bit ch_0} {2 1 false ust/uid/0/64-bit ch_1}]}"},
		{13, 320, 13560, "GET_METADATA {3} -> {0 NO_NEW}"},
		{23, 560, 13680, "GET_METADATA {3} -> {4096 OK} 571dd175e187d056"},
		{25, 608, 17800, "GET_NEXT_INDEX {1} -> {0 32768 1824 946360894685 947361052057 0 0 OK 2}"},
		{27, 656, 17872, "GET_PACKET {1 0 4096} -> {OK 4096 0} c11ffcc1e187d056"},
		{30, 752, 26152, "GET_NEXT_INDEX {1} -> {0 0 0 0 0 0 0 RETRY 0}"},
		{40, 992, 26792, "GET_NEXT_INDEX {1} -> {0 0 0 0 948362229779 0 0 INACTIVE 0}"},
		{115, 2852, 55804, "GET_NEXT_INDEX {2} -> {0 0 0 0 0 0 0 HUP 0}"},
		{116, 2876, 55868, "GET_NEW_STREAMS {1} -> {HUP []}"},
		{117, 2900, 55876, "DETACH_SESSION {1} -> OK"},
	}
	for _, tt := range tests {
		x := all[tt.i]
		got := fmt.Sprintf("%v %v -> %v", x.cmd, x.request, x.reply)
		if len(x.data) > 0 {
			got += " " + hex.EncodeToString(x.data[:8])
		}
		if got != tt.want || x.requestAt != tt.reqAt || x.replyAt != tt.repAt {
			t.Errorf("exchange %d at %d, %d: %s\nwant at %d, %d: %s", tt.i, x.requestAt, x.replyAt, got, tt.reqAt, tt.repAt, tt.want)
		}
	}
}

// TestViewerStatuses looks for the statuses the edge captures were made for.
func TestViewerStatuses(t *testing.T) {
	want := []string{
		"ATTACH_SESSION ALREADY", "ATTACH_SESSION UNK", "GET_METADATA ERR", "GET_METADATA NO_NEW", "GET_PACKET ERR",
		"GET_NEXT_INDEX INACTIVE", "GET_NEXT_INDEX HUP", "GET_NEXT_INDEX ERR", "GET_NEW_STREAMS HUP", "DETACH_SESSION ERR",
	}
	seen := make(map[string]bool)
	for _, name := range []string{"live-edge-begin", "live-edge-clear-destroy"} {
		for _, x := range walkViewer(t, name) {
			switch r := x.reply.(type) {
			case AttachReply:
				seen[fmt.Sprint(x.cmd, " ", r.Status)] = true
			case NewStreamsReply:
				seen[fmt.Sprint(x.cmd, " ", r.Status)] = true
			case NextIndexReply:
				seen[fmt.Sprint(x.cmd, " ", r.Status)] = true
			case PacketReply:
				seen[fmt.Sprint(x.cmd, " ", r.Status)] = true
			case MetadataReply:
				seen[fmt.Sprint(x.cmd, " ", r.Status)] = true
			case DetachStatus:
				seen[fmt.Sprint(x.cmd, " ", r)] = true
			}
		}
	}
	for _, s := range want {
		if !seen[s] {
			t.Errorf("no answer %s in the captures", s)
		}
	}
}

// TestViewerSizesNotTrusted checks the reason for RequestLen: a viewer whose
// headers announce other sizes than it sends.
func TestViewerSizesNotTrusted(t *testing.T) {
	b := readCapture(t, "live-tracecompass-style.c2s.bin")
	wrong := 0
	for len(b) > 0 {
		h, err := ParseViewerHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if h.DataSize != uint64(h.Cmd.RequestLen()) {
			wrong++
		}
		b = b[ViewerHeaderLen+h.Cmd.RequestLen():]
	}
	if wrong == 0 {
		t.Error("all sizes are right, want wrong ones")
	}
}

// TestViewerRequest compares a request written by AppendViewerRequest with a
// captured one.
func TestViewerRequest(t *testing.T) {
	want := readCapture(t, "live-bt2-uid.c2s.bin")[:52]
	connect := ViewerConnectMsg{ViewerSessionID: ^uint64(0), Major: 2, Minor: 4, Type: ViewerTypeCommand}
	got := AppendViewerRequest(nil, ViewerConnect, connect.Append)
	got = AppendViewerRequest(got, ViewerCreateSession, nil)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestViewerRequestLen(t *testing.T) {
	want := []int{-1, 20, 0, 20, 8, 20, 8, 8, 0, 8, -1}
	for cmd, n := range want {
		if got := ViewerCommand(cmd).RequestLen(); got != n {
			t.Errorf("%v.RequestLen() = %d, want %d", ViewerCommand(cmd), got, n)
		}
	}
}

// TestSessionListCut checks that the fixed layout keeps room for a NUL, and
// that the sized one keeps the whole names.
func TestSessionListCut(t *testing.T) {
	long := strings.Repeat("n", 300)
	s := ViewerSession{ID: 1, Hostname: long, Name: long}
	got, _, err := ParseViewerSession(s.Append(nil, 4), 4)
	if err != nil || len(got.Hostname) != MaxFixedHost || len(got.Name) != MaxSessionName {
		t.Errorf("minor 4: names of %d and %d bytes, error %v", len(got.Hostname), len(got.Name), err)
	}
	got, _, err = ParseViewerSession(s.Append(nil, 15), 15)
	if err != nil || got != s {
		t.Errorf("minor 15: %+v, error %v", got, err)
	}
}
