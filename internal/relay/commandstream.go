// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"

	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/lttng"
)

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

func (c *controlConn) streamsSent(ss *tracestore.Session, _ []byte) error {
	ss.Publish()
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

func unknownStream(id lttng.StreamID) error {
	return fmt.Errorf("%w: %d", tracestore.ErrUnknownStream, id)
}
