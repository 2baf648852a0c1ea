// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Pending asks whether something of what was sent has not arrived. What has, is
// told by [Stream.Stored] of the streams that are not closed.
func (s *Session) Pending(ctx context.Context) (bool, error) {
	return s.askPending(ctx, s.sent())
}

// sent is how many packets each stream has sent.
func (s *Session) sent() map[*Stream]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[*Stream]uint64, len(s.streams))
	for _, st := range s.streams {
		all[st] = st.sent
	}
	return all
}

// question is what a stream is asked in a round: for so many packets.
type question struct {
	stream *Stream
	id     lttng.StreamID
	sent   uint64
}

// questions asks all streams, of which the relay wants it: those that are new
// for no packets. Whoever calls has the turn of rounds, so that they hold.
func (s *Session) questions(sent map[*Stream]uint64) []question {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []question
	for _, st := range s.streams {
		if !st.parked {
			all = append(all, question{st, st.id, sent[st]})
		}
	}
	return all
}

// askPending is one round of questions.
func (s *Session) askPending(ctx context.Context, goal map[*Stream]uint64) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	if err := s.takeRounds(ctx); err != nil {
		return false, err
	}
	defer s.giveRounds()
	sent := s.questions(goal)
	codes := make([]lttng.ReplyCode, len(sent)+1) // the last one is for the session
	waiting := []call{newCode(lttng.CmdBeginDataPending, nil)}
	for i, p := range sent {
		if p.stream.IsMetadata() {
			waiting = append(waiting, newCode(lttng.CmdQuiescentControl, p.stream))
		} else {
			waiting = append(waiting, newCall(lttng.CmdDataPending, p.stream, &codes[i], parsePending(lttng.CmdDataPending)))
		}
	}
	waiting = append(waiting, newCall(lttng.CmdEndDataPending, nil, &codes[len(sent)], parsePending(lttng.CmdEndDataPending)))
	err := s.post(ctx, lttng.CmdBeginDataPending, nil, func(b []byte) []byte {
		b = lttng.AppendRequest(b, lttng.CmdBeginDataPending, lttng.BeginDataPending{Session: s.id}.Append)
		for _, p := range sent {
			if p.stream.IsMetadata() {
				b = lttng.AppendRequest(b, lttng.CmdQuiescentControl, lttng.QuiescentControl{Stream: p.id}.Append)
			} else {
				m := lttng.DataPending{Stream: p.id, LastNetSeqNum: p.sent - 1}
				b = lttng.AppendRequest(b, lttng.CmdDataPending, m.Append)
			}
		}
		return lttng.AppendRequest(b, lttng.CmdEndDataPending, lttng.EndDataPending{Session: s.id}.Append)
	}, waiting...)
	if err != nil {
		return false, err
	}
	for _, c := range waiting {
		if err := s.await(ctx, c); err != nil {
			return false, err
		}
	}
	return s.note(sent, codes), nil
}

// parsePending reads an answer that is yes or no.
func parsePending(op lttng.Command) func([]byte) (lttng.ReplyCode, int, error) {
	return func(b []byte) (lttng.ReplyCode, int, error) {
		code, n, err := lttng.ParseCode(b)
		if err == nil && code != lttng.ReplyPending && code != lttng.ReplyNotPending {
			err = &RefusedError{Op: op, Code: code}
		}
		return code, n, err
	}
}

// note keeps the answers of a round.
func (s *Session) note(sent []question, codes []lttng.ReplyCode) (pending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range sent {
		if codes[i] == lttng.ReplyPending {
			pending = true
			continue
		}
		p.stream.stored = max(p.stream.stored, p.sent)
		if !s.indexed() {
			p.stream.confirmed = p.stream.stored
		}
	}
	return pending || codes[len(sent)] == lttng.ReplyPending
}

// Drain waits until all that was sent before the call has arrived.
func (s *Session) Drain(ctx context.Context) error {
	sent := s.sent()
	for p := newPace(200 * time.Millisecond); ; {
		pending, err := s.askPending(ctx, sent)
		if err != nil || !pending {
			return err
		}
		if err := p.wait(ctx, s.dead); err != nil {
			return s.because(err)
		}
	}
}

// Sync waits until the relay has handled all requests sent so far, also those
// that have no answer of their own, and whose answers nobody waits for.
func (s *Session) Sync(ctx context.Context) error {
	var id lttng.StreamID // relays take any
	if _, metadata := s.split(); len(metadata) > 0 {
		id = metadata[0].id
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	c := newCode(lttng.CmdQuiescentControl, nil)
	err := s.post(ctx, lttng.CmdQuiescentControl, nil, func(b []byte) []byte {
		return lttng.AppendRequest(b, lttng.CmdQuiescentControl, lttng.QuiescentControl{Stream: id}.Append)
	}, c)
	if err != nil {
		return err
	}
	return s.await(ctx, c)
}

// pace is the pause between two questions: it doubles up to a limit.
type pace struct{ next, limit time.Duration }

func newPace(limit time.Duration) *pace { return &pace{time.Millisecond, limit} }

func (p *pace) wait(ctx context.Context, dead <-chan struct{}) error {
	t := time.NewTimer(p.next)
	defer t.Stop()
	p.next = min(2*p.next, p.limit)
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-dead:
		return ErrClosed
	}
}
