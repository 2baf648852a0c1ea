// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrGone reports that the other process has ended.
var ErrGone = errors.New("handover: the consumer process is gone")

// OrderError is what the consumer answers to an order that it could not carry out.
type OrderError struct {
	Op   Op
	Text string
}

func (e *OrderError) Error() string { return e.Text }

// Caller gives orders and waits for their answers.
type Caller struct {
	// Immutable.
	conn   *Conn
	notice func(Message)
	gone   chan struct{} // closed by the goroutine that receives, when it ends

	mu   sync.Mutex
	last uint64                 // id; guarded by mu
	open map[uint64]chan answer // guarded by mu; each has room for its answer
}

// answer is one with the file that has its body, if it is large.
type answer struct {
	Message

	files []*os.File
}

// body returns the answer's body and closes the files.
func (a *answer) body() ([]byte, error) {
	defer CloseAll(a.files)
	if len(a.files) == 0 {
		return a.Body, nil
	}
	return ReadBlob(a.files[0])
}

// NewCaller starts to receive on a connection, which it takes over. Notices are
// handed to notice on the goroutine that receives; it must not call back. Close
// ends the goroutine and waits for it.
func NewCaller(conn *Conn, notice func(Message)) *Caller {
	c := &Caller{conn: conn, notice: notice, gone: make(chan struct{}), open: make(map[uint64]chan answer)}
	go c.receive()
	return c
}

func (c *Caller) receive() {
	defer close(c.gone)
	for {
		m, files, err := c.conn.Receive()
		if err != nil {
			return
		}
		if m.ID == 0 {
			CloseAll(files)
			c.notice(m)
			continue
		}
		c.mu.Lock()
		wait := c.open[m.ID]
		delete(c.open, m.ID)
		if wait != nil {
			wait <- answer{m, files}
		}
		c.mu.Unlock()
		if wait == nil {
			CloseAll(files) // nobody waits any more
		}
	}
}

// Gone is closed when the other process has ended or the connection is closed.
func (c *Caller) Gone() <-chan struct{} { return c.gone }

// Call gives an order and waits for its answer, which is decoded into what into
// points to unless that is nil. The error is an *OrderError when the consumer refuses.
func (c *Caller) Call(ctx context.Context, op Op, body, into any, files ...*os.File) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("handover: %s: %w", op, err)
	}
	wait := make(chan answer, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.open[id] = wait
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.open, id)
		c.mu.Unlock()
		select {
		case late := <-wait:
			CloseAll(late.files)
		default:
		}
	}()
	switch err := c.conn.Send(Message{ID: id, Op: op, Body: b}, files...); {
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return fmt.Errorf("%s: %w", op, ErrGone)
	case err != nil:
		return err
	}
	select {
	case m := <-wait:
		b, err := m.body()
		switch {
		case m.Error != "":
			return &OrderError{Op: op, Text: m.Error}
		case into == nil:
			return nil
		}
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return fmt.Errorf("handover: answer to %s: %w", op, err)
		}
		return nil
	case <-c.gone:
		return fmt.Errorf("%s: %w", op, ErrGone)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
}

// Close ends the connection and waits for the goroutine that receives.
func (c *Caller) Close() error {
	err := c.conn.Close()
	<-c.gone
	return err
}
