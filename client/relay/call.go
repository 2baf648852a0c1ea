// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weir-io/weir/lttng"
)

// call is a request whose answer has not come.
type call struct {
	op     lttng.Command
	stream *Stream // that it is for; nil = none, or several
	sent   time.Time

	// Of an index, the request that nobody waits for.
	index  bool
	packet bool // not a beacon
	seq    uint64

	// Of all others: take parses the answer and keeps it, done gets the end.
	take func([]byte) (int, error)
	done chan error // room for one
}

// calls is a queue in the order of the requests: a ring that grows.
type calls struct {
	ring        []call
	head, count int
}

func (q *calls) push(c call) {
	if q.count == len(q.ring) {
		grown := make([]call, max(16, 2*len(q.ring)))
		for i := range q.count {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.count)%len(q.ring)] = c
	q.count++
}

func (q *calls) front() *call { return &q.ring[q.head] }

func (q *calls) pop() {
	q.ring[q.head] = call{}
	q.head = (q.head + 1) % len(q.ring)
	q.count--
}

// enqueue notes requests that are about to be written. The caller has the turn
// on the control connection.
func (s *Session) enqueue(calls ...call) error {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.leaving {
		return ErrClosed
	}
	for _, c := range calls {
		c.sent = now
		s.calls.push(c)
	}
	if !s.armed && len(calls) > 0 {
		s.armed = true
		_ = s.control.conn.SetReadDeadline(now.Add(s.replyTimeout)) // an error shows in the read
	}
	return nil
}

// post writes requests, for each of which that has an answer there is a call.
func (s *Session) post(ctx context.Context, op lttng.Command, stream *Stream, build func([]byte) []byte, calls ...call) error {
	if err := s.control.take(ctx, s.dead); err != nil {
		return s.because(err)
	}
	defer s.control.give()
	if err := s.enqueue(calls...); err != nil {
		return err
	}
	s.out = build(s.out[:0])
	if _, err := s.control.write(ctx, &s.outParts, s.out, nil); err != nil {
		return s.fail(Control, op.String(), stream, err)
	}
	if cap(s.out) > maxKeptOut {
		s.out = nil
	}
	if len(calls) > 0 && !calls[0].index {
		quickAck(s.control.raw)
	}
	return nil
}

// maxKeptOut is how large a buffer of requests is kept for the next ones.
const maxKeptOut = 64 << 10

// changes reports whether a request changes something at the relay.
func changes(op lttng.Command) bool {
	switch op {
	case lttng.CmdBeginDataPending, lttng.CmdDataPending, lttng.CmdQuiescentControl, lttng.CmdEndDataPending,
		lttng.CmdTraceChunkExists, lttng.CmdGetConfiguration, lttng.CmdUDPStatus:
		return false
	}
	return true
}

// await waits for the answer of a call that was posted. A context that ends
// leaves the session good only if the request was a question: then the answer,
// when it comes, is read and forgotten.
func (s *Session) await(ctx context.Context, c call) error {
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	select { // rather the answer, if both are there
	case err := <-c.done:
		return err
	default:
	}
	if !changes(c.op) {
		return context.Cause(ctx)
	}
	return s.fail(Control, c.op.String()+" reply", c.stream, context.Cause(ctx))
}

// ask sends one request and waits for its answer.
func ask[R any](ctx context.Context, s *Session, op lttng.Command, payload func([]byte) []byte, parse func([]byte) (R, int, error)) (R, error) {
	var zero R
	if err := ctx.Err(); err != nil {
		return zero, context.Cause(ctx)
	}
	answer := new(R) // the reader may write it after this has returned
	c := newCall(op, nil, answer, parse)
	err := s.post(ctx, op, nil, func(b []byte) []byte { return lttng.AppendRequest(b, op, payload) }, c)
	if err == nil {
		err = s.await(ctx, c)
	}
	if err != nil {
		return zero, err
	}
	return *answer, nil
}

// newCall describes a request whose answer is to be kept.
func newCall[R any](op lttng.Command, stream *Stream, answer *R, parse func([]byte) (R, int, error)) call {
	return call{op: op, stream: stream, done: make(chan error, 1), take: func(b []byte) (int, error) {
		r, n, err := parse(b)
		if err == nil {
			*answer = r
		}
		return n, err
	}}
}

// do sends one request whose answer is a code, which has to be OK.
func (s *Session) do(ctx context.Context, op lttng.Command, stream *Stream, payload func([]byte) []byte) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	c := newCode(op, stream)
	err := s.post(ctx, op, stream, func(b []byte) []byte { return lttng.AppendRequest(b, op, payload) }, c)
	if err != nil {
		return err
	}
	return s.await(ctx, c)
}

// newCode describes a request whose answer has to be OK: another one is the end
// of the session.
func newCode(op lttng.Command, stream *Stream) call {
	return call{op: op, stream: stream, done: make(chan error, 1), take: func(b []byte) (int, error) {
		code, n, err := lttng.ParseCode(b)
		if err == nil && code != lttng.ReplyOK {
			err = &RefusedError{Op: op, Code: code}
		}
		return n, err
	}}
}

// readReplies reads the control connection until that ends. It is the goroutine
// that completes calls.
func (s *Session) readReplies() {
	need := 1
	for {
		if _, err := s.in.Peek(need); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && s.rearm() {
				continue
			}
			s.endReplies(err)
			return
		}
		b, _ := s.in.Peek(s.in.Buffered()) // all of them are there
		n, more, ok := s.settle(b)
		if !ok {
			return
		}
		_, _ = s.in.Discard(n)
		need = max(1, more)
	}
}

// rearm decides what a deadline means: false when an answer is late, or when the
// session is being detached.
func (s *Session) rearm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return false
	}
	if s.calls.count == 0 {
		s.armed = false
		_ = s.control.conn.SetReadDeadline(time.Time{})
		return true
	}
	late := s.calls.front().sent.Add(s.replyTimeout)
	if !time.Now().Before(late) {
		return false
	}
	_ = s.control.conn.SetReadDeadline(late)
	return true
}

// endReplies ends the session with the error of a read, unless it is detached.
func (s *Session) endReplies(err error) {
	s.mu.Lock()
	op, leaving, waiting := "wait", s.leaving, s.calls.count > 0
	var stream *Stream
	if waiting {
		op, stream = s.calls.front().op.String()+" reply", s.calls.front().stream
	}
	s.mu.Unlock()
	switch got := s.in.Buffered(); {
	case leaving && errors.Is(err, os.ErrDeadlineExceeded):
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w within %v", ErrNoReply, s.replyTimeout)
	case errors.Is(err, io.EOF) && got > 0:
		err = fmt.Errorf("%w after %d bytes of a reply", ErrHangup, got)
	case errors.Is(err, io.EOF):
		err = ErrHangup
	}
	_ = s.fail(Control, op, stream, err)
}

// settle completes the calls whose answers are in b. It returns how many bytes
// they took and how many bytes in all the next answer needs. ok is false when
// the session has ended by what came.
func (s *Session) settle(b []byte) (used, more int, ok bool) {
	for used < len(b) {
		used += s.settleIndexes(b[used:])
		if used == len(b) {
			break
		}
		s.mu.Lock()
		if s.calls.count == 0 {
			s.mu.Unlock()
			_ = s.fail(Control, "wait", nil, fmt.Errorf("%w: %d bytes", ErrUnasked, len(b)-used))
			return used, 0, false
		}
		c := *s.calls.front()
		s.mu.Unlock()
		n, err := c.parse(b[used:])
		if short, is := errors.AsType[*lttng.ProtocolError](err); is && short.Err == lttng.ErrShort && short.Want <= uint64(s.maxReply) {
			return used, s.shortBy(short, len(b)-used), true
		}
		if err != nil {
			_ = s.fail(Control, c.op.String()+" reply", c.stream, err)
			return used, 0, false
		}
		used += n
		s.mu.Lock()
		ended := s.err != nil // then the call has got that
		if !ended {
			s.calls.pop()
		}
		s.mu.Unlock()
		if ended {
			return used, 0, false
		}
		c.done <- nil // indexes with a good answer do not come here
	}
	return used, 0, true
}

// maxReply is the longest answer of a session without datagrams, in bytes: one
// with a path.
const maxReply = 16 + lttng.MaxReplyPath + 1

// shortBy returns how many bytes an answer needs of which have bytes are there.
// What a name lacks is counted from its start.
func (s *Session) shortBy(e *lttng.ProtocolError, have int) int {
	return max(have+1, min(e.Offset+int(e.Want), s.maxReply))
}

// parse reads the answer.
func (c *call) parse(b []byte) (int, error) {
	if !c.index {
		return c.take(b)
	}
	code, n, err := lttng.ParseCode(b)
	if err == nil && code != lttng.ReplyOK {
		err = &RefusedError{Op: c.op, Code: code}
	}
	return n, err
}

// settleIndexes completes the leading indexes that were accepted, which are
// nearly all there is.
func (s *Session) settleIndexes(b []byte) (used int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.calls.count > 0 && len(b)-used >= 4 {
		c := s.calls.front()
		if !c.index {
			break
		}
		if code, _, err := lttng.ParseCode(b[used:]); err != nil || code != lttng.ReplyOK {
			break
		}
		if c.packet {
			c.stream.confirmed = c.seq + 1
		}
		s.calls.pop()
		<-s.window // cannot block: it holds a value for each index in the queue
		used += 4
	}
	return used
}
