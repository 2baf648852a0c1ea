// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"fmt"
	"sync"

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

// newIndexer returns an indexer of the mode; finish must be called.
func newIndexer(mode IndexMode, c *control) indexer {
	if mode == Sync {
		return &syncIndexer{control: c}
	}
	return newPipeline(c)
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

// pipeline keeps up to [window] indexes unanswered. A goroutine of its own
// writes what is queued; while it writes, more gathers, so that under load
// several indexes leave with one call, and with none waiting each leaves at
// once. Replies are read by the caller of add, when the window is full.
type pipeline struct {
	control *control

	// Owned by the caller of add.
	unanswered int
	replies    [window * codeBytes]byte
	partial    int // bytes of an incomplete reply in replies

	writer sync.WaitGroup

	// Guarded by mu.
	mu     sync.Mutex
	work   *sync.Cond // queued or done changed
	queued []byte
	done   bool
	err    error // of the writer
}

// newPipeline starts the writer; finish stops it and waits for it.
func newPipeline(c *control) *pipeline {
	p := &pipeline{control: c}
	p.work = sync.NewCond(&p.mu)
	p.writer.Go(p.write)
	return p
}

func (p *pipeline) add(x lttng.Index) error {
	for p.unanswered == window {
		if err := p.read(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.queued = appendIndex(p.queued, x, p.control.minor)
	err := p.err
	p.mu.Unlock()
	p.work.Signal()
	p.unanswered++
	return err
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
// down first, or the writer may wait for a peer that reads no more.
func (p *pipeline) finish() error {
	var err error
	for p.unanswered > 0 && err == nil {
		p.control.sock.acknowledge()
		err = p.read()
	}
	p.mu.Lock()
	p.done = true
	if err == nil {
		err = p.err
	}
	p.mu.Unlock()
	p.work.Signal()
	p.writer.Wait()
	return err
}

// write is the writer's goroutine.
func (p *pipeline) write() {
	var batch []byte
	for {
		p.mu.Lock()
		for len(p.queued) == 0 && !p.done {
			p.work.Wait()
		}
		batch, p.queued = p.queued, batch[:0]
		p.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if err := p.control.sock.write(batch); err != nil {
			p.control.sock.shutdown() // wakes a caller who waits for replies
			p.mu.Lock()
			p.err = fmt.Errorf("%s: %w", lttng.CmdSendIndex, err)
			p.mu.Unlock()
			return
		}
	}
}
