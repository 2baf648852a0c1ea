// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package lttng is the codec of the LTTng relay protocols: control, data and
// live (viewer) messages, and the URLs that name a relay. It does no I/O.
//
// # Messages
//
// Each message is a struct with an Append method and a Parse function. Layouts
// that depend on the negotiated minor version take it as a [Minor]; minors 1 to
// 15 are known. All integers are big-endian. Names are C strings on the wire: a
// parser drops their NUL and what follows it, Append writes it.
//
// Requests have a header ([ControlHeader], [ViewerHeader]); [AppendRequest] and
// [AppendViewerRequest] write both. Their parsers get the whole payload and
// ignore bytes after the layout.
//
// Replies have no header, so that only who asked knows what to expect. Their
// parsers return how many bytes they used, and [ErrShort] if the reply is not
// complete yet.
//
//	cmd  control request                      reply
//	1    [AddStream]                          [StreamReply]
//	2    [CreateSession]                      [SessionReply]
//	3    nothing (START_DATA, never sent)     [ReplyCode]
//	5    [Version]                            [Version]
//	6    [Metadata]                           none
//	7    [CloseStream]                        [ReplyCode]
//	8    [DataPending]                        [ReplyCode], pending values
//	9    [QuiescentControl]                   [ReplyCode]
//	10   [BeginDataPending]                   [ReplyCode]
//	11   [EndDataPending]                     [ReplyCode], pending values
//	13   [Index]                              [ReplyCode]
//	16   nothing (STREAMS_SENT)               [ReplyCode]
//	17   [ResetMetadata]                      [ReplyCode]
//	18   [RotateStreams]                      [ReplyCode]
//	19   [CreateTraceChunk]                   [ReplyCode]
//	20   [CloseTraceChunk]                    [CloseChunkReply]
//	21   [TraceChunkExists]                   [ChunkExistsReply]
//	22   [GetConfiguration]                   [ConfigurationReply]
//	10000 [Resume]                            [ResumeReply]
//	10001 nothing (TOKEN)                     [TokenReply]
//
//	cmd  viewer request                       reply
//	1    [ViewerConnectMsg]                   [ViewerConnectMsg]
//	2    nothing (LIST_SESSIONS)              [SessionList]
//	3    [AttachRequest]                      [AttachReply]
//	4    [ViewerStreamRequest]                [NextIndexReply]
//	5    [PacketRequest]                      [PacketReply], data
//	6    [ViewerStreamRequest]                [MetadataReply], data
//	7    [ViewerSessionRequest]               [NewStreamsReply]
//	8    nothing (CREATE_SESSION)             [CreateStatus]
//	9    [ViewerSessionRequest]               [DetachStatus]
//
// On the data connection a [DataHeader] precedes each packet; nothing is
// answered, but for a [TokenFrame]. The bytes of all layouts are in
// docs/protocol/relay.md and docs/protocol/live.md of the source tree, those of
// weir's [Extensions], which LTTng does not have, in weir-extensions.md.
//
// # Errors
//
// Parsers fail with a [*ProtocolError], which names message, field and offset.
// They check lengths and final NULs, and never allocate for a count or a length
// before the bytes are there. They do not judge meaning: whether a name is safe
// in a path, a chunk known or a close command defined is for the relay to say.
//
// # Limits
//
// [PayloadLimit] bounds what is worth receiving for a command; the protocol's
// own limit, [MaxControlPayload], is no protection.
//
// # Concurrency
//
// Values are plain data. [Metadata] shares memory with the parsed bytes; all
// others are copies.
package lttng
