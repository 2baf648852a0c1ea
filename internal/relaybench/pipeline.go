// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"fmt"

	"github.com/weir-io/weir/lttng"
)

// window is the number of indexes that may be unanswered when they are
// pipelined.
const window = 256

// indexBytes is the size of a SEND_INDEX request.
const indexBytes = lttng.ControlHeaderLen + 80

// appendIndex appends a SEND_INDEX request.
func appendIndex(b []byte, x lttng.Index, minor lttng.Minor) []byte {
	b = lttng.ControlHeader{DataSize: indexBytes - lttng.ControlHeaderLen, Cmd: lttng.CmdSendIndex}.Append(b)
	return x.Append(b, minor)
}

// indexer sends the indexes of a session.
type indexer interface {
	// add sends an index, or queues it, and may wait for replies.
	add(lttng.Index) error
	// finish returns when all indexes are answered; add is not called again.
	finish() error
}

// newIndexer returns an indexer of the mode for packets of a size; finish must
// be called.
func newIndexer(mode IndexMode, c *control, packetBytes int) indexer {
	if mode == Sync {
		return &syncIndexer{control: c}
	}
	return newPipeline(c, packetBytes)
}

// syncIndexer waits for each reply.
type syncIndexer struct {
	control *control
	buf     []byte
}

func (s *syncIndexer) add(x lttng.Index) error {
	s.buf = appendIndex(s.buf[:0], x, s.control.minor)
	if err := s.control.sock.write(s.buf); err != nil {
		return fmt.Errorf("%s: %w", lttng.CmdSendIndex, err)
	}
	reply := s.buf[:codeBytes]
	if err := s.control.sock.readFull(reply); err != nil {
		return fmt.Errorf("%s reply: %w", lttng.CmdSendIndex, err)
	}
	return checkIndexReplies(reply)
}

func (s *syncIndexer) finish() error { return nil }

// checkIndexReplies checks whole replies of SEND_INDEX.
func checkIndexReplies(b []byte) error {
	for ; len(b) >= codeBytes; b = b[codeBytes:] {
		code, _, err := lttng.ParseCode(b)
		if err != nil {
			return fmt.Errorf("%s reply: %w", lttng.CmdSendIndex, err)
		}
		if err := checkCode(lttng.CmdSendIndex, code); err != nil {
			return err
		}
	}
	return nil
}

// pipeline keeps up to [window] indexes unanswered. They leave together, one
// call for those of [aheadBytes] of packets: a call for each would cost the
// machine more than the packet that it describes. Replies are read when the
// window is full. All is done by the caller: what is unanswered fits into the
// buffers of a connection, so a write does not wait for a reader of replies.
type pipeline struct {
	control    *control
	batch      int // indexes that leave together
	queued     []byte
	unanswered int
	replies    [window * codeBytes]byte
	partial    int // bytes of an incomplete reply in replies
}

// aheadBytes is how much packet data may be sent ahead of its indexes.
const aheadBytes = 128 << 10

func newPipeline(c *control, packetBytes int) *pipeline {
	return &pipeline{control: c, batch: min(max(1, aheadBytes/packetBytes), window)}
}

func (p *pipeline) add(x lttng.Index) error {
	for p.unanswered == window {
		if err := p.flush(); err != nil {
			return err
		}
		if err := p.read(); err != nil {
			return err
		}
	}
	p.queued = appendIndex(p.queued, x, p.control.minor)
	p.unanswered++
	if len(p.queued) < p.batch*indexBytes {
		return nil
	}
	return p.flush()
}

// flush sends what is queued.
func (p *pipeline) flush() error {
	if len(p.queued) == 0 {
		return nil
	}
	if err := p.control.sock.write(p.queued); err != nil {
		return fmt.Errorf("%s: %w", lttng.CmdSendIndex, err)
	}
	p.queued = p.queued[:0]
	return nil
}

// read receives the replies that are there, at least a byte.
func (p *pipeline) read() error {
	n, err := p.control.sock.read(p.replies[p.partial:])
	if err != nil {
		return fmt.Errorf("%s reply: %w", lttng.CmdSendIndex, err)
	}
	n += p.partial
	if err := checkIndexReplies(p.replies[:n]); err != nil {
		return err
	}
	p.unanswered -= n / codeBytes
	p.partial = copy(p.replies[:], p.replies[n-n%codeBytes:n])
	return nil
}

// finish may be called after an error of add: the connection must then be shut
// down first, or it may wait for replies that never come.
func (p *pipeline) finish() error {
	if err := p.flush(); err != nil {
		return err
	}
	for p.unanswered > 0 {
		p.control.sock.acknowledge()
		if err := p.read(); err != nil {
			return err
		}
	}
	return nil
}
