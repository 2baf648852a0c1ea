// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Session is a trace session on a relay.
type Session struct {
	// Immutable after Dial or Adopt.
	minor        lttng.Minor
	id           lttng.SessionID
	path         string
	clear        bool // chunks may be deleted
	extensions   lttng.Extensions
	live         bool
	snapshot     bool
	legacyRoot   string // of stream paths below minor 11
	created      time.Time
	identity     Identity
	replyTimeout time.Duration
	control      *link
	data         *link
	dead         chan struct{} // closed with the end of the session
	readers      sync.WaitGroup
	udp          *sender       // of datagrams; nil: packets go by the data connection
	maxReply     int           // longest answer, in bytes
	window       chan struct{} // holds a value for each unanswered index
	rounds       chan struct{} // turn of what must not see handles change; holds one value

	in *bufio.Reader // owned by readReplies

	// Owned by whose turn on the control connection it is.
	out      []byte
	outParts [2][]byte
	// Owned by whose turn on the data connection it is.
	head      [lttng.DataHeaderLen]byte
	dataParts [2][]byte

	mu sync.Mutex
	// Guarded by mu.
	err     error // the end of the session; the first stays
	leaving bool  // it is being detached
	armed   bool  // there is a deadline for answers
	calls   calls
	streams []*Stream // that are not closed
	chunks  chunks
}

// replyBuffer has room for the longest answer but those about datagrams.
const replyBuffer = 8 << 10

func newSession(o Options, control, data string) *Session {
	s := &Session{
		live: o.LiveTimer > 0, snapshot: o.Snapshot,
		legacyRoot: o.legacyRoot(), created: o.Created, identity: o.identity(), replyTimeout: o.ReplyTimeout,
		control:  newLink(Control, control, o.StallTimeout),
		data:     newLink(Data, data, o.StallTimeout),
		dead:     make(chan struct{}),
		maxReply: maxReply,
		window:   make(chan struct{}, o.Window),
		rounds:   make(chan struct{}, 1),
	}
	s.giveRounds()
	return s
}

// takeRounds waits for the turn to ask about streams or to change them.
func (s *Session) takeRounds(ctx context.Context) error {
	select {
	case <-s.rounds:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.dead:
		return s.Err()
	}
}

func (s *Session) giveRounds() { s.rounds <- struct{}{} }

func (s *Session) startControl(c net.Conn) {
	s.control.connected(c)
	s.in = bufio.NewReaderSize(c, max(replyBuffer, s.maxReply))
	s.readers.Go(s.readReplies) // ended by fail, waited for by Abort and Detach
}

func (s *Session) startData(c net.Conn) {
	if s.connectData(c) {
		s.readers.Go(s.watchData) // as the other one
	}
}

// connectData reports whether the session still wants the connection.
func (s *Session) connectData(c net.Conn) bool {
	s.mu.Lock()
	s.data.connected(c)
	ended := s.err != nil
	s.mu.Unlock()
	if ended { // by the control connection; nobody else closes this one
		c.Close()
	}
	return !ended
}

// watchData waits for the end of the data connection, where nothing comes.
func (s *Session) watchData() {
	var b [1]byte
	_, err := io.ReadFull(s.data.conn, b[:])
	switch {
	case err == nil:
		err = ErrUnasked
	case errors.Is(err, os.ErrDeadlineExceeded): // set by Detach only
		return
	case errors.Is(err, io.EOF):
		err = ErrHangup
	}
	_ = s.fail(Data, "wait", nil, err)
}

// Minor returns the version that both ends speak.
func (s *Session) Minor() lttng.Minor { return s.minor }

// ID returns the relay's number of the session.
func (s *Session) ID() lttng.SessionID { return s.id }

// Path returns the session's directory below the relay's output directory, ""
// below minor 11.
func (s *Session) Path() string { return s.path }

// ClearAllowed reports whether the relay deletes chunks on request.
func (s *Session) ClearAllowed() bool { return s.clear }

// Err returns what has ended the session, nil while it lasts.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Dead is closed when the session has ended; Err then says why.
func (s *Session) Dead() <-chan struct{} { return s.dead }

// Unanswered returns how many indexes wait for their answer.
func (s *Session) Unanswered() int { return len(s.window) }

// Streams returns the streams that are not closed, in the order in which they
// were added.
func (s *Session) Streams() []*Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams)
}

// indexed reports whether packets have indexes.
func (s *Session) indexed() bool { return s.minor >= lttng.MinorIndexes && !s.snapshot }

// fail ends the session and returns what it has ended with: the first error.
func (s *Session) fail(end End, op string, stream *Stream, err error) error {
	l := s.control
	if end == Data {
		l = s.data
	}
	e := &Error{End: end, Addr: l.addr, Op: op, Err: err}
	if stream != nil {
		e.Stream = stream.o.Channel
	}
	return s.end(e)
}

func (s *Session) end(err error) error {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return s.err
	}
	s.err = err
	left := s.calls
	s.calls = calls{}
	data := s.data.conn
	s.mu.Unlock()
	close(s.dead)
	s.control.conn.Close() // what it says matters to nobody now
	if data != nil {
		data.Close()
	}
	for ; left.count > 0; left.pop() {
		if c := left.front(); c.done != nil {
			c.done <- err
		}
	}
	return err
}

// because returns what has ended the session if that is why something failed.
func (s *Session) because(err error) error {
	if errors.Is(err, ErrClosed) {
		if ended := s.Err(); ended != nil {
			return ended
		}
	}
	return err
}

// Abort closes both connections at once and waits for the session's goroutines.
// The relay keeps what has arrived. It may be called again.
func (s *Session) Abort() {
	_ = s.end(fmt.Errorf("relay: session: %w", ErrClosed))
	s.readers.Wait()
}

// Close ends the recording in order: it waits until everything has arrived
// ([Session.Drain]), takes the streams out of their chunk, closes chunk and
// streams, and then the connections. Whatever it returns, the connections are
// closed; nil means that all that was sent is stored. Close does not wait for
// a rotation that is under way at the relay.
func (s *Session) Close(ctx context.Context) error {
	defer s.Abort()
	if err := s.Drain(ctx); err != nil {
		return err
	}
	if s.snapshot { // the streams first: there is nothing to take them to
		if err := s.closeStreams(ctx); err != nil {
			return err
		}
		_, err := s.closeLastChunk(ctx, false)
		return err
	}
	if _, err := s.closeLastChunk(ctx, false); err != nil {
		return err
	}
	return s.closeStreams(ctx)
}

func (s *Session) closeStreams(ctx context.Context) error {
	for _, st := range s.Streams() {
		if err := st.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}
