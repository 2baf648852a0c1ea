// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package runtimetrace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// errUnwanted ends a conversion that nobody records any more.
var errUnwanted = errors.New("nobody records")

// queue takes the runtime's trace from the runtime, which must not wait: what it cannot
// hand over it keeps, without a bound. The other end is read by the conversion.
type queue struct {
	limit int           // of bytes that were written and are still held
	ended chan struct{} // closed when no more are to come

	mu      sync.Mutex // guards what follows
	came    sync.Cond  // bytes, or the end
	buffers [][]byte   // that were not read; one that grows would be held twice meanwhile
	err     error      // why there are no more; nil while there are

	written, read int
	// A parser holds the generation that it has read last: what it had read before
	// that one is what was let go of.
	previous, released int
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, ended: make(chan struct{})}
	q.came.L = &q.mu
	return q
}

// Write never fails, nor waits: what is behind the end is not kept.
func (q *queue) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return len(b), nil
	}
	q.written += len(b)
	if held := q.written - q.released; held > q.limit {
		q.endLocked(fmt.Errorf("the runtime's trace: %d bytes wait for conversion, limit %d", held, q.limit))
		q.buffers = nil
		return len(b), nil
	}
	q.buffers = append(q.buffers, bytes.Clone(b)) // the runtime writes to its own again
	q.came.Signal()
	return len(b), nil
}

// Read waits for bytes, or for the end.
func (q *queue) Read(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buffers) == 0 {
		if q.err != nil {
			return 0, q.err
		}
		q.came.Wait()
	}
	n := copy(b, q.buffers[0])
	if q.buffers[0] = q.buffers[0][n:]; len(q.buffers[0]) == 0 {
		q.buffers[0] = nil
		q.buffers = q.buffers[1:]
	}
	q.read += n
	return n, nil
}

// generation says that the parser has read a generation.
func (q *queue) generation() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.released, q.previous = q.previous, q.read
}

// finish says that nothing more is written: what is there can be read.
func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.endLocked(io.EOF)
}

// abandon drops what is there.
func (q *queue) abandon(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.endLocked(err)
	q.buffers = nil
}

// endLocked keeps the first reason.
func (q *queue) endLocked(err error) {
	if q.err == nil {
		q.err = err
		close(q.ended)
	}
	q.came.Broadcast()
}

// failed returns why the trace ended before its end, or nil.
func (q *queue) failed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == io.EOF {
		return nil
	}
	return q.err
}
