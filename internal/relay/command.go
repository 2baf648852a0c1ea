// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

var (
	errNoSession = errors.New("no session on this connection")
	errMajor     = errors.New("major version differs")
	errDisplaced = errors.New("too many connections, and this one was silent for longest")
	errUnknown   = errors.New("unknown command")
)

// handle answers one request. An error closes the connection, after the
// replies appended so far.
func (c *controlConn) handle(cmd lttng.Command, b []byte) error {
	c.worker.server.counters.Commands.Add(1)
	switch cmd {
	case lttng.CmdVersion:
		return c.version(b)
	case lttng.CmdGetConfiguration:
		return c.configuration(b)
	case lttng.CmdCreateSession:
		return c.createSession(b)
	case lttng.CmdStartData:
		c.code(lttng.ReplyOK)
		return nil
	}
	serve, known := sessionCommands[cmd]
	if !known {
		serve = c.extension(cmd)
		known = serve != nil
	}
	if !known {
		c.code(lttng.ReplyUnknown)
		return errUnknown
	}
	if c.session == nil {
		return errNoSession
	}
	if asksForData[cmd] {
		if c.catchUpData(); c.closed {
			return nil // the data was wrong and took the session along
		}
	}
	if err := serve(c, c.session.store, b); err != nil {
		return err
	}
	if tellsOfEnd[cmd] {
		c.await()
	}
	return nil
}

// sessionCommands are the requests that need a session. Every handle in them
// is looked up among the session's own.
var sessionCommands = map[lttng.Command]func(*controlConn, *tracestore.Session, []byte) error{
	lttng.CmdAddStream:        (*controlConn).addStream,
	lttng.CmdSendMetadata:     (*controlConn).sendMetadata,
	lttng.CmdCloseStream:      (*controlConn).closeStream,
	lttng.CmdDataPending:      (*controlConn).dataPending,
	lttng.CmdQuiescentControl: (*controlConn).quiescent,
	lttng.CmdBeginDataPending: (*controlConn).beginPending,
	lttng.CmdEndDataPending:   (*controlConn).endPending,
	lttng.CmdSendIndex:        (*controlConn).sendIndex,
	lttng.CmdStreamsSent:      (*controlConn).streamsSent,
	lttng.CmdResetMetadata:    (*controlConn).resetMetadata,
	lttng.CmdRotateStreams:    (*controlConn).rotateStreams,
	lttng.CmdCreateTraceChunk: (*controlConn).createChunk,
	lttng.CmdCloseTraceChunk:  (*controlConn).closeChunk,
	lttng.CmdTraceChunkExists: (*controlConn).chunkExists,
}

// asksForData are the commands whose answer depends on the data received.
var asksForData = map[lttng.Command]bool{
	lttng.CmdDataPending: true, lttng.CmdEndDataPending: true,
	lttng.CmdRotateStreams: true, lttng.CmdTraceChunkExists: true,
	lttng.CmdUDPStatus: true, lttng.CmdUDPAbandon: true,
}

// tellsOfEnd are the commands whose answer says that something is complete, or
// gone: it waits for the disk where the disk is to have it.
var tellsOfEnd = map[lttng.Command]bool{
	lttng.CmdCloseStream: true, lttng.CmdRotateStreams: true,
	lttng.CmdCloseTraceChunk: true, lttng.CmdTraceChunkExists: true,
}

func (c *controlConn) code(code lttng.ReplyCode) {
	c.worker.replies = lttng.AppendCode(c.worker.replies, code)
}

func (c *controlConn) version(b []byte) error {
	v, err := lttng.ParseVersion(b)
	if err != nil {
		return err
	}
	own := lttng.Version{Major: lttng.MajorVersion, Minor: lttng.MinorVersion}
	c.worker.replies = own.Append(c.worker.replies)
	if v.Major != lttng.MajorVersion {
		return fmt.Errorf("%w: got %d, want %d", errMajor, v.Major, lttng.MajorVersion)
	}
	c.minor = lttng.Minor(min(v.Minor, lttng.MinorVersion))
	return c.greeted()
}

// greeted notes that the peer speaks the protocol.
func (c *controlConn) greeted() error {
	if c.valid {
		return nil
	}
	if !c.worker.server.gate.Spoke(&c.seat) {
		return errDisplaced
	}
	c.valid = true
	return nil
}

func (c *controlConn) configuration(b []byte) error {
	m, err := lttng.ParseGetConfiguration(b)
	if err != nil {
		return err
	}
	r := lttng.ConfigurationReply{Code: lttng.ReplyOK}
	want, asked := lttng.QueriedExtensions(m.QueryFlags)
	switch {
	case m.QueryFlags != 0 && !asked:
		r.Code = lttng.ReplyInvalidProtocol
	case c.worker.server.opts.AllowClear:
		r.Flags = lttng.ConfigClearAllowed
	}
	if asked && c.session == nil {
		c.granted = want & c.worker.server.extensions()
	}
	if asked {
		r.Flags |= lttng.ExtensionFlags(c.granted)
	}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}

// extensions are those that this relay has.
func (s *Server) extensions() lttng.Extensions {
	if len(s.udpPorts) == 0 {
		return lttng.AllExtensions &^ lttng.ExtUDP
	}
	return lttng.AllExtensions
}

// createSession opens the connection's session. A refusal leaves the
// connection open: the producer decides.
func (c *controlConn) createSession(b []byte) error {
	w := c.worker
	r := lttng.SessionReply{Code: lttng.ReplyFatal}
	st, err := c.newSession(b)
	if err != nil {
		w.server.log.Warn("session refused", "peer", c.peer, "err", err)
	} else {
		r = lttng.SessionReply{Session: st.ID(), Code: lttng.ReplyOK, Path: st.Dir()}
	}
	w.replies = r.Append(w.replies, c.minor)
	return nil
}

func (c *controlConn) newSession(b []byte) (*tracestore.Session, error) {
	if c.session != nil {
		return nil, fmt.Errorf("connection has session %d already", c.sessionID())
	}
	if c.worker.draining {
		return nil, errors.New("the relay is stopping")
	}
	m, err := lttng.ParseCreateSession(b, c.minor)
	if err != nil {
		return nil, err
	}
	create := c.worker.server.store.CreateSession
	if c.granted.Has(lttng.ExtResume) {
		create = c.worker.server.store.CreateResumable
	}
	st, err := create(m, c.minor, c.peer)
	if err != nil {
		return nil, err
	}
	c.session = newSession(c, st)
	return st, nil
}

func (c *controlConn) addStream(ss *tracestore.Session, b []byte) error {
	r := lttng.StreamReply{Stream: lttng.NoStream, Code: lttng.ReplyUnknown}
	m, err := lttng.ParseAddStream(b, c.minor)
	if err != nil {
		c.worker.replies = r.Append(c.worker.replies)
		return err
	}
	if ss.Replaces(m) {
		if c.catchUpData(); c.closed {
			return nil
		}
	}
	st, id, err := ss.AddStream(m)
	r.Stream = id
	if err != nil {
		c.worker.server.log.Warn("stream refused", "peer", c.peer, "session", ss.ID(), "err", err)
	} else {
		r = lttng.StreamReply{Stream: st.ID(), Code: lttng.ReplyOK}
	}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}

func (c *controlConn) sendMetadata(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseMetadata(b)
	if err != nil {
		return err
	}
	st := ss.Stream(m.Stream)
	if st == nil {
		return unknownStream(m.Stream)
	}
	return st.AppendMetadata(m)
}

func (c *controlConn) sendIndex(ss *tracestore.Session, b []byte) error {
	x, err := lttng.ParseIndex(b, c.minor)
	if err != nil {
		return err // too short: closed without an answer
	}
	st := ss.Stream(x.Stream)
	if st != nil && st.AwaitsData(x) {
		// The packet was written before its index: with it stored, the
		// answer promises something.
		if c.catchUpData(); c.closed {
			return nil
		}
		st = ss.Stream(x.Stream)
	}
	if st == nil {
		err = unknownStream(x.Stream)
	} else {
		err = st.PutIndex(x)
	}
	return c.answer(err)
}

func (c *controlConn) closeStream(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseCloseStream(b)
	if err != nil {
		return err
	}
	st := ss.Stream(m.Stream)
	if st == nil {
		return c.answer(unknownStream(m.Stream))
	}
	st.RequestClose(m.LastNetSeqNum)
	c.code(lttng.ReplyOK)
	return nil
}

func (c *controlConn) dataPending(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseDataPending(b)
	if err != nil {
		return err
	}
	st := ss.Stream(m.Stream)
	if st == nil {
		c.code(lttng.ReplyPendingUnknown)
		return unknownStream(m.Stream)
	}
	c.pending(st.Pending(m.LastNetSeqNum))
	return nil
}

func (c *controlConn) pending(yes bool) {
	if yes {
		c.code(lttng.ReplyPending)
		return
	}
	c.code(lttng.ReplyNotPending)
}

// quiescent answers OK whatever the stream: the answer itself is the message,
// and at the end of a session the stream may be gone already.
func (c *controlConn) quiescent(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseQuiescentControl(b)
	if err != nil {
		return err
	}
	if st := ss.Stream(m.Stream); st != nil {
		st.Check()
	}
	c.code(lttng.ReplyOK)
	return nil
}

func (c *controlConn) beginPending(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseBeginDataPending(b)
	if err != nil {
		return err
	}
	if m.Session == ss.ID() {
		ss.BeginPending()
	}
	c.code(lttng.ReplyOK)
	return nil
}

func (c *controlConn) endPending(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseEndDataPending(b)
	if err != nil {
		return err
	}
	c.pending(m.Session == ss.ID() && ss.EndPending())
	return nil
}

func (c *controlConn) streamsSent(ss *tracestore.Session, _ []byte) error {
	ss.Publish()
	c.code(lttng.ReplyOK)
	return nil
}

func (c *controlConn) resetMetadata(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseResetMetadata(b)
	if err != nil {
		return err
	}
	st := ss.Stream(m.Stream)
	if st == nil {
		return c.answer(unknownStream(m.Stream))
	}
	return c.answer(st.ResetMetadata())
}

func (c *controlConn) rotateStreams(ss *tracestore.Session, b []byte) error {
	m, err := lttng.ParseRotateStreams(b)
	if err != nil {
		return err
	}
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	err = ss.Rotate(m)
	switch {
	case errors.Is(err, tracestore.ErrUnknownChunk):
		c.code(lttng.ReplyInvalidProtocol)
	case errors.Is(err, tracestore.ErrUnknownStream):
		c.code(lttng.ReplyInvalid)
	default:
		c.code(codeOf(err))
	}
	return err
}

func (c *controlConn) createChunk(ss *tracestore.Session, b []byte) error {
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	m, err := lttng.ParseCreateTraceChunk(b)
	if err != nil {
		if len(b) >= lttng.CreateChunkLen { // the name is wrong, not the layout
			c.code(lttng.ReplyInvalid)
		}
		return err
	}
	return c.answer(ss.CreateChunk(m))
}

func (c *controlConn) closeChunk(ss *tracestore.Session, b []byte) error {
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	m, err := lttng.ParseCloseTraceChunk(b)
	if err != nil {
		return err
	}
	path, err := ss.CloseChunk(m)
	r := lttng.CloseChunkReply{Code: lttng.ReplyOK, Path: path}
	if err != nil {
		r = lttng.CloseChunkReply{Code: codeOf(err)}
		if errors.Is(err, tracestore.ErrUnknownChunk) {
			r.Code = lttng.ReplyNoMemory
		}
	}
	c.worker.replies = r.Append(c.worker.replies)
	return err
}

func (c *controlConn) chunkExists(ss *tracestore.Session, b []byte) error {
	if c.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: minor %d", tracestore.ErrChunkState, c.minor)
	}
	m, err := lttng.ParseTraceChunkExists(b)
	if err != nil {
		return err
	}
	r := lttng.ChunkExistsReply{Code: lttng.ReplyOK, Exists: ss.ChunkExists(m.Chunk)}
	c.worker.replies = r.Append(c.worker.replies)
	return nil
}

// answer appends the code of err and returns err: a refused request ends the
// connection.
func (c *controlConn) answer(err error) error {
	c.code(codeOf(err))
	return err
}

// codeOf is the reply code of an error. LTTng relay protocol, ROTATE_STREAMS,
// CREATE_TRACE_CHUNK and CLOSE_TRACE_CHUNK.
func codeOf(err error) lttng.ReplyCode {
	if err == nil {
		return lttng.ReplyOK
	}
	for _, e := range errorCodes {
		if errors.Is(err, e.err) {
			return e.code
		}
	}
	return lttng.ReplyUnknown
}

var errorCodes = []struct {
	err  error
	code lttng.ReplyCode
}{
	{tracestore.ErrRotating, lttng.ReplyFileCreation},
	{tracestore.ErrChunkName, lttng.ReplyInvalid},
	{tracestore.ErrCommand, lttng.ReplyInvalid},
	{tracestore.ErrClearRefused, lttng.ReplyInvalidProtocol},
	{tracestore.ErrNotClosing, lttng.ReplyInvalidProtocol},
}

func unknownStream(id lttng.StreamID) error {
	return fmt.Errorf("%w: %d", tracestore.ErrUnknownStream, id)
}
