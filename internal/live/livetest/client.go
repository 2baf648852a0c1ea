// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package livetest plays viewers in tests: [Client] asks any relay one
// question at a time, [Viewer] reads a session to its end the way babeltrace2
// does and notices what would make that program give up.
package livetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/weir-io/weir/lttng"
)

// timeout bounds one exchange, so that a test fails rather than hangs.
const timeout = 20 * time.Second

// Client is one viewer's connection. Its methods send a request and read the
// reply; errors are those of the connection or of the reply's layout.
type Client struct {
	conn  net.Conn
	minor lttng.Minor // agreed on by Connect
	buf   []byte      // received and not parsed
}

// New makes a client of an open connection, which it closes.
func New(conn net.Conn) *Client { return &Client{conn: conn, minor: lttng.MinorIndexes} }

// Dial connects to the viewers' port at a TCP address. CONNECT is up to the
// caller.
func Dial(ctx context.Context, addr string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return New(conn), nil
}

// Conn returns the connection, for tests that send what no viewer would.
func (c *Client) Conn() net.Conn { return c.conn }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Send writes bytes as they are.
func (c *Client) Send(b []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// Request writes a request.
func (c *Client) Request(cmd lttng.ViewerCommand, payload func([]byte) []byte) error {
	return c.Send(lttng.AppendViewerRequest(nil, cmd, payload))
}

// Read returns the next n bytes.
func (c *Client) Read(n int) ([]byte, error) {
	for len(c.buf) < n {
		if err := c.fill(n - len(c.buf)); err != nil {
			return nil, err
		}
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b, nil
}

// Ended reports whether the relay closes the connection without sending more.
func (c *Client) Ended() bool {
	if err := c.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return true
	}
	err := c.fill(1)
	var nerr net.Error
	return err != nil && !(errors.As(err, &nerr) && nerr.Timeout())
}

func (c *Client) fill(want int) error {
	b := make([]byte, max(want, 4<<10))
	n, err := io.ReadAtLeast(c.conn, b, 1)
	c.buf = append(c.buf, b[:n]...)
	return err
}

// exchange sends a request and parses the reply, of which more bytes are read
// for as long as it is too short.
func exchange[T any](c *Client, cmd lttng.ViewerCommand, payload func([]byte) []byte, parse func([]byte) (T, int, error)) (T, error) {
	var zero T
	if err := c.Request(cmd, payload); err != nil {
		return zero, fmt.Errorf("%v: %w", cmd, err)
	}
	return reply(c, cmd, parse)
}

func reply[T any](c *Client, cmd lttng.ViewerCommand, parse func([]byte) (T, int, error)) (T, error) {
	var zero T
	for {
		v, n, err := parse(c.buf)
		if err == nil {
			c.buf = c.buf[n:]
			return v, nil
		}
		if !errors.Is(err, lttng.ErrShort) {
			return zero, fmt.Errorf("%v: %w", cmd, err)
		}
		if err := c.fill(1); err != nil {
			return zero, fmt.Errorf("%v: reply of %d bytes so far: %w", cmd, len(c.buf), err)
		}
	}
}

// Connect sends CONNECT. Later replies are read in the smaller one of both
// minors.
func (c *Client) Connect(minor uint32) (lttng.ViewerConnectMsg, error) {
	m := lttng.ViewerConnectMsg{
		ViewerSessionID: ^uint64(0), Major: lttng.MajorVersion, Minor: minor, Type: lttng.ViewerTypeCommand,
	}
	r, err := exchange(c, lttng.ViewerConnect, m.Append, lttng.ParseViewerConnectMsg)
	c.minor = lttng.Minor(min(minor, r.Minor))
	return r, err
}

// List sends LIST_SESSIONS.
func (c *Client) List() ([]lttng.ViewerSession, error) {
	r, err := exchange(c, lttng.ViewerListSessions, nil, func(b []byte) (lttng.SessionList, int, error) {
		return lttng.ParseSessionList(b, c.minor)
	})
	return r.Sessions, err
}

// Create sends CREATE_SESSION.
func (c *Client) Create() (lttng.CreateStatus, error) {
	return exchange(c, lttng.ViewerCreateSession, nil, lttng.ParseStatus[lttng.CreateStatus])
}

// Attach sends ATTACH_SESSION.
func (c *Client) Attach(id lttng.SessionID, seek lttng.Seek) (lttng.AttachReply, error) {
	m := lttng.AttachRequest{Session: id, Seek: seek}
	return exchange(c, lttng.ViewerAttachSession, m.Append, lttng.ParseAttachReply)
}

// Detach sends DETACH_SESSION.
func (c *Client) Detach(id lttng.SessionID) (lttng.DetachStatus, error) {
	m := lttng.ViewerSessionRequest{Session: id}
	return exchange(c, lttng.ViewerDetachSession, m.Append, lttng.ParseStatus[lttng.DetachStatus])
}

// NewStreams sends GET_NEW_STREAMS.
func (c *Client) NewStreams(id lttng.SessionID) (lttng.NewStreamsReply, error) {
	m := lttng.ViewerSessionRequest{Session: id}
	return exchange(c, lttng.ViewerGetNewStreams, m.Append, lttng.ParseNewStreamsReply)
}

// NextIndex sends GET_NEXT_INDEX.
func (c *Client) NextIndex(id lttng.StreamID) (lttng.NextIndexReply, error) {
	m := lttng.ViewerStreamRequest{Stream: id}
	return exchange(c, lttng.ViewerGetNextIndex, m.Append, lttng.ParseNextIndexReply)
}

// Packet sends GET_PACKET and returns the data with the reply.
func (c *Client) Packet(id lttng.StreamID, off uint64, n uint32) (lttng.PacketReply, []byte, error) {
	m := lttng.PacketRequest{Stream: id, Offset: off, Len: n}
	r, err := exchange(c, lttng.ViewerGetPacket, m.Append, lttng.ParsePacketReply)
	if err != nil || r.Status != lttng.PacketOK {
		return r, nil, err
	}
	b, err := c.Read(int(r.Len))
	return r, b, err
}

// Metadata sends GET_METADATA and returns the data with the reply.
func (c *Client) Metadata(id lttng.StreamID) (lttng.MetadataReply, []byte, error) {
	m := lttng.ViewerStreamRequest{Stream: id}
	r, err := exchange(c, lttng.ViewerGetMetadata, m.Append, lttng.ParseMetadataReply)
	if err != nil {
		return r, nil, err
	}
	b, err := c.Read(int(r.Len))
	return r, b, err
}
