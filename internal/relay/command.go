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
