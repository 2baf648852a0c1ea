// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import "github.com/weir-io/weir/lttng"

// Version negotiates: it sends v, returns the relay's and sets Minor.
func (p *Producer) Version(v lttng.Version) lttng.Version {
	p.t.Helper()
	p.Request(lttng.CmdVersion, v.Append)
	own := reply(p, lttng.ParseVersionReply)
	p.Minor = lttng.Minor(min(v.Minor, own.Minor))
	return own
}

// Configuration sends GET_CONFIGURATION.
func (p *Producer) Configuration(flags uint64) lttng.ConfigurationReply {
	p.t.Helper()
	p.Request(lttng.CmdGetConfiguration, lttng.GetConfiguration{QueryFlags: flags}.Append)
	return reply(p, lttng.ParseConfigurationReply)
}

// CreateSession sends CREATE_SESSION. A format that is 0 becomes CTF 1.8.
func (p *Producer) CreateSession(m lttng.CreateSession) lttng.SessionReply {
	p.t.Helper()
	if m.TraceFormat == 0 {
		m.TraceFormat = lttng.FormatCTF1
	}
	p.Request(lttng.CmdCreateSession, func(b []byte) []byte { return m.Append(b, p.Minor) })
	return p.SessionReply()
}

// SessionReply reads the reply of CREATE_SESSION.
func (p *Producer) SessionReply() lttng.SessionReply {
	p.t.Helper()
	return reply(p, func(b []byte) (lttng.SessionReply, int, error) {
		return lttng.ParseSessionReply(b, p.Minor)
	})
}

// CreateChunk sends CREATE_TRACE_CHUNK.
func (p *Producer) CreateChunk(m lttng.CreateTraceChunk) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdCreateTraceChunk, m.Append)
}

// CloseChunk sends CLOSE_TRACE_CHUNK.
func (p *Producer) CloseChunk(m lttng.CloseTraceChunk) lttng.CloseChunkReply {
	p.t.Helper()
	p.Request(lttng.CmdCloseTraceChunk, m.Append)
	return p.CloseChunkReply()
}

// CloseChunkReply reads the reply of CLOSE_TRACE_CHUNK.
func (p *Producer) CloseChunkReply() lttng.CloseChunkReply {
	p.t.Helper()
	return reply(p, lttng.ParseCloseChunkReply)
}

// ChunkExists sends TRACE_CHUNK_EXISTS.
func (p *Producer) ChunkExists(id lttng.ChunkID) lttng.ChunkExistsReply {
	p.t.Helper()
	p.Request(lttng.CmdTraceChunkExists, lttng.TraceChunkExists{Chunk: id}.Append)
	return reply(p, lttng.ParseChunkExistsReply)
}

// AddStream sends ADD_STREAM.
func (p *Producer) AddStream(m lttng.AddStream) lttng.StreamReply {
	p.t.Helper()
	p.Request(lttng.CmdAddStream, func(b []byte) []byte { return m.Append(b, p.Minor) })
	return reply(p, lttng.ParseStreamReply)
}

// StreamsSent sends STREAMS_SENT.
func (p *Producer) StreamsSent() lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdStreamsSent, nil)
}

// SendMetadata sends SEND_METADATA, which has no reply.
func (p *Producer) SendMetadata(m lttng.Metadata) {
	p.t.Helper()
	p.Request(lttng.CmdSendMetadata, m.Append)
}

// ResetMetadata sends RESET_METADATA.
func (p *Producer) ResetMetadata(m lttng.ResetMetadata) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdResetMetadata, m.Append)
}

// SendIndex sends SEND_INDEX.
func (p *Producer) SendIndex(x lttng.Index) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdSendIndex, func(b []byte) []byte { return x.Append(b, p.Minor) })
}

// CloseStream sends CLOSE_STREAM.
func (p *Producer) CloseStream(id lttng.StreamID, last uint64) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdCloseStream, lttng.CloseStream{Stream: id, LastNetSeqNum: last}.Append)
}

// BeginPending sends BEGIN_DATA_PENDING.
func (p *Producer) BeginPending(id lttng.SessionID) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdBeginDataPending, lttng.BeginDataPending{Session: id}.Append)
}

// DataPending sends DATA_PENDING.
func (p *Producer) DataPending(id lttng.StreamID, last uint64) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdDataPending, lttng.DataPending{Stream: id, LastNetSeqNum: last}.Append)
}

// Quiescent sends QUIESCENT_CONTROL.
func (p *Producer) Quiescent(id lttng.StreamID) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdQuiescentControl, lttng.QuiescentControl{Stream: id}.Append)
}

// EndPending sends END_DATA_PENDING.
func (p *Producer) EndPending(id lttng.SessionID) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdEndDataPending, lttng.EndDataPending{Session: id}.Append)
}

// Rotate sends ROTATE_STREAMS.
func (p *Producer) Rotate(m lttng.RotateStreams) lttng.ReplyCode {
	p.t.Helper()
	return p.ask(lttng.CmdRotateStreams, m.Append)
}

// Sync waits until the relay has handled all control bytes sent so far, also
// those of metadata, which is not answered.
func (p *Producer) Sync() {
	p.t.Helper()
	p.Configuration(0)
}

// Resume sends RESUME.
func (p *Producer) Resume(m lttng.Resume) lttng.ResumeReply {
	p.t.Helper()
	p.Request(lttng.CmdResume, m.Append)
	return reply(p, lttng.ParseResumeReply)
}

// Token sends TOKEN.
func (p *Producer) Token() lttng.TokenReply {
	p.t.Helper()
	p.Request(lttng.CmdToken, nil)
	return reply(p, lttng.ParseTokenReply)
}
