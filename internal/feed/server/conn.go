// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed"
)

// conn is one connection. serve reads its requests and answers them in order; a READ
// waits on a goroutine of its own, so that its end can be asked for meanwhile.
type conn struct {
	// Static after admit.
	s      *Server
	socket *net.UnixConn
	caller feed.Caller

	// Owned by serve.
	in       []byte
	format   client.Format
	consumer *feed.Consumer
	reading  *reading // nil: none is outstanding

	// Owned by the READ that is outstanding, else by serve.
	batch []byte

	mu  sync.Mutex // held while a frame is written
	out []byte
}

// reading is a READ that is outstanding.
type reading struct {
	cancel   context.CancelFunc
	answered atomic.Bool   // an answer is being sent, or was
	told     bool          // the answer is an error; good after done
	done     chan struct{} // closed when nothing more comes of it
}

// How long a client may take to read an answer, and one that is disconnected, to read why.
const (
	writeTimeout   = 10 * time.Minute
	farewellPeriod = time.Second
)

// errBye ends a connection in order.
var errBye = errors.New("connection is done")

// serve answers requests until the client is gone or breaks the protocol.
func (c *conn) serve(ctx context.Context) {
	defer c.detach(ctx)
	r := bufio.NewReader(c.socket)
	for first := true; ; first = false {
		f, err := c.nextFrame(r, first)
		if err != nil {
			if !c.farewell() {
				c.refuse(f, err)
			}
			return
		}
		if err := c.answer(ctx, f, first); err != nil {
			if !errors.Is(err, errBye) {
				c.refuse(f, err)
			}
			return
		}
	}
}

// nextFrame reads a frame. Its first byte may take for ever, but for that of HELLO; what
// follows may not: a client that stops amid a frame would hold the connection.
func (c *conn) nextFrame(r *bufio.Reader, first bool) (client.Frame, error) {
	if !first {
		if _, err := r.Peek(1); err != nil {
			return client.Frame{}, err
		}
	}
	c.setReadDeadline(time.Now().Add(c.s.opts.HelloTimeout))
	f, err := client.ReadFrame(r, &c.in, client.MaxRequest)
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.disconnected() {
		err = &client.FrameError{Offset: -1, What: fmt.Sprintf("no whole frame within %v", c.s.opts.HelloTimeout)}
	}
	if err == nil {
		c.setReadDeadline(time.Time{})
	}
	return f, err
}

// setReadDeadline sets until when the client may take, unless its consumer is
// disconnected: then nothing is read any more.
func (c *conn) setReadDeadline(t time.Time) {
	_ = c.socket.SetReadDeadline(t)
	if c.disconnected() { // watch may have been before
		_ = c.socket.SetReadDeadline(longAgo)
	}
}

// disconnected reports whether the consumer was taken off its feed.
func (c *conn) disconnected() bool { return c.consumer != nil && c.consumer.Err() != nil }

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// watch ends the connection of a consumer that is disconnected: because the feed is
// destroyed, reset, given up, or taken by another.
func (c *conn) watch(n *feed.Consumer) {
	go func() { // ends with the consumer, which detach closes at the latest
		<-n.Done()
		if n.Err() == nil {
			return
		}
		_ = c.socket.SetWriteDeadline(time.Now().Add(farewellPeriod)) // it may not read at all
		_ = c.socket.SetReadDeadline(longAgo)                         // serve sees it
	}()
}

// farewell tells a consumer that was disconnected why. It is false if it was not.
func (c *conn) farewell() bool {
	if !c.disconnected() {
		return false
	}
	if r := c.reading; r != nil {
		<-r.done
		c.reading = nil
		if r.told {
			return true
		}
	}
	_ = c.fail(client.Frame{}, c.consumer.Err()) // it may be gone
	return true
}

// refuse tells a client that broke the protocol why it is disconnected.
func (c *conn) refuse(f client.Frame, err error) {
	var frame *client.FrameError
	if errors.As(err, &frame) {
		c.s.opts.Log.Debug("feeds: client breaks the protocol", "pid", c.caller.PID, "uid", c.caller.UID, "error", err)
		_ = c.fail(f, err) // it may be gone
	}
	if !errors.Is(err, io.EOF) && frame == nil {
		c.s.opts.Log.Debug("feeds: connection ended", "pid", c.caller.PID, "error", err)
	}
}

// detach ends what the connection had.
func (c *conn) detach(ctx context.Context) {
	c.stopReading()
	if c.consumer != nil {
		if err := c.consumer.Close(context.WithoutCancel(ctx), false); err != nil {
			c.s.opts.Log.Warn("feeds: consumer's end", "error", err)
		}
	}
}

// stopReading ends a READ that waits.
func (c *conn) stopReading() {
	if c.reading != nil {
		c.reading.cancel()
		<-c.reading.done
		c.reading = nil
	}
}

// answer carries out one request. An error ends the connection; what the manager
// refuses does not.
func (c *conn) answer(ctx context.Context, f client.Frame, first bool) error {
	if first != (f.Op == client.OpHello) {
		return &client.FrameError{Op: f.Op, Offset: -1, What: "HELLO is the first frame, and no other is"}
	}
	if c.reading != nil {
		switch {
		case c.reading.answered.Load():
			<-c.reading.done
			c.reading = nil
		case f.Op != client.OpClose && f.Op != client.OpInfo:
			return &client.FrameError{Op: f.Op, Offset: -1, What: "a READ is outstanding: only CLOSE and GETINFO may be asked"}
		}
	}
	b, err := c.carryOut(ctx, f)
	var frame *client.FrameError
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case errors.As(err, &frame), errors.Is(err, errBye):
		return err
	case err != nil:
		return c.fail(f, err)
	}
	return c.send(f, b)
}

// errAnswered says that a request was answered, or is going to be.
var errAnswered = errors.New("answered")

// carryOut carries out one request and returns the payload of the answer.
func (c *conn) carryOut(ctx context.Context, f client.Frame) ([]byte, error) {
	switch f.Op {
	case client.OpHello:
		return c.hello(f)
	case client.OpOpen:
		var r client.Ref
		return c.attach(f, &r, func(m *feed.Manager) (*feed.Consumer, error) {
			if r.Look {
				return m.Look(c.caller, r.Feed, r.From)
			}
			return m.Attach(c.caller, r.Feed, r.Steal)
		})
	case client.OpTail:
		var o client.CreateOptions
		return c.attach(f, &o, func(m *feed.Manager) (*feed.Consumer, error) {
			return m.Tail(ctx, c.caller, o)
		})
	case client.OpRead, client.OpCancel, client.OpClose, client.OpPipe:
		switch {
		case c.consumer == nil && f.Op == client.OpCancel:
			return nil, client.Errorf(client.CodeDenied, "op %d: no feed is open on this connection, and who reads a feed cancels its records", f.Op)
		case c.consumer == nil:
			return nil, client.Errorf(client.CodeBadArgument, "op %d: no feed is open on this connection", f.Op)
		}
		return c.consume(ctx, f)
	}
	do, ok := requests[f.Op]
	if !ok {
		return nil, &client.FrameError{Op: f.Op, Offset: -1, What: fmt.Sprintf("op %d is unknown", f.Op)}
	}
	return feed.Through(c.s.opts.Manager, func(m *feed.Manager) ([]byte, error) { return do(ctx, c, m, f) })
}

func (c *conn) hello(f client.Frame) ([]byte, error) {
	format, err := client.ParseHello(f.Payload)
	if err != nil {
		return nil, err
	}
	c.format = format
	b, err := json.Marshal(c.s.opts.Hello)
	return append(binary.LittleEndian.AppendUint16(nil, client.Version), b...), err
}

// attach opens a feed on the connection.
func (c *conn) attach(f client.Frame, request any, open func(*feed.Manager) (*feed.Consumer, error)) ([]byte, error) {
	if c.consumer != nil {
		return nil, client.Errorf(client.CodeBadArgument, "a feed is open on this connection already")
	}
	if err := decode(f, request); err != nil {
		return nil, err
	}
	consumer, err := feed.Through(c.s.opts.Manager, open)
	if err != nil {
		return nil, err
	}
	c.consumer = consumer
	c.watch(consumer)
	return json.Marshal(consumer.Info())
}

// consume carries out what concerns the open feed.
func (c *conn) consume(ctx context.Context, f client.Frame) ([]byte, error) {
	switch f.Op {
	case client.OpRead:
		o, err := client.ParseRead(f.Payload, f.Flags)
		if err != nil {
			return nil, err
		}
		c.read(ctx, f, o)
		return nil, errAnswered
	case client.OpCancel:
		if len(f.Payload) != 8 {
			return nil, &client.FrameError{Op: f.Op, What: fmt.Sprintf("%d bytes, want 8", len(f.Payload))}
		}
		cancelled, err := c.consumer.Cancel(ctx, binary.LittleEndian.Uint64(f.Payload))
		return binary.LittleEndian.AppendUint64(nil, cancelled), err
	case client.OpPipe:
		if c.consumer.Looks() {
			return nil, client.Errorf(client.CodeBadArgument, "op %d: a pipe cancels what is read: open the feed without look", f.Op)
		}
		return nil, c.pipe(ctx, f)
	}
	if len(f.Payload) > 1 {
		return nil, &client.FrameError{Op: f.Op, What: fmt.Sprintf("%d bytes, want 1", len(f.Payload))}
	}
	c.stopReading()
	err := c.consumer.Close(ctx, len(f.Payload) == 1 && f.Payload[0] != 0)
	c.consumer = nil
	return nil, err
}

// read answers a READ once there is something to read.
func (c *conn) read(ctx context.Context, f client.Frame, o client.ReadOptions) {
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{cancel: cancel, done: make(chan struct{})}
	c.reading = r
	f.Payload = nil // it is overwritten by the next request
	go func() {     // awaited by stopReading
		defer close(r.done)
		defer cancel()
		b, err := c.readBatch(ctx, o)
		r.answered.Store(true)
		switch {
		case ctx.Err() != nil:
			return // CLOSE or the end of the connection
		case err != nil:
			r.told = true
			err = c.fail(f, err)
		default:
			err = c.send(f, b)
		}
		if err != nil {
			c.socket.Close() // serve sees it
		}
	}()
}

// readBatch reads a batch and makes it the payload of an answer, which is good until the
// next.
func (c *conn) readBatch(ctx context.Context, o client.ReadOptions) ([]byte, error) {
	c.batch = client.AppendBatchHead(c.batch[:0], 0, 0, 0)
	last := 0
	res, err := c.consumer.Read(ctx, o, func(r *changelog.Record) int {
		if r == nil {
			c.batch = c.batch[:last]
			return 0
		}
		last = len(c.batch)
		c.batch = append(c.batch, 0, 0, 0, 0)
		c.batch = feed.AppendForm(c.batch, c.format, r)
		n := len(c.batch) - last
		binary.LittleEndian.PutUint32(c.batch[last:], uint32(n-4))
		return n
	})
	if err != nil {
		return nil, err
	}
	client.AppendBatchHead(c.batch[:0], res.Through, uint32(res.Count), flags(res))
	return c.batch, nil
}

func flags(r feed.Result) (flags uint32) {
	if r.More {
		flags |= client.BatchMore
	}
	if r.Gap {
		flags |= client.BatchGap
	}
	if r.Aborted {
		flags |= client.BatchAborted
	}
	return flags
}

// send answers a request.
func (c *conn) send(f client.Frame, payload []byte) error {
	return c.write(client.Frame{Op: f.Op | client.OpAnswer, Tag: f.Tag, Payload: payload})
}

// fail answers a request that is not carried out.
func (c *conn) fail(f client.Frame, err error) error {
	return c.write(client.Frame{Op: client.OpError, Tag: f.Tag, Payload: problem(err)})
}

func (c *conn) write(f client.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = f.Append(c.out[:0])
	if !c.disconnected() {
		_ = c.socket.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	_, err := c.socket.Write(c.out)
	return err
}

// decode decodes the JSON of a request.
func decode(f client.Frame, into any) error {
	if err := json.Unmarshal(f.Payload, into); err != nil {
		return client.Errorf(client.CodeBadArgument, "op %d: %v", f.Op, err)
	}
	return nil
}
