// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "testing"

// TestAllocations guards the paths that run once for each packet.
func TestAllocations(t *testing.T) {
	control := ControlHeader{DataSize: 80, Cmd: CmdSendIndex}.Append(nil)
	data := DataHeader{Stream: 1, DataSize: 4096}.Append(nil)
	index := Index{Stream: 1, PacketSize: 32768}
	payload := index.Append(nil, 15)
	next := NextIndexReply{Status: IndexOK}
	nextBytes := next.Append(nil)
	viewer := ViewerHeader{DataSize: 8, Cmd: ViewerGetNextIndex}.Append(nil)
	streamRequest := ViewerStreamRequest{1}.Append(nil)
	packetRequest := PacketRequest{1, 2, 3}.Append(nil)
	metadata := Metadata{1, 2, make([]byte, 100)}.Append(nil)
	buf := make([]byte, 0, viewerStreamLen)

	var failed error
	check := func(err error) {
		if err != nil {
			failed = err
		}
	}
	tests := []struct {
		name string
		f    func()
	}{
		{"ParseControlHeader", func() { _, err := ParseControlHeader(control); check(err) }},
		{"ControlHeader.Append", func() { buf = ControlHeader{Cmd: CmdSendIndex}.Append(buf[:0]) }},
		{"ParseDataHeader", func() { _, err := ParseDataHeader(data); check(err) }},
		{"DataHeader.Append", func() { buf = DataHeader{Stream: 1}.Append(buf[:0]) }},
		{"ParseIndex", func() { _, err := ParseIndex(payload, 15); check(err) }},
		{"Index.Append", func() { buf = index.Append(buf[:0], 15) }},
		{"AppendRequest", func() {
			buf = AppendRequest(buf[:0], CmdSendIndex, func(b []byte) []byte { return index.Append(b, 15) })
		}},
		{"ParseMetadata", func() { _, err := ParseMetadata(metadata); check(err) }},
		{"AppendCode", func() { buf = AppendCode(buf[:0], ReplyOK) }},
		{"ParseCode", func() { _, _, err := ParseCode(data); check(err) }},
		{"ParseViewerHeader", func() { _, err := ParseViewerHeader(viewer); check(err) }},
		{"ParseViewerStreamRequest", func() { _, err := ParseViewerStreamRequest(streamRequest); check(err) }},
		{"ParsePacketRequest", func() { _, err := ParsePacketRequest(packetRequest); check(err) }},
		{"ParseNextIndexReply", func() { _, _, err := ParseNextIndexReply(nextBytes); check(err) }},
		{"NextIndexReply.Append", func() { buf = next.Append(buf[:0]) }},
		{"PacketReply.Append", func() { buf = PacketReply{PacketOK, 1, 0}.Append(buf[:0]) }},
		{"ViewerStream.Append", func() {
			buf = ViewerStream{Path: "kernel", Channel: "ch0_0"}.Append(buf[:0])
		}},
		{"ViewerSession.Append", func() {
			buf = ViewerSession{Hostname: "h", Name: "n"}.Append(buf[:0], 4)
		}},
	}
	for _, tt := range tests {
		if n := testing.AllocsPerRun(100, tt.f); n != 0 {
			t.Errorf("%s: %v allocations, want 0", tt.name, n)
		}
	}
	if failed != nil {
		t.Error(failed)
	}
}

func BenchmarkParseIndex(b *testing.B) {
	payload := Index{Stream: 1, PacketSize: 32768}.Append(nil, 15)
	for b.Loop() {
		if _, err := ParseIndex(payload, 15); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendNextIndex(b *testing.B) {
	buf := make([]byte, 0, nextIndexLen)
	r := NextIndexReply{Status: IndexOK, PacketSize: 32768}
	for b.Loop() {
		buf = r.Append(buf[:0])
	}
}
