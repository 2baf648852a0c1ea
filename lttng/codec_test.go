// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package lttng

import "testing"

// codec hides a message type, so that one test can run over all messages.
type codec struct {
	name   string
	minors []Minor // one of each layout
	// incremental parsers say how much they used; for the others, which have a
	// whole payload, parse returns the canonical length.
	incremental bool
	parse       func(b []byte, minor Minor) (any, int, error)
	append      func(v any, b []byte, minor Minor) []byte
	sample      any // a value with every field set
}

// request is a message whose parser ignores trailing bytes.
func request[T any](name string, sample T, parse func([]byte) (T, error), app func(T, []byte) []byte) codec {
	return requestOf(name, sample, []Minor{MinorVersion},
		func(b []byte, _ Minor) (T, error) { return parse(b) },
		func(v T, b []byte, _ Minor) []byte { return app(v, b) })
}

func requestOf[T any](name string, sample T, minors []Minor, parse func([]byte, Minor) (T, error), app func(T, []byte, Minor) []byte) codec {
	return codec{
		name: name, minors: minors, sample: sample,
		parse: func(b []byte, minor Minor) (any, int, error) {
			v, err := parse(b, minor)
			return v, len(app(v, nil, minor)), err
		},
		append: func(v any, b []byte, minor Minor) []byte { return app(v.(T), b, minor) },
	}
}

// reply is a message whose parser says how much it used.
func reply[T any](name string, sample T, parse func([]byte) (T, int, error), app func(T, []byte) []byte) codec {
	return replyOf(name, sample, []Minor{MinorVersion},
		func(b []byte, _ Minor) (T, int, error) { return parse(b) },
		func(v T, b []byte, _ Minor) []byte { return app(v, b) })
}

func replyOf[T any](name string, sample T, minors []Minor, parse func([]byte, Minor) (T, int, error), app func(T, []byte, Minor) []byte) codec {
	return codec{
		name: name, minors: minors, sample: sample, incremental: true,
		parse: func(b []byte, minor Minor) (any, int, error) { return parse(b, minor) },
		append: func(v any, b []byte, minor Minor) []byte {
			return app(v.(T), b, minor)
		},
	}
}

func controlCodecs() []codec {
	uuid := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	return []codec{
		request("control header", ControlHeader{1, 2, CmdVersion, 4}, ParseControlHeader, ControlHeader.Append),
		request("data header", DataHeader{1, 2, 3, 4, 5}, ParseDataHeader, DataHeader.Append),
		request("VERSION", Version{2, 13}, ParseVersion, Version.Append),
		requestOf("CREATE_SESSION", CreateSession{
			Name: "s", Hostname: "h", BasePath: "b/c", LiveTimer: 1, Snapshot: true, NameHasTime: true,
			SessiondUUID: uuid, SessiondSessionID: 7, CreationTime: 8, HasChunk: true, Chunk: 9, TraceFormat: 2,
		}, []Minor{1, 4, 11, 15}, ParseCreateSession, CreateSession.Append),
		requestOf("ADD_STREAM", AddStream{Channel: "ch0_0", Path: "ust/uid/0/64-bit", TracefileSize: 1, TracefileCount: 2, Chunk: 3},
			[]Minor{1, 2, 11}, ParseAddStream, AddStream.Append),
		request("SEND_METADATA", Metadata{1, 2, []byte("meta")}, ParseMetadata, Metadata.Append),
		requestOf("SEND_INDEX", Index{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []Minor{4, 8}, ParseIndex, Index.Append),
		request("CLOSE_STREAM", CloseStream{1, 2}, ParseCloseStream, CloseStream.Append),
		request("DATA_PENDING", DataPending{1, 2}, ParseDataPending, DataPending.Append),
		request("QUIESCENT_CONTROL", QuiescentControl{1}, ParseQuiescentControl, QuiescentControl.Append),
		request("BEGIN_DATA_PENDING", BeginDataPending{1}, ParseBeginDataPending, BeginDataPending.Append),
		request("END_DATA_PENDING", EndDataPending{1}, ParseEndDataPending, EndDataPending.Append),
		request("RESET_METADATA", ResetMetadata{1, 2}, ParseResetMetadata, ResetMetadata.Append),
		request("ROTATE_STREAMS", RotateStreams{true, 1, []RotatePosition{{2, 3}, {4, 5}}}, ParseRotateStreams, RotateStreams.Append),
		request("CREATE_TRACE_CHUNK", CreateTraceChunk{1, 2, "snap"}, ParseCreateTraceChunk, CreateTraceChunk.Append),
		request("CLOSE_TRACE_CHUNK", CloseTraceChunk{1, 2, true, CloseDelete}, ParseCloseTraceChunk, CloseTraceChunk.Append),
		request("TRACE_CHUNK_EXISTS", TraceChunkExists{1}, ParseTraceChunkExists, TraceChunkExists.Append),
		request("GET_CONFIGURATION", GetConfiguration{1}, ParseGetConfiguration, GetConfiguration.Append),
		reply("code", ReplyOK, ParseCode, func(c ReplyCode, b []byte) []byte { return AppendCode(b, c) }),
		reply("VERSION reply", Version{2, 15}, ParseVersionReply, Version.Append),
		replyOf("CREATE_SESSION reply", SessionReply{1, ReplyOK, "h/s-20260101-000000"}, []Minor{4, 11}, ParseSessionReply, SessionReply.Append),
		reply("ADD_STREAM reply", StreamReply{1, ReplyOK}, ParseStreamReply, StreamReply.Append),
		reply("GET_CONFIGURATION reply", ConfigurationReply{ReplyOK, ConfigClearAllowed}, ParseConfigurationReply, ConfigurationReply.Append),
		reply("CLOSE_TRACE_CHUNK reply", CloseChunkReply{ReplyOK, "h/s/archives/x"}, ParseCloseChunkReply, CloseChunkReply.Append),
		reply("TRACE_CHUNK_EXISTS reply", ChunkExistsReply{ReplyOK, true}, ParseChunkExistsReply, ChunkExistsReply.Append),
	}
}

func extensionCodecs() []codec {
	token := Token{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	return []codec{
		request("RESUME", Resume{[]AddStream{
			{Channel: "ch0_0", Path: "kernel", TracefileSize: 1, TracefileCount: 2, Chunk: 3}, {Channel: "metadata", Path: "kernel"},
		}}, ParseResume, Resume.Append),
		reply("RESUME reply", ResumeReply{ReplyOK, 3, true, []ResumedStream{{1, 2}, {3, 4}}}, ParseResumeReply, ResumeReply.Append),
		reply("TOKEN reply", TokenReply{ReplyOK, token}, ParseTokenReply, TokenReply.Append),
		request("token", TokenFrame{token}, ParseTokenFrame, TokenFrame.Append),
		request("UDP_OPEN", UDPOpen{true, 2, 3}, ParseUDPOpen, UDPOpen.Append),
		reply("UDP_OPEN reply", UDPOpenReply{ReplyOK, 1, 2, 3}, ParseUDPOpenReply, UDPOpenReply.Append),
		request("UDP_STATUS", UDPStatus{[]UDPSent{{1, 2}, {3, 4}}}, ParseUDPStatus, UDPStatus.Append),
		reply("UDP_STATUS reply", UDPStatusReply{ReplyOK, true, []UDPArrived{{1, 2, []UDPRange{{3, 4, 5}, {6, 7, 8}}}, {9, 10, nil}}},
			ParseUDPStatusReply, UDPStatusReply.Append),
		request("UDP_ABANDON", UDPAbandon{1, 2, 3}, ParseUDPAbandon, UDPAbandon.Append),
		reply("UDP_ABANDON reply", UDPAbandonReply{ReplyOK, true}, ParseUDPAbandonReply, UDPAbandonReply.Append),
		request("datagram", Datagram{DatagramData, 1, 2, 3, 4, 16, 6, DatagramAgain | DatagramLast, []byte("0123456789")}, ParseDatagram, Datagram.Append),
	}
}

func viewerCodecs() []codec {
	session := ViewerSession{1, 2, 3, 4, "host", "name", ViewerFormatCTF2}
	streams := []ViewerStream{{1, 2, true, "ust/uid/0/64-bit", "metadata"}, {3, 2, false, "kernel", "ch0_0"}}
	return []codec{
		request("viewer header", ViewerHeader{1, ViewerGetPacket, 2}, ParseViewerHeader, ViewerHeader.Append),
		reply("CONNECT", ViewerConnectMsg{1, 2, 4, ViewerTypeCommand}, ParseViewerConnectMsg, ViewerConnectMsg.Append),
		request("stream request", ViewerStreamRequest{1}, ParseViewerStreamRequest, ViewerStreamRequest.Append),
		request("session request", ViewerSessionRequest{1}, ParseViewerSessionRequest, ViewerSessionRequest.Append),
		replyOf("session entry", session, []Minor{4, 15}, ParseViewerSession, ViewerSession.Append),
		replyOf("LIST_SESSIONS reply", SessionList{[]ViewerSession{session, session}}, []Minor{4, 15}, ParseSessionList, SessionList.Append),
		request("ATTACH_SESSION", AttachRequest{1, 2, SeekLast}, ParseAttachRequest, AttachRequest.Append),
		reply("viewer stream", streams[0], ParseViewerStream, ViewerStream.Append),
		reply("ATTACH_SESSION reply", AttachReply{AttachOK, streams}, ParseAttachReply, AttachReply.Append),
		reply("GET_NEW_STREAMS reply", NewStreamsReply{NewStreamsOK, streams}, ParseNewStreamsReply, NewStreamsReply.Append),
		reply("GET_NEXT_INDEX reply", NextIndexReply{1, 2, 3, 4, 5, 6, 7, IndexOK, FlagNewStream}, ParseNextIndexReply, NextIndexReply.Append),
		request("GET_PACKET", PacketRequest{1, 2, 3}, ParsePacketRequest, PacketRequest.Append),
		reply("GET_PACKET reply", PacketReply{PacketOK, 4096, FlagNewMetadata}, ParsePacketReply, PacketReply.Append),
		reply("GET_METADATA reply", MetadataReply{4096, MetadataOK}, ParseMetadataReply, MetadataReply.Append),
		reply("create status", CreateOK, ParseStatus[CreateStatus], func(s CreateStatus, b []byte) []byte { return AppendStatus(b, s) }),
		reply("detach status", DetachError, ParseStatus[DetachStatus], func(s DetachStatus, b []byte) []byte { return AppendStatus(b, s) }),
	}
}

func allCodecs() []codec {
	return append(append(controlCodecs(), viewerCodecs()...), extensionCodecs()...)
}

// codecNamed returns the codec of one message.
func codecNamed(t testing.TB, name string) codec {
	t.Helper()
	for _, c := range allCodecs() {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no codec is named %q", name)
	return codec{}
}
